/** Content scripts: on the pages of sites for which the extension has a permission and which the user has not switched off. */
import { PageReport, type PageSettings, type ToContent, VERSION } from "../messages.js";
import { readSettings } from "../settings.js";
import { ownHosts, SITES, type SiteAdapter } from "../sites/index.js";
import * as v from "valibot";

const FILE = "content.js";

/** The registered script for hosts that the user allowed and that belong to no known site. */
const OWN = "own-hosts";

/** Registers and unregisters content scripts as the settings and permissions say. Open pages follow. */
export function syncScripts(): Promise<void> {
  queue = queue.then(sync).catch((error: unknown) => console.error("content scripts could not be registered:", error));
  return queue;
}

/** Two runs at the same time would register a script twice. */
let queue: Promise<void> = Promise.resolve();

async function sync(): Promise<void> {
  // `chrome.scripting` is missing until the user grants the permission.
  if (!chrome.scripting) return;
  const { on, sitesOff } = await readSettings();
  const registered = new Set((await chrome.scripting.getRegisteredContentScripts()).map(({ id }) => id));
  for (const site of SITES) {
    const id = `site-${site.id}`;
    const wanted =
      on && !sitesOff.includes(site.id) && (await chrome.permissions.contains({ origins: [...site.matches] }));
    if (wanted && !registered.has(id)) {
      await chrome.scripting.registerContentScripts([{ id, js: [FILE], matches: [...site.matches] }]);
      await enter(site.matches);
    } else if (!wanted && registered.has(id)) {
      await chrome.scripting.unregisterContentScripts({ ids: [id] });
      await leave(site);
    }
  }
  await syncOwn(on ? ownHosts((await chrome.permissions.getAll()).origins) : []);
}

async function syncOwn(wanted: string[]): Promise<void> {
  const [{ matches = [] } = {}] = await chrome.scripting.getRegisteredContentScripts({ ids: [OWN] });
  const gone = matches.filter((pattern) => !wanted.includes(pattern));
  const fresh = wanted.filter((pattern) => !matches.includes(pattern));
  if (gone.length + fresh.length === 0) return;
  if (matches.length > 0) await chrome.scripting.unregisterContentScripts({ ids: [OWN] });
  if (wanted.length > 0) await chrome.scripting.registerContentScripts([{ id: OWN, js: [FILE], matches: wanted }]);
  if (fresh.length > 0) await enter(fresh);
  for (const pattern of gone) {
    const host = new URL(pattern.replace("/*", "/")).hostname;
    await inAllTabs((tab) => send(tab, { v: VERSION, to: "content", type: "leave", host }));
  }
}

/** Runs the script in pages that were open before it was registered. */
async function enter(matches: readonly string[]): Promise<void> {
  for (const { id, discarded } of await chrome.tabs.query({ url: [...matches] })) {
    // The page of a discarded tab gets the script when it is loaded again.
    if (id === undefined || discarded) continue;
    await chrome.scripting.executeScript({ target: { tabId: id }, files: [FILE] }).catch(() => {});
  }
}

/** Ends the script in open pages. Their addresses may not be visible any more, so the scripts of all tabs are asked for their site. */
async function leave({ id: adapter }: SiteAdapter): Promise<void> {
  await inAllTabs(async (tab) => {
    const { success, output } = v.safeParse(PageReport, await send(tab, { v: VERSION, to: "content", type: "report" }));
    if (success && output.adapter === adapter) await send(tab, { v: VERSION, to: "content", type: "leave" });
  });
}

/** Sends all content scripts the settings. */
export async function sendSettings(settings: PageSettings): Promise<void> {
  await inAllTabs((tab) => send(tab, { v: VERSION, to: "content", type: "settings", settings }));
}

async function inAllTabs(act: (tab: number) => Promise<unknown>): Promise<void> {
  await Promise.all((await chrome.tabs.query({})).map(({ id }) => (id === undefined ? undefined : act(id))));
}

/** Sends a message to a tab. It fails in most tabs, which have no content script. */
function send(tab: number, message: ToContent): Promise<unknown> {
  return chrome.tabs.sendMessage(tab, message).catch(() => {});
}
