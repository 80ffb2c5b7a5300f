import type { SiteAdapter } from "./adapter.js";

/**
 * Claude. From public descriptions of its pages up to 2026; none of it could be checked against the
 * live site here. No attribute is known that tells a retried answer from the one before it, so a
 * retry counts as an edit of the same answer.
 */
export const claude: SiteAdapter = {
  id: "claude",
  name: "Claude",
  matches: ["https://claude.ai/*"],
  prompt: [
    '[data-testid="user-message"]',
    "[data-user-message-bubble]",
    ".font-user-message",
  ],
  answer: [
    '[data-is-streaming]:not(:has([data-testid="user-message"]))',
    '[data-testid="assistant-message"]',
    ".font-claude-response, .font-claude-message",
  ],
  turn: '[data-is-streaming], [data-test-render-count], [data-testid="transcript-row"], [role="feed"] [role="article"]',
  ignore: [
    "button", '[role="status"]', '[role="group"]', ".sr-only", '[data-testid*="thinking"]',
    '[data-testid="message-actions"]',
  ],
  streaming: ['[data-is-streaming="true"]'],
  settleMs: 1200,
};
