import type { SiteAdapter } from "./adapter.js";

/**
 * Qwen. From public descriptions of its pages up to October 2026; none of it could be checked against the
 * live site here. Blocks of code are editors of the Monaco kind, which have only those lines in the document that are in sight:
 * of long ones the rest is not read. Unconfirmed: that their line numbers are in `.margin`, as Monaco has them elsewhere.
 */
export const qwen: SiteAdapter = {
  id: "qwen",
  name: "Qwen",
  matches: ["https://chat.qwen.ai/*"],
  prompt: [".qwen-chat-message-user"],
  answer: [".response-message-content.phase-answer", ".qwen-chat-message-assistant"],
  // Two to choose from stand in a box each.
  turn: ".response-message-box, .qwen-chat-message-assistant",
  ignore: [
    "button",
    '[role="button"]',
    ".phase-thinking",
    ".smrm-card__prefer-btn",
    ".monaco-editor .margin",
    ".sr-only",
  ],
  streaming: ['[aria-busy="true"]'],
  settleMs: 2000,
};
