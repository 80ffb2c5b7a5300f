/** The tab that the popup was opened on, and the content script in it. */
import * as v from "valibot";
import { PageReport, type ToContent, VERSION } from "../messages.js";

/** The tab in front. Its address is visible because the click on the toolbar button permits it. */
export async function tabInFront(): Promise<chrome.tabs.Tab | undefined> {
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  return tab;
}

/** Pages of stores and of browser makers, which browsers keep extensions out of. */
const CLOSED = ["chromewebstore.google.com", "addons.mozilla.org", "accounts.firefox.com", "support.mozilla.org"];

/** Whether browsers allow any extension in a page. */
export function isOpen(address: string | undefined): address is string {
  if (!address || !URL.canParse(address)) return false;
  const { protocol, hostname, pathname } = new URL(address);
  if (protocol !== "http:" && protocol !== "https:") return false;
  return !CLOSED.includes(hostname) && !(hostname === "chrome.google.com" && pathname.startsWith("/webstore"));
}

/** What the content script sees; `undefined` where there is none. */
export async function reportOf(tab: number): Promise<PageReport | undefined> {
  const answer: unknown = await send(tab, { v: VERSION, to: "content", type: "report" });
  const read = v.safeParse(PageReport, answer);
  return read.success ? read.output : undefined;
}

/** Takes the badges off the page. */
export async function leave(tab: number): Promise<void> {
  await send(tab, { v: VERSION, to: "content", type: "leave" });
}

/** Puts the content script into a tab, and waits until it has looked at the page. */
export async function enter(tab: number): Promise<PageReport | undefined> {
  const there = await reportOf(tab);
  if (there) return there;
  await chrome.scripting.executeScript({ target: { tabId: tab }, files: ["content.js"] });
  return reportOf(tab);
}

function send(tab: number, message: ToContent): Promise<unknown> {
  // It fails where there is no content script.
  return chrome.tabs.sendMessage(tab, message, { frameId: 0 }).catch(() => undefined);
}
