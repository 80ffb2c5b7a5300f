import type { SiteAdapter } from "./adapter.js";

/**
 * Grok, by its own address. From public descriptions of its pages up to October 2026; none of it could be
 * checked against the live site here. The words of prompts may have the class of answers' words.
 */
export const grok: SiteAdapter = {
  id: "grok",
  name: "Grok",
  matches: ["https://grok.com/*"],
  prompt: ['[data-testid="user-message"]', ".message-bubble.rounded-br-lg"],
  answer: [
    '.response-content-markdown:not([data-testid="user-message"] *, .rounded-br-lg *)',
    '[data-testid="assistant-message"]',
  ],
  turn: '[id^="response-"]',
  ignore: ["button", ".thinking-container", ".sr-only"],
  identity: ['[id^="response-"]'],
  streaming: ['[aria-busy="true"]'],
  settleMs: 2000,
};
