import type { SiteAdapter } from "./adapter.js";

/**
 * Open WebUI, which people host themselves. From its own source, `src/lib/components/chat/Messages/`, as of
 * October 2026. Answers of several models stand side by side, each in a column that is a button as a
 * whole; a setting shows them as tabs instead, one at a time. The id of the container of an answer's words is the same
 * for every answer, that of the message around it is its own. Z.ai has the same classes.
 */
export const openwebui: SiteAdapter = {
  id: "openwebui",
  name: "Open WebUI",
  matches: [],
  page: '.chat-assistant [id="response-content-container"], .user-message .chat-user',
  prompt: [".user-message .chat-user"],
  answer: ['.chat-assistant [id="response-content-container"]', ".chat-assistant"],
  turn: '[id^="message-"]',
  ignore: ["button", ".status-description", ".buttons", ".thinking-chain-container", ".sr-only"],
  identity: ['[id^="message-"]'],
  // The buttons come when an answer is done.
  streaming: [".buttons:not(:has(*))"],
  settleMs: 1500,
};
