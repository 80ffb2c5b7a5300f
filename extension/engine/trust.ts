/** Who says something. Content scripts run in processes that hostile pages share, so they may say little. */

const ROOT = chrome.runtime.getURL("");

/** Whether a part of this extension speaks: a page of its own, or a content script. */
export function isOurs(sender: chrome.runtime.MessageSender | undefined): boolean {
  return sender !== undefined && sender.id === chrome.runtime.id;
}

/** Whether a page of this extension speaks, and not a content script. */
export function isOurPage(sender: chrome.runtime.MessageSender | undefined): boolean {
  if (!isOurs(sender) || !sender!.url?.startsWith(ROOT)) return false;
  // Browsers check the origin themselves; older ones do not tell it.
  return sender!.origin === undefined || `${sender!.origin}/` === ROOT;
}
