import type { FileProgress } from "./progress.js";
import { release } from "./release.js";
import type { PieceStore } from "./store.js";

/** Computes the SHA-256 of a file that comes in parts. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** In lower-case hexadecimal. */
  digest(): string;
}

/** What the caller of a load passes in. */
export interface LoadContext {
  /** Stops everything. What is cached stays. */
  signal?: AbortSignal;
  /** Called with the progress of every file's download. */
  onProgress?: (progress: FileProgress) => void;
  /** Makes a hasher; needed for `sha256`. */
  hasher?: () => Hasher;
}

/** What the loader needs from the browser. Tests pass in their own. */
export interface Surroundings {
  /** Opens the storage for the cache; `null` where there is none. */
  openStore(): Promise<PieceStore | null>;
  /** Milliseconds before a broken download is resumed; doubles with each try. */
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
  /** Whether other tabs use the same cache. */
  shared: boolean;
  /** Bytes that the browser still grants; `null` where it does not say or nothing is cached. */
  storageLeft(): Promise<number | null>;
  /** Called after something was cached: asks the browser, once, not to delete it by itself. */
  persist(): void;
}

/**
 * The pieces that were used last, of all files of a model together. They bound the loader's memory. A piece is
 * released when newer ones replace it, so it must be used before the next `await`.
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
 * Asks the browser, once, not to delete what is stored when disk space gets scarce. It may refuse. Does nothing
 * in workers, which cannot ask.
 */
export function persist(): void {
  if (asked) return;
  asked = true;
  globalThis.navigator?.storage?.persist?.().catch(() => {});
}
