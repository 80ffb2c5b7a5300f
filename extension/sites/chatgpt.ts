import type { SiteAdapter } from "./adapter.js";

/**
 * ChatGPT. From public descriptions of its pages up to October 2026, when three layouts were in use;
 * none of it could be checked against the live site here.
 *
 * - roles: `data-message-author-role` on each message, in a `conversation-turn-…`; a turn may hold several
 *   messages, and the two answers of a comparison stand in a `data-paragen-root` each;
 * - keys: units with a key that ends in `:user` or `:assistant`, several of them in one `data-turn-key`. The
 *   key itself is no identity, because it may count from the first message in sight. Other versions of an
 *   answer are in a dialog. No source shows a comparison within a `data-turn-key`: without a
 *   `data-paragen-root` its two answers would count as one;
 * - list: `li[data-message-role]`, on phones and for who has not logged in. The id of an answer begins with
 *   `pending-` until it is written.
 *
 * Unconfirmed, from one source only: `data-chatgpt-selection-message-id`, `data-app-shell-active-page`.
 * Without a source: `.streaming-animation`. The report of Deep Research is in a frame of its own and is not read.
 */
export const chatgpt: SiteAdapter = {
  id: "chatgpt",
  name: "ChatGPT",
  matches: ["https://chatgpt.com/*"],
  prompt: [
    '[data-message-author-role="user"]',
    "[data-user-message-copy]",
    "[data-user-message-bubble]",
    '[data-chatgpt-search-unit-key$=":user"], [data-content-search-unit-key$=":user"]',
    '[data-message-role="user"]',
    '[data-turn="user"]',
  ],
  answer: [
    '[data-message-author-role="assistant"]',
    "[data-assistant-markdown]",
    '[data-markdown-text-style="assistant-message"]:not([data-streaming-response-status] *)',
    '[data-chatgpt-search-unit-key$=":assistant"], [data-content-search-unit-key$=":assistant"]',
    '[data-message-role="assistant"]',
    '[data-turn="assistant"]',
  ],
  turn: '[data-paragen-root], [data-testid^="conversation-turn-"], [data-turn-key], [data-message-role]',
  aside: '[data-app-shell-active-page="false"]',
  ignore: [
    "button",
    '[role="status"]',
    ".sr-only",
    "[data-streaming-response-status]",
    "[data-conversation-role]",
    '[data-markdown-copy="exclude"]',
    '[data-testid*="thought"]',
    '[data-testid*="reasoning"]',
    '[data-testid="webpage-citation-pill"]',
    "[data-message-attribution]",
    "[data-message-content-controls]",
    "[data-assistant-placeholder-slot]",
  ],
  identity: [
    "[data-message-id]",
    "[data-chatgpt-selection-message-id]",
    "[data-chatgpt-search-message-ids]",
    "[data-turn-id]",
  ],
  provisional: "pending-",
  streaming: [
    '[data-streaming-response-status="streaming"]',
    "[data-message-streaming]",
    'li[data-message-role="assistant"]:not([data-message-complete])',
    ".result-streaming",
    ".streaming-animation",
    '[aria-busy="true"]',
  ],
  settleMs: 1200,
};
