/** The places for which the extension can have a permission: known sites, and single hosts. */

/** A site, or a host. */
export interface Place {
  /** Match patterns of its pages. */
  matches: readonly string[];
}

/** The permission to run content scripts, which is requested along with a place. */
const SCRIPTING: chrome.runtime.ManifestPermission[] = ["scripting"];

/** Whether the extension has the permission for a place. */
export function isAllowed({ matches }: Place): Promise<boolean> {
  return chrome.permissions.contains({ permissions: SCRIPTING, origins: [...matches] });
}

/** Requests the permission for a place. To be called in the event of a click, before any `await`. */
export function allow({ matches }: Place): Promise<boolean> {
  return chrome.permissions.request({ permissions: SCRIPTING, origins: [...matches] });
}

/** Gives the permission for a place back. */
export function withdraw({ matches }: Place): Promise<boolean> {
  return chrome.permissions.remove({ origins: [...matches] });
}

/** Requests the permission to run the content script, for the one page on which the user clicks. */
export function allowScripting(): Promise<boolean> {
  return chrome.permissions.request({ permissions: SCRIPTING });
}

/** Calls `listener` when permissions change. */
export function onPermissions(listener: () => void): void {
  chrome.permissions.onAdded.addListener(listener);
  chrome.permissions.onRemoved.addListener(listener);
}

/** A place's hosts in short: "chatgpt.com". */
export function hostsOf({ matches }: Place): string[] {
  return [...new Set(matches.map(hostOf))];
}

/** The host of a match pattern. */
export function hostOf(pattern: string): string {
  return pattern
    .replace(/^[^:]*:\/\//, "")
    .replace(/\/.*$/, "")
    .replace(/^\*\./, "");
}

/** Opens the side panel. To be called in the event of a click, before any `await`. */
export function openPanel(windowId: number): Promise<void> {
  const { sidebarAction } = chrome as unknown as { sidebarAction?: { open(): Promise<void> } };
  // Firefox has a sidebar in its place.
  return sidebarAction ? sidebarAction.open() : chrome.sidePanel.open({ windowId });
}
