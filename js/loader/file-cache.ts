import { CappyError } from "../error.js";
import { type Remote, sameEtag, shown } from "./http.js";
import { fingerprint, type PieceStore, safeName, storeError } from "./store.js";
import { pieceCount, pieceLength } from "./stream.js";

/** The item that says which version of which file the pieces beside it belong to. */
const META = "meta.json";

/** What `meta.json` says of a cached file. */
export interface Meta {
  /** The model's name, to load it by. */
  model: string;
  file: string;
  /** Where it came from, without a query. */
  url: string;
  /** Bytes, or `null` for a file that the server does not have. */
  size: number | null;
  etag: string | null;
}

/**
 * The cache of one file: a folder in the store with `meta.json` and pieces. The names of pieces begin with a
 * fingerprint of the version, so that pieces of two versions are never read as one file.
 */
export class FileCache {
  readonly #folder: string[];

  constructor(
    readonly store: PieceStore,
    readonly model: string,
    readonly file: string,
  ) {
    this.#folder = [safeName(model), safeName(file)];
  }

  /** What `meta.json` says; `null` where there is none, or it is broken. */
  async meta(): Promise<Meta | null> {
    const meta = await readMeta(this.store, this.#folder);
    return meta?.model === this.model && meta.file === this.file ? meta : null;
  }

  /** Makes this the cache of the version `remote`, and deletes what is there of another version. To be called within `alone`. */
  async begin(remote: Remote): Promise<void> {
    const meta = await this.meta();
    if (meta && isVersion(meta, remote)) return;
    await this.#replace(remote.url, remote.size, remote.etag);
  }

  /** Writes down that the server has no such file. */
  async markAbsent(url: string, signal: AbortSignal): Promise<void> {
    const isKnown = async () => {
      const meta = await this.meta();
      return meta !== null && meta.size === null && meta.url === shown(url);
    };
    if (await isKnown()) return;
    const write = async () => {
      if (!(await isKnown())) await this.#replace(url, null, null);
    };
    await alone(this, write, { signal });
  }

  /** Which pieces of the version `remote` are cached in full length. */
  async pieces(remote: Remote & { size: number }): Promise<boolean[]> {
    const have = new Array<boolean>(pieceCount(remote.size)).fill(false);
    const entries = await this.#guard(this.store.list(this.#folder));
    const sizes = new Map(entries.map(({ name, size }) => [name, size]));
    return have.map((_, i) => sizes.get(pieceName(remote, i)) === pieceLength(i, remote.size));
  }

  /** A piece; `null` where it is not cached. */
  async get(remote: Remote & { size: number }, index: number): Promise<Uint8Array | null> {
    const bytes = await this.#guard(this.store.get([...this.#folder, pieceName(remote, index)]));
    return bytes?.length === pieceLength(index, remote.size) ? bytes : null;
  }

  /** Caches a piece. Throws `quota` or `io`. */
  async put(remote: Remote, index: number, bytes: Uint8Array): Promise<void> {
    await this.#guard(this.store.put([...this.#folder, pieceName(remote, index)], bytes));
  }

  /** Deletes everything that is cached of this file. */
  async delete(): Promise<void> {
    await this.#guard(this.store.delete(this.#folder));
  }

  async #replace(url: string, size: number | null, etag: string | null): Promise<void> {
    await this.delete();
    const meta: Meta = { model: this.model, file: this.file, url: shown(url), size, etag };
    const bytes = new TextEncoder().encode(JSON.stringify(meta));
    await this.#guard(this.store.put([...this.#folder, META], bytes));
  }

  async #guard<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw storeError(this.file, error);
    }
  }
}

/** Whether what is cached is the version that the server has. */
export function isVersion(meta: Meta, remote: Remote): boolean {
  if (meta.size === null || (remote.size !== null && remote.size !== meta.size)) return false;
  // With no validator on either side the size alone has to do.
  return sameEtag(meta.etag, remote.etag);
}

/** The `meta.json` of a folder; `null` where it is missing or broken. */
export async function readMeta(store: PieceStore, folder: readonly string[]): Promise<Meta | null> {
  const bytes = await store.get([...folder, META]).catch((error: unknown) => {
    throw storeError(folder.join("/"), error);
  });
  if (!bytes) return null;
  try {
    const meta = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Meta>;
    const strings = [meta.model, meta.file, meta.url].every((field) => typeof field === "string");
    const size = meta.size === null || Number.isSafeInteger(meta.size);
    return strings && size ? { ...(meta as Meta), etag: meta.etag ?? null } : null;
  } catch {
    return null;
  }
}

/**
 * Runs `work` while no other tab works on this file. Waits for it, or throws `io` without `wait`.
 * Where the browser has no locks it just runs.
 */
export async function alone<T>(
  file: { model: string; file: string },
  work: () => Promise<T>,
  options: { signal: AbortSignal } | { ifAvailable: true },
): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (!locks) return work();
  return locks.request(`cappy:${file.model}:${file.file}`, options, (lock) => {
    if (!lock) throw new CappyError("io", file.file, "is being downloaded right now; stop that first");
    return work();
  }) as Promise<T>;
}

function pieceName(remote: Remote, index: number): string {
  const etag = remote.etag?.replace(/^W\//, "") ?? "";
  return `${fingerprint(`${remote.size} ${etag}`)}-${index}`;
}
