/** What was measured of adapters, remembered in the browser's storage. */

import { openBrowserStore, safeName, TUNING } from "./loader/store.js";
import type { AdapterInfo } from "./types.js";

/** The kernels that were found fastest on this adapter with this browser, as Rust wrote them down. */
export function rememberedTuning(adapter: AdapterInfo): Promise<string | undefined> {
  return read(nameOf(adapter));
}

/** Remembers which kernels were found fastest. */
export function rememberTuning(adapter: AdapterInfo, text: string): Promise<void> {
  return write(nameOf(adapter), text);
}

/** Which of GPU and CPU was found faster, for as long as this thread lives and where nothing may be stored. */
const verdicts = new Map<string, string>();

/** A verdict holds for this version alone: another one may be faster on one of the devices. */
const VERSION = "0.2.0 ";

/** Why the CPU computes in place of this adapter; empty where the adapter is faster, `undefined` where they were not compared. */
export async function rememberedVerdict(adapter: AdapterInfo, cache = true): Promise<string | undefined> {
  const name = verdictName(adapter);
  if (verdicts.has(name)) return verdicts.get(name);
  const text = cache ? await read(name) : undefined;
  return text?.startsWith(VERSION) ? text.slice(VERSION.length) : undefined;
}

/** Remembers a verdict. */
export async function rememberVerdict(adapter: AdapterInfo, why: string, cache = true): Promise<void> {
  const name = verdictName(adapter);
  verdicts.set(name, why);
  if (cache) await write(name, VERSION + why);
}

function verdictName(adapter: AdapterInfo): string {
  return safeName(`pace ${nameOf(adapter)}`);
}

/** A name for the adapter. The browser's version is part of it in place of the driver's, which pages cannot see. */
function nameOf({ vendor, architecture, description, f16 }: AdapterInfo): string {
  const host = globalThis.navigator?.userAgent ?? process.version;
  return safeName(`${host} ${vendor} ${architecture} ${description} ${f16}`);
}

async function read(name: string): Promise<string | undefined> {
  try {
    const bytes = await (await openBrowserStore())?.get([TUNING, name]);
    return bytes ? new TextDecoder().decode(bytes) : undefined;
  } catch {
    return undefined;
  }
}

async function write(name: string, text: string): Promise<void> {
  try {
    await (await openBrowserStore())?.put([TUNING, name], new TextEncoder().encode(text));
  } catch {
    // The storage may be full or forbidden. Then the next load measures again.
  }
}
