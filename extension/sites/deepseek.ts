import type { SiteAdapter } from "./adapter.js";

/**
 * DeepSeek. From public descriptions of its pages up to October 2026; none of it could be checked against the
 * live site here. A prompt is a message without what only answers have. Nothing says that an answer is being
 * written, so it has to be quiet for longer than elsewhere.
 */
export const deepseek: SiteAdapter = {
  id: "deepseek",
  name: "DeepSeek",
  matches: ["https://chat.deepseek.com/*"],
  prompt: [".ds-message:not(:has(.ds-markdown, .ds-think-content))"],
  answer: [".ds-markdown.ds-assistant-message-main-content"],
  turn: "[data-virtual-list-item-key]",
  ignore: ["button", '[role="button"]', ".ds-think-content", ".sr-only"],
  identity: ["[data-virtual-list-item-key]"],
  settleMs: 2500,
};
