import type { SiteAdapter } from "./adapter.js";

/**
 * Gemini. Its pages are made of custom elements, which are the stablest thing about them: a
 * `user-query`, then a `model-response`, or a `dual-model-response` where two answers are to be
 * compared, and in which there is no `model-response`. From public descriptions up to October 2026; none of
 * it could be checked against the live site here.
 *
 * Unconfirmed: ids that begin with `user-query-content-`, and any ids on the two answers of a comparison.
 */
export const gemini: SiteAdapter = {
  id: "gemini",
  name: "Gemini",
  matches: ["https://gemini.google.com/*"],
  prompt: ["user-query", '[id^="user-query-content-"]', ".user-query-container"],
  answer: [
    "model-response message-content:not(model-thoughts *), dual-model-response .markdown-main-panel",
    '[id^="message-content-id-"]',
    "model-response",
    ".markdown-main-panel",
  ],
  turn: "response-selection-panel, model-response",
  ignore: [
    "button",
    "mat-icon",
    "model-thoughts",
    ".model-thoughts",
    ".cdk-visually-hidden",
    "sources-list",
    "source-footnote",
    "message-actions",
    "user-query-file-preview",
    // Pages that an answer comes with, and a prompt that is being changed.
    "generative-ui-response",
    ".query-content.edit-mode",
  ],
  identity: ["[id]"],
  streaming: ['[aria-busy="true"]', "pending-response"],
  settleMs: 1500,
};
