/** Checks of who sent a message. Content scripts run in processes that hostile pages share, so few of their messages are accepted. */

const ROOT = chrome.runtime.getURL("");

/** Whether the sender is a part of this extension: a page of its own, or a content script. */
export function isOurs(sender: chrome.runtime.MessageSender | undefined): boolean {
  return sender !== undefined && sender.id === chrome.runtime.id;
}

/** Whether the sender is a page of this extension, and not a content script. */
export function isOurPage(sender: chrome.runtime.MessageSender | undefined): boolean {
  if (!isOurs(sender) || !sender!.url?.startsWith(ROOT)) return false;
  // Browsers check the origin themselves; older ones do not pass it on.
  return sender!.origin === undefined || `${sender!.origin}/` === ROOT;
}
