/** Whether the extension of this script is still there. After an update or its removal it is not. */
export function isThere(): boolean {
  try {
    return chrome.runtime?.id !== undefined;
  } catch {
    return false;
  }
}
