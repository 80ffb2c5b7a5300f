import { CappyError, messageOf } from "../error.js";
import { openCacheStore } from "./cache-api.js";
import { openOpfsStore } from "./opfs.js";

/** An entry of a folder in a store. */
export interface Entry {
  /** Its name in the folder. */
  name: string;
  /** Bytes of an item, 0 for a folder. */
  size: number;
}

/** A storage of the browser: items of bytes in folders. Names are those of `safeName`. */
export interface PieceStore {
  /** The whole item, `null` where there is none. */
  get(path: readonly string[]): Promise<Uint8Array | null>;
  /** Writes an item. When it throws, the item is missing or shorter. */
  put(path: readonly string[], bytes: Uint8Array): Promise<void>;
  /** Deletes an item, or a folder with everything in it. Nothing happens where there is none. */
  delete(path: readonly string[]): Promise<void>;
  /** What is in a folder; nothing where there is none. */
  list(path: readonly string[]): Promise<Entry[]>;
}

/** The browser's store: OPFS, else the Cache API, else none (private windows, Node). */
export async function openBrowserStore(): Promise<PieceStore | null> {
  return (await openOpfsStore()) ?? (await openCacheStore());
}

/** The folder for measurements of adapters, beside the folders of models. */
export const TUNING = "tuning";

/** `text` as a name that every store takes, distinct for distinct texts. */
export function safeName(text: string): string {
  if (/^\w[\w.-]{0,99}$/.test(text)) return text;
  return `${text.replace(/[^\w.-]+/g, "_").slice(0, 80)}~${fingerprint(text)}`;
}

/** A short name for a text: 64-bit FNV-1a. Tells versions apart; no protection against malice. */
export function fingerprint(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}

/** The error for a failed call to a store: `quota` or `io`. */
export function storeError(file: string, cause: unknown): CappyError {
  if (cause instanceof CappyError) return cause;
  if (cause instanceof Error && cause.name === "QuotaExceededError") {
    return new CappyError("quota", file, `the browser's storage is full; ${QUOTA_ADVICE}`, { cause });
  }
  return new CappyError("io", file, `the browser's storage failed: ${messageOf(cause)}`, { cause });
}

/** What a person can do about too little storage. */
export const QUOTA_ADVICE =
  "free disk space, delete kept models, or load with `cache: false`, which downloads every time";
