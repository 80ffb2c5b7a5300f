import type { FileProgress } from "./progress.js";
import { release } from "./release.js";
import type { PieceStore } from "./store.js";

/** Computes the SHA-256 of a file that comes in parts. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** In lower-case hexadecimal. */
  digest(): string;
}

/** What the caller of a load brings along. */
export interface LoadContext {
  /** Stops everything; what is kept stays. */
  signal?: AbortSignal;
  /** Told about every file's download. */
  onProgress?: (progress: FileProgress) => void;
  /** Needed for `sha256`. */
  hasher?: () => Hasher;
}

/** What the loader uses of its surroundings. Tests put their own here. */
export interface Surroundings {
  /** Where things are kept; `null` where nothing can be. */
  openStore(): Promise<PieceStore | null>;
  /** Milliseconds before a broken download is taken up again; doubles with each try. */
  retryPause: number;
  /** Milliseconds without a byte after which a connection counts as broken. */
  stalled: number;
}

/** What the files of one load share. */
export interface Session {
  signal: AbortSignal;
  onProgress: LoadContext["onProgress"];
  retryPause: number;
  recent: RecentPieces;
  /** Whether other tabs see what is kept. */
  shared: boolean;
  /** Bytes that the browser still grants; `null` where it does not say or nothing is kept. */
  storageLeft(): Promise<number | null>;
  /** Something has been kept: asks the browser, once, not to clear it by itself. */
  persist(): void;
}

/**
 * The pieces used last, of all files of a model together. This bounds the loader's memory. Pieces
 * belong to it; whoever gets one uses it before the next `await`.
 */
export class RecentPieces {
  static readonly MOST = 4;
  readonly #pieces = new Map<string, Uint8Array>();

  get(file: string, index: number): Uint8Array | undefined {
    const key = `${index}/${file}`;
    const bytes = this.#pieces.get(key);
    if (bytes) {
      // A map is in order of insertion: the least recently used one comes first.
      this.#pieces.delete(key);
      this.#pieces.set(key, bytes);
    }
    return bytes;
  }

  set(file: string, index: number, bytes: Uint8Array): void {
    const key = `${index}/${file}`;
    if (this.#pieces.get(key) !== bytes) this.#drop(key);
    this.#pieces.delete(key);
    this.#pieces.set(key, bytes);
    for (const oldest of this.#pieces.keys()) {
      if (this.#pieces.size <= RecentPieces.MOST) break;
      this.#drop(oldest);
    }
  }

  forget(file: string): void {
    for (const key of this.#pieces.keys()) {
      if (key.slice(key.indexOf("/") + 1) === file) this.#drop(key);
    }
  }

  #drop(key: string): void {
    const bytes = this.#pieces.get(key);
    this.#pieces.delete(key);
    if (bytes) release(bytes);
  }
}

/** Bytes of storage that the browser still grants; `null` where it does not say. */
export async function storageLeft(): Promise<number | null> {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined || usage === undefined ? null : Math.max(0, quota - usage);
  } catch {
    return null;
  }
}

let asked = false;

/**
 * Asks the browser, once, to keep what is stored even when disk space gets scarce. It may refuse;
 * then things are kept as long as it likes. Does nothing in workers, which cannot ask.
 */
export function persist(): void {
  if (asked) return;
  asked = true;
  globalThis.navigator?.storage?.persist?.().catch(() => {});
}
