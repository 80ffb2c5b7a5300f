import type { SiteAdapter } from "./adapter.js";

/**
 * Google AI Studio. From public descriptions of its pages up to October 2026; none of it could be checked
 * against the live site here. Thoughts are turns of the model, too, with nothing else in them.
 */
export const aistudio: SiteAdapter = {
  id: "aistudio",
  name: "AI Studio",
  matches: ["https://aistudio.google.com/*"],
  prompt: ['[data-turn-role="user" i]'],
  answer: ['[data-turn-role="model" i]'],
  turn: "ms-chat-turn",
  ignore: ["button", "mat-icon", "ms-thought-chunk", ".cdk-visually-hidden"],
  streaming: ['[aria-busy="true"]'],
  settleMs: 2000,
};
