import { openBrowserStore, safeName, TUNING } from "./loader/store.js";
import type { AdapterInfo } from "./types.js";

/** The kernels that were found fastest on this adapter with this browser, or nothing. */
export function rememberedTuning(adapter: AdapterInfo): Promise<string | undefined> {
  return read(nameOf(adapter));
}

/** Keeps them. */
export function rememberTuning(adapter: AdapterInfo, text: string): Promise<void> {
  return write(nameOf(adapter), text);
}

/** What was found by comparing the GPU with the CPU, for this thread's life where nothing may be kept. */
const verdicts = new Map<string, string>();

/** Another version may be faster in one of them. */
const VERSION = "0.1.0 ";

/** Why the CPU computes in place of this adapter; empty where it does not, undefined where that is not known. */
export async function rememberedVerdict(adapter: AdapterInfo, cache = true): Promise<string | undefined> {
  const name = verdictName(adapter);
  if (verdicts.has(name)) return verdicts.get(name);
  const text = cache ? await read(name) : undefined;
  return text?.startsWith(VERSION) ? text.slice(VERSION.length) : undefined;
}

/** Remembers it. */
export async function rememberVerdict(adapter: AdapterInfo, why: string, cache = true): Promise<void> {
  const name = verdictName(adapter);
  verdicts.set(name, why);
  if (cache) await write(name, VERSION + why);
}

function verdictName(adapter: AdapterInfo): string {
  return safeName(`pace ${nameOf(adapter)}`);
}

/** The browser's version stands for the driver's, which pages are not told. */
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
    // Storage that is full or forbidden is no reason to fail: the next load measures again.
  }
}
