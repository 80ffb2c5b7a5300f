import type { SiteAdapter } from "./adapter.js";

/**
 * LibreChat, which people host themselves. From its own source, `client/src/components/Chat/Messages/`, as of
 * October 2026. Answers of several agents share one message, each in a column with a head that names the agent.
 */
export const librechat: SiteAdapter = {
  id: "librechat",
  name: "LibreChat",
  matches: [],
  page: '[data-testid="messages-view"] .message-render, .agent-turn .message-content',
  prompt: [".user-turn .message-content"],
  answer: [".agent-turn .message-content"],
  turn: ".sibling-content-group > div, .message-render",
  ignore: [
    "button",
    '[data-testid="sibling-header"]',
    '[data-testid="message-text-editor"]',
    ".tabular-nums",
    ".sr-only",
  ],
  // An attribute first: the value that counts is that of the id.
  identity: ["[id].message-render"],
  streaming: [".result-streaming"],
  settleMs: 1200,
};
