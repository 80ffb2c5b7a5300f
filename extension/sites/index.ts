/** The sites that the extension knows, and which one an address belongs to. */
import type { SiteAdapter } from "./adapter.js";
import { chatgpt } from "./chatgpt.js";
import { claude } from "./claude.js";
import { gemini } from "./gemini.js";
import { generic } from "./generic.js";
import { lmarena } from "./lmarena.js";

export type { SiteAdapter } from "./adapter.js";
export { generic } from "./generic.js";

/** Every site with pages of its own, in the order in which people see them. */
export const SITES: readonly SiteAdapter[] = [chatgpt, claude, gemini, lmarena];

/** The site of an address; the generic adapter where none of them knows it. */
export function adapterFor(address: string): SiteAdapter {
  return SITES.find(({ matches }) => matches.some((pattern) => fits(pattern, address))) ?? generic;
}

/** Whether an address fits a match pattern of the form `https://host/*`, the host with `*.` before it or without. */
function fits(pattern: string, address: string): boolean {
  const { protocol, hostname } = new URL(address);
  const [scheme, host = ""] = pattern.slice(0, -"/*".length).split("://");
  const known = host.replace(/^\*\./, "");
  return protocol === `${scheme}:` && (hostname === known || (known !== host && hostname.endsWith(`.${known}`)));
}
