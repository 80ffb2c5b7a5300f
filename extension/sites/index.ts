/** The sites that the extension knows, and which one an address or a page belongs to. */
import type { SiteAdapter } from "./adapter.js";
import { aistudio } from "./aistudio.js";
import { chatgpt } from "./chatgpt.js";
import { claude } from "./claude.js";
import { deepseek } from "./deepseek.js";
import { gemini } from "./gemini.js";
import { generic } from "./generic.js";
import { grok } from "./grok.js";
import { librechat } from "./librechat.js";
import { lmarena } from "./lmarena.js";
import { openwebui } from "./openwebui.js";
import { qwen } from "./qwen.js";

export type { SiteAdapter } from "./adapter.js";
export { generic } from "./generic.js";

/** Every site with pages of its own, in the order in which people see them. */
export const SITES: readonly SiteAdapter[] = [chatgpt, claude, gemini, lmarena, grok, deepseek, qwen, aistudio];

/** Those that people host themselves. They are known by their pages. */
export const SELF_HOSTED: readonly SiteAdapter[] = [openwebui, librechat];

/** The site of an address; the generic adapter where none of them knows it. */
export function adapterFor(address: string): SiteAdapter {
  return SITES.find(({ matches }) => matches.some((pattern) => fits(pattern, address))) ?? generic;
}

/** The site of a page that is shown under an address. */
export function adapterOf(address: string, page: ParentNode): SiteAdapter {
  const known = adapterFor(address);
  if (known !== generic) return known;
  return SELF_HOSTED.find((site) => page.querySelector(site.page!)) ?? generic;
}

/** The match pattern of an address's host: any port of it, since browsers know no narrower permission. */
export function patternOf(address: string): string {
  const { protocol, hostname } = new URL(address);
  return `${protocol}//${hostname}/*`;
}

/** Those of the granted match patterns that are no known site's: hosts that a person allowed for themselves. */
export function ownHosts(granted: readonly string[] = []): string[] {
  const known = new Set(SITES.flatMap(({ matches }) => matches));
  // All hosts at once is not what this extension asks for, nor what it goes by.
  return granted.filter((pattern) => !known.has(pattern) && !/^(<all_urls>$|[^:]+:\/\/\*\/)/.test(pattern)).sort();
}

/** Whether an address fits a match pattern of the form `https://host/*`, the host with `*.` before it or without. */
function fits(pattern: string, address: string): boolean {
  const { protocol, hostname } = new URL(address);
  const [scheme, host = ""] = pattern.slice(0, -"/*".length).split("://");
  const known = host.replace(/^\*\./, "");
  return protocol === `${scheme}:` && (hostname === known || (known !== host && hostname.endsWith(`.${known}`)));
}
