import type { SiteAdapter } from "./adapter.js";

/**
 * Claude. From public descriptions of its pages up to October 2026; none of it could be checked against the
 * live site here. Rows are virtual: those that are far out of sight are not in the document.
 *
 * Unconfirmed, from one source only: `data-turn-key`, which would tell a retried answer from the one before
 * it. Where it is missing, a retry counts as an edit of the same answer.
 */
export const claude: SiteAdapter = {
  id: "claude",
  name: "Claude",
  matches: ["https://claude.ai/*"],
  prompt: ['[data-testid="user-message"]', "[data-user-message-bubble]"],
  answer: [
    '[data-is-streaming]:not(:has([data-testid="user-message"]))',
    '[data-testid="assistant-message"]',
    ".font-claude-response",
  ],
  turn: '[data-testid="transcript-row"], [role="feed"] [role="article"]',
  ignore: [
    "button",
    '[role="status"]',
    '[role="group"]',
    ".sr-only",
    '[data-testid*="thinking"]',
    // Thoughts that were opened, and what is shown beside the chat.
    "[data-timeline-text]",
    '[class~="group/artifact-block"]',
    '[data-testid="message-actions"]',
  ],
  identity: ["[data-turn-key]"],
  streaming: ['[data-is-streaming="true"]'],
  settleMs: 1200,
};
