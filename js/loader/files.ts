import { CappyError, messageOf } from "../error.js";

/** One file of a model, read by position. */
export interface ModelFile {
  /** Its name, for messages. */
  readonly name: string;
  /** Its size in bytes. */
  readonly size: number;
  /**
   * Exactly the bytes from `start` to before `end`; otherwise fails with a `CappyError` that names this file.
   * The bytes belong to the caller, who may release their memory.
   */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** A folder with a model's files in it, wherever that is. */
export interface ModelFiles {
  /** What to call the folder in messages: a hub id, an address. */
  readonly description: string;
  /** The file of this name; `null` where the folder has none. Reads nothing but its size. */
  open(name: string): Promise<ModelFile | null>;
}

/** A file as the loader itself sees it. */
export interface OpenFile extends ModelFile {
  /** How many of its bytes need not be downloaded any more. */
  readonly cachedBytes: number;
  /** As `read`, but starts no download and caches nothing. For looking at a few bytes. */
  peek(start: number, end: number): Promise<Uint8Array>;
  /** Deletes what is cached of it. */
  discard(): Promise<void>;
  /** All of it where that is in this thread's memory, for another thread. */
  copy?(): Promise<Blob | undefined>;
}

/** Throws unless `start..end` lies in a file of `size` bytes. */
export function checkRange(name: string, size: number, start: number, end: number): void {
  if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= size)) {
    throw new CappyError("checkpoint", name, `bytes ${start} to ${end} were wanted, it has ${size}`);
  }
}

/** A file that needs no download: one that was picked, one on the disk, or one in memory. */
export function openFileAtHand(
  name: string,
  size: number,
  readBytes: (start: number, end: number) => Promise<Uint8Array>,
): OpenFile {
  const read = async (start: number, end: number) => {
    checkRange(name, size, start, end);
    let bytes: Uint8Array;
    try {
      bytes = await readBytes(start, end);
    } catch (cause) {
      throw new CappyError("io", name, `could not be read: ${messageOf(cause)}`, { cause });
    }
    if (bytes.length !== end - start) {
      throw new CappyError("io", name, `gave ${bytes.length} of ${end - start} bytes; did it change?`);
    }
    return bytes;
  };
  return { name, size, cachedBytes: size, read, peek: read, discard: async () => {} };
}
