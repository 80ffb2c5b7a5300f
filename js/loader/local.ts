import { CappyError, messageOf } from "../error.js";
import { type OpenFile, openFileAtHand } from "./files.js";

/** A file of a `file:` address, which `fetch` does not read in Node. `null` where there is none. */
export async function openLocal(name: string, url: string): Promise<OpenFile | null> {
  // Not imported: bundlers would look for it.
  const { open, stat } = globalThis.process.getBuiltinModule("node:fs/promises");
  const path = new URL(url);
  let size: number;
  try {
    size = (await stat(path)).size;
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return null;
    throw new CappyError("io", name, `could not be opened: ${messageOf(cause)}`, { cause });
  }
  return openFileAtHand(name, size, async (start, end) => {
    const file = await open(path);
    try {
      const bytes = new Uint8Array(end - start);
      let at = 0;
      while (at < bytes.length) {
        const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
        if (!bytesRead) break;
        at += bytesRead;
      }
      return bytes.subarray(0, at);
    } finally {
      await file.close();
    }
  });
}
