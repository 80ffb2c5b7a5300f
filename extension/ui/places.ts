/** The site adapters as a person sees them: where the browser lets the extension in. */
import type { SiteAdapter } from "../sites/adapter.js";

/** What is asked for along with a site: to put the content script there. */
const SCRIPTING: chrome.runtime.ManifestPermission[] = ["scripting"];

/** Whether the browser lets the extension into a site's pages. */
export function isAllowed(site: SiteAdapter): Promise<boolean> {
  return chrome.permissions.contains({ permissions: SCRIPTING, origins: [...site.matches] });
}

/** Asks the browser to let the extension into a site. To be called in a click, before anything is awaited. */
export function allow(site: SiteAdapter): Promise<boolean> {
  return chrome.permissions.request({ permissions: SCRIPTING, origins: [...site.matches] });
}

/** Gives the permission for a site back. */
export function withdraw(site: SiteAdapter): Promise<boolean> {
  return chrome.permissions.remove({ origins: [...site.matches] });
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

/** A site's hosts in short: "chatgpt.com". */
export function hostsOf(site: SiteAdapter): string[] {
  return [...new Set(site.matches.map(hostOf))];
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
