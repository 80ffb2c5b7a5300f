import type { SiteAdapter } from "./adapter.js";

/**
 * Any other page, when the user asks for it there: attributes by which chat pages and pages of
 * questions and answers commonly say who speaks.
 */
export const generic: SiteAdapter = {
  id: "generic",
  name: "this page",
  matches: [],
  prompt: [
    '[data-message-author-role="user"]',
    '[data-message-role="user"], [data-message-author="user"]',
    '[data-role="user"], [data-author="user"], [data-sender="user"], [data-turn="user"], [data-turn-role="user" i]',
    '[data-testid="user-message"]',
    '[data-content="user-message"]',
    '[role="article"][data-author-role="user"], [role="article"][data-from="user"]',
    '[itemtype$="schema.org/Question"] > [itemprop="text"], [itemtype$="schema.org/Question"] > :not([itemtype]) [itemprop="text"]',
    '[itemtype$="schema.org/Question"] > [itemprop="name"], [itemtype$="schema.org/Question"] > :not([itemtype]) [itemprop="name"]',
  ],
  answer: [
    '[data-message-author-role="assistant"]',
    '[data-message-role="assistant"], [data-message-author="assistant"], [data-message-author="model"]',
    '[data-role="assistant"], [data-author="assistant"], [data-sender="assistant"], [data-turn="assistant"], [data-turn-role="model" i]',
    '[data-testid="assistant-message"]',
    '[data-content="ai-message"]',
    '[role="article"][data-author-role="assistant"], [role="article"][data-from="assistant"]',
    '[itemtype$="schema.org/Answer"] [itemprop="text"]',
  ],
  reversed: 'ol, ul, [role="log"], [role="feed"], [role="list"]',
  ignore: [
    "button",
    '[role="button"]',
    '[role="status"]',
    '[role="toolbar"]',
    ".sr-only",
    ".visually-hidden",
    '[data-message-part-type="reasoning"]',
  ],
  identity: ["[data-message-id]", "[data-id]"],
  streaming: ['[aria-busy="true"]', '[data-streaming="true"]', '[data-is-streaming="true"]'],
  settleMs: 1500,
};
