import type { SiteAdapter } from "./adapter.js";

/**
 * Open WebUI, which people host themselves. From its own source, `src/lib/components/chat/Messages/`, as of October 2026,
 * and checked with the built front end of version 0.12.4 (`scripts/check-open-webui.mjs`). Answers of several models stand
 * side by side, each in a column that was a button as a whole up to some version and is none in 0.12.4; a setting shows them
 * as tabs instead, one at a time. The id of the container of an answer's words is the same for every answer, that of the
 * message around it is its own. Z.ai is said to have the same classes; `.thinking-chain-container` is its own.
 */
export const openwebui: SiteAdapter = {
  id: "openwebui",
  name: "Open WebUI",
  matches: [],
  page: '.chat-assistant [id="response-content-container"], .user-message .chat-user',
  prompt: [".user-message .chat-user"],
  answer: ['.chat-assistant [id="response-content-container"]', ".chat-assistant"],
  turn: '[id^="message-"]',
  ignore: [
    "button",
    // Thoughts, sources and anything else that can be opened stand behind the button that opens them.
    "button[aria-expanded] + *",
    // When a prompt was written: it stands among its words, and is seen when one points at it.
    "time",
    // The head of a block of code, with the language's name.
    ".sticky:has(.copy-code-button)",
    ".status-description",
    ".buttons",
    ".thinking-chain-container",
    ".sr-only",
  ],
  identity: ['[id^="message-"]'],
  // The buttons come when an answer is done.
  streaming: [".buttons:not(:has(*))"],
  settleMs: 1500,
};
