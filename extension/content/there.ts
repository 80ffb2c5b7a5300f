/** Whether the extension that this script belongs to is still there: after an update or its removal it is not. */
export function isThere(): boolean {
  try {
    return chrome.runtime?.id !== undefined;
  } catch {
    return false;
  }
}
