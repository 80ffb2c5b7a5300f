import type { SiteAdapter } from "./adapter.js";

/**
 * ChatGPT. From public descriptions of its pages up to October 2026, when three layouts were in use;
 * none of it could be checked against the live site here.
 *
 * - `data-message-author-role` on each message, in a `conversation-turn-…`; a turn may hold several
 *   messages, and the two answers of a comparison stand in a `data-paragen-root` each;
 * - units with a key that ends in `:user` or `:assistant`, several of them in one `data-turn-key`;
 * - on phones a list of `data-message-role`.
 */
export const chatgpt: SiteAdapter = {
  id: "chatgpt",
  name: "ChatGPT",
  matches: ["https://chatgpt.com/*"],
  prompt: [
    '[data-message-author-role="user"]',
    "[data-user-message-bubble]",
    '[data-chatgpt-search-unit-key$=":user"], [data-content-search-unit-key$=":user"]',
    '[data-message-role="user"]',
    '[data-turn="user"]',
  ],
  answer: [
    '[data-message-author-role="assistant"]',
    '[data-markdown-text-style="assistant-message"]',
    '[data-chatgpt-search-unit-key$=":assistant"], [data-content-search-unit-key$=":assistant"]',
    '[data-message-role="assistant"]',
    '[data-turn="assistant"]',
  ],
  turn: '[data-paragen-root], [data-testid^="conversation-turn-"], [data-turn-key], [data-message-role]',
  ignore: [
    "button", '[role="status"]', ".sr-only", "[data-streaming-response-status]", "[data-conversation-role]",
    '[data-markdown-copy="exclude"]', '[data-testid*="thought"]', '[data-testid*="reasoning"]',
    '[data-testid="webpage-citation-pill"]',
  ],
  identity: ["data-message-id", "data-chatgpt-search-message-ids", "data-turn-id"],
  streaming: ['[data-streaming-response-status="streaming"]', ".result-streaming", ".streaming-animation", '[aria-busy="true"]'],
  settleMs: 1200,
};
