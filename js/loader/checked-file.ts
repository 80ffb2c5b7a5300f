import { CappyError } from "../error.js";
import type { OpenFile } from "./files.js";
import { release } from "./release.js";
import type { Hasher } from "./session.js";
import { PIECE } from "./stream.js";

/** A file that is read whole at first, and gives no byte unless all of it has the SHA-256 `expected`, in hexadecimal. */
export function checkedFile(file: OpenFile, expected: string, hasher: () => Hasher): OpenFile {
  let check: Promise<void> | undefined;

  async function readAll(): Promise<void> {
    const hash = hasher();
    for (let at = 0; at < file.size; at += PIECE) {
      const bytes = await file.read(at, Math.min(file.size, at + PIECE));
      hash.update(bytes);
      release(bytes);
    }
    const found = hash.digest();
    if (found === expected.toLowerCase()) return;
    await file.discard();
    throw new CappyError("integrity", file.name, `its SHA-256 is ${found}, not ${expected}`);
  }

  return {
    name: file.name,
    size: file.size,
    get cachedBytes() {
      return file.cachedBytes;
    },
    async read(start, end) {
      await (check ??= readAll());
      return file.read(start, end);
    },
    peek: (start, end) => file.peek(start, end),
    discard: () => file.discard(),
    copy: async () => file.copy?.(),
  };
}
