/** The places where the browser lets the extension in, as a person sees them: sites, and hosts of their own. */

/** A site adapter, or a host. */
export interface Place {
  /** Match patterns of its pages. */
  matches: readonly string[];
}

/** What is asked for along with a place: to put the content script there. */
const SCRIPTING: chrome.runtime.ManifestPermission[] = ["scripting"];

/** Whether the browser lets the extension into a place. */
export function isAllowed({ matches }: Place): Promise<boolean> {
  return chrome.permissions.contains({ permissions: SCRIPTING, origins: [...matches] });
}

/** Asks the browser to let the extension into a place. To be called in a click, before anything is awaited. */
export function allow({ matches }: Place): Promise<boolean> {
  return chrome.permissions.request({ permissions: SCRIPTING, origins: [...matches] });
}

/** Gives the permission for a place back. */
export function withdraw({ matches }: Place): Promise<boolean> {
  return chrome.permissions.remove({ origins: [...matches] });
}

/** Asks to put the content script into pages, for the one page on which the person clicks. */
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
  return pattern.replace(/^[^:]*:\/\//, "").replace(/\/.*$/, "").replace(/^\*\./, "");
}

/** Opens the side panel. To be called in a click, before anything is awaited. */
export function openPanel(windowId: number): Promise<void> {
  const { sidebarAction } = chrome as unknown as { sidebarAction?: { open(): Promise<void> } };
  // Firefox has a sidebar in its place.
  return sidebarAction ? sidebarAction.open() : chrome.sidePanel.open({ windowId });
}
