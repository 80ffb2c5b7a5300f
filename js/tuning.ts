import { openBrowserStore, safeName } from "./loader/store.js";
import type { AdapterInfo } from "./types.js";

/** Where choices of kernels are kept: in a folder beside the models. */
const FOLDER = "tuning";

/** The kernels that were found fastest on this adapter with this browser, or nothing. */
export async function keptTuning(adapter: AdapterInfo): Promise<string | undefined> {
  try {
    const bytes = await (await openBrowserStore())?.get([FOLDER, nameOf(adapter)]);
    return bytes ? new TextDecoder().decode(bytes) : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps them. Storage that is full or forbidden is no reason to fail: the next load measures again. */
export async function keepTuning(adapter: AdapterInfo, text: string): Promise<void> {
  try {
    await (await openBrowserStore())?.put([FOLDER, nameOf(adapter)], new TextEncoder().encode(text));
  } catch {
    // As said.
  }
}

/** The browser's version stands for the driver's, which pages are not told. */
function nameOf({ vendor, architecture, description, f16 }: AdapterInfo): string {
  return safeName(`${navigator.userAgent} ${vendor} ${architecture} ${description} ${f16}`);
}
