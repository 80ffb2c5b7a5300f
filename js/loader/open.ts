import { CappyError } from "../error.js";
import type { ModelSource, SourceOptions } from "../types.js";
import { checkedFile } from "./checked-file.js";
import { type ModelFiles, type OpenFile, openFileAtHand } from "./files.js";
import { Http, type Remote, shown } from "./http.js";
import { alone, isVersion, FileCache, type Meta } from "./file-cache.js";
import { CachedFile } from "./cached-file.js";
import { openLocal } from "./local.js";
import { MemoryStore } from "./memory.js";
import { pickedFiles, type PlainSource, type SentFile, sendable } from "./picked.js";
import { isHidden } from "./pins.js";
import { type LoadContext, persist, RecentPieces, type Session, storageLeft, type Surroundings } from "./session.js";
import { type Folder, isPicked, locate } from "./source.js";
import { stopper } from "./stop.js";
import { openBrowserStore, type PieceStore } from "./store.js";
import { streamPieces } from "./stream.js";
import { WindowFile } from "./window-file.js";

/** How many bytes of whole files may be held in memory where the browser has no storage. */
const IN_MEMORY = 16 * 1024 * 1024;

/** Files with more about a model. Many models do not have them. */
const OPTIONAL = [
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "modules.json",
  "config_sentence_transformers.json",
  "sentence_bert_config.json",
];

/** A model's files, opened. */
export interface OpenedModel extends ModelFiles {
  open(name: string): Promise<OpenFile | null>;
  /**
   * Where another thread can take the same model from without another download: the same source where that is at
   * hand or kept, else the files that have been opened; `undefined` where they are too large for this thread's memory.
   */
  again(): Promise<{ source: PlainSource } | undefined>;
  /** Stops downloads that still run. After it files cannot be read. */
  close(): void;
}

/** The browser as it is. */
export const BROWSER: Surroundings = { openStore: openBrowserStore, retryPause: 250, stalled: 60_000 };

/** Opens the folder that `source` names, as `openModel` does. Without `mayWrite` nothing is written into the cache. */
export async function openIn(
  surroundings: Surroundings,
  source: ModelSource | PlainSource,
  options: SourceOptions,
  context: LoadContext,
  mayWrite = true,
): Promise<OpenedModel> {
  checkSums(options, context);
  const folder = isPicked(source) ? null : locate(source, options);
  const picked = isPicked(source) ? pickedFiles(source) : null;
  const description = (folder ?? picked)!.name;
  const stop = stopper(context.signal, description);
  if (stop.signal.aborted) throw stop.signal.reason;
  const store = folder?.cacheable && options.cache !== false ? await surroundings.openStore() : null;
  const opener = folder && new Opener(folder, store, options, context, surroundings, stop.signal, mayWrite);
  const opened = new Map<string, Promise<OpenFile | null>>();
  const sums = new Map(Object.entries(options.sha256 ?? {}));

  async function find(name: string): Promise<OpenFile | null> {
    if (isHidden(name, sums)) return null;
    const found = await (opener ?? picked!).open(name);
    const sum = sums.get(name);
    if (!sum) return found;
    if (!found) throw new CappyError("not-found", name, `${description} does not have it, and sha256 names it`);
    return checkedFile(found, sum, context.hasher!);
  }

  return {
    description,
    close: stop.close,
    async again() {
      if (picked) return { source: sendable(source as Iterable<File | SentFile>) };
      if (store || !opener!.downloads) return { source: source instanceof URL ? source.href : (source as PlainSource) };
      const files: SentFile[] = [];
      for (const [path, file] of opened) {
        const found = await file.catch(() => null);
        const copy = await found?.copy?.();
        if (copy) files.push({ path, file: copy });
        else if (found) return undefined;
      }
      return { source: files };
    },
    open(name) {
      let file = opened.get(name);
      if (!file) {
        file = find(name);
        opened.set(name, file);
        // A failure is not remembered, because the next try may succeed.
        file.catch(() => opened.delete(name));
      }
      return file;
    },
  };
}

/** Opens files by address. */
class Opener {
  readonly #http: Http;
  readonly #session: Session;
  #memoryLeft = IN_MEMORY;
  /** Whether a file was opened that comes from a server and is not kept. */
  downloads = false;
  /** Whether a file on the server turned out to differ from its cached version. */
  #changed = false;

  constructor(
    readonly folder: Folder,
    readonly store: PieceStore | null,
    readonly options: SourceOptions,
    readonly context: LoadContext,
    readonly surroundings: Surroundings,
    readonly signal: AbortSignal,
    readonly mayWrite: boolean,
  ) {
    this.#http = new Http({
      fetch: options.fetch ?? ((url, init) => fetch(url, init)),
      headers: folder.takesHeaders ? (options.headers ?? {}) : {},
      cache: store ? "no-store" : "no-cache",
      signal,
      stalled: surroundings.stalled,
    });
    this.#session = {
      signal,
      onProgress: context.onProgress,
      retryPause: surroundings.retryPause,
      recent: new RecentPieces(),
      shared: store !== null,
      storageLeft: store ? storageLeft : async () => null,
      persist: store ? persist : () => {},
    };
  }

  async open(name: string): Promise<OpenFile | null> {
    if (this.signal.aborted) throw this.signal.reason;
    const url = this.folder.url(name);
    if (url === null) return null;
    if (url.startsWith("file:")) return openLocal(name, url);
    // Bundlers write small files into the program as data: addresses, which few pages' policies allow to fetch.
    if (url.startsWith("data:")) return inlined(name, url);
    try {
      return await (this.store ? this.#openCached(name, url, this.store) : this.#openFresh(name, url));
    } catch (error) {
      if (OPTIONAL.includes(name) && (await this.#lacks(error))) return null;
      throw error;
    }
  }

  /**
   * Whether a failure means that an optional file does not exist. Some servers answer 403 for a file that they do
   * not have, or leave out the header that lets a page of another origin see the 404. A server that cannot be
   * reached at all does not give `config.json` either.
   */
  async #lacks(error: unknown): Promise<boolean> {
    const { code, cause } = error as CappyError;
    if (code !== "unauthorized" && !(code === "network" && cause instanceof TypeError)) return false;
    const config = this.folder.url("config.json");
    return config !== null && (await this.#http.look("config.json", config).then(Boolean, () => false));
  }

  async #openCached(name: string, url: string, store: PieceStore): Promise<OpenFile | null> {
    const fileCache = new FileCache(store, this.folder.name, name);
    const meta = await fileCache.meta();
    const samePlace = meta?.url === shown(url);
    if (meta && samePlace && this.options.checkFreshness === false) {
      return meta.size === null ? null : this.#cached(fileCache, ofMeta(meta, url, meta.size));
    }
    // An optional file that the server did not have is not asked for at each load: it would come with a
    // change of the others.
    if (meta?.size === null && samePlace && !this.#changed && OPTIONAL.includes(name)) return null;
    let remote: Remote | null;
    try {
      remote = await this.#http.look(name, url);
    } catch (error) {
      // Offline, a file that is cached whole is good enough.
      if (!meta || !(error instanceof CappyError && error.code === "network")) throw error;
      if (meta.size === null) return null;
      const file = await this.#cached(fileCache, ofMeta(meta, url, meta.size));
      if (file.cachedBytes < file.size) throw error;
      return file;
    }
    if (!remote) {
      // Nothing waits for it, since writing takes a busy Firefox up to 0.1 s. Where it fails, the file is asked for again.
      if (this.mayWrite) fileCache.markAbsent(url, new AbortController().signal).catch(() => {});
      return null;
    }
    // The cached pieces are named by the validator that they came with, so that one is used further on.
    if (meta && meta.size !== null && isVersion(meta, remote)) {
      return this.#cached(fileCache, ofMeta(meta, url, meta.size));
    }
    this.#changed = true;
    if (remote.size === null) return this.#whole(remote, fileCache);
    return this.#cached(fileCache, { ...remote, size: remote.size });
  }

  async #openFresh(name: string, url: string): Promise<OpenFile | null> {
    this.downloads = true;
    const remote = await this.#http.look(name, url);
    if (!remote) return null;
    const fileCache = new FileCache(new MemoryStore(), this.folder.name, name);
    if (remote.size === null) return this.#whole(remote, fileCache);
    const sized = { ...remote, size: remote.size };
    if (sized.size > this.#memoryLeft) {
      const hasher = this.options.sha256?.[name] ? this.context.hasher : undefined;
      return new WindowFile(this.#session, this.#http, sized, hasher);
    }
    this.#memoryLeft -= sized.size;
    return this.#cached(fileCache, sized);
  }

  async #cached(fileCache: FileCache, remote: Remote & { size: number }): Promise<CachedFile> {
    return new CachedFile(this.#session, this.#http, fileCache, remote, await fileCache.pieces(remote));
  }

  /** Downloads a whole file at once whose size is not known, as from servers that compress. */
  async #whole(remote: Remote, fileCache: FileCache): Promise<OpenFile> {
    const { retryPause } = this.surroundings;
    const watch = { arrived: () => {}, ranges: () => {} };
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const { bytes } of streamPieces(this.#http, remote, 0, Infinity, watch, retryPause)) {
      parts.push(bytes);
      size += bytes.length;
      if (size > IN_MEMORY) {
        const why = `does not tell the size of ${remote.file}, as it must for large files`;
        throw new CappyError("network", new URL(remote.url).host, why);
      }
    }
    const sized = { ...remote, size };
    const target = this.mayWrite ? fileCache : new FileCache(new MemoryStore(), fileCache.model, fileCache.file);
    const write = async () => {
      await target.begin(sized);
      for (const [i, bytes] of parts.entries()) await target.put(sized, i, bytes);
    };
    await alone(target, write, { signal: this.signal });
    return this.#cached(target, sized);
  }
}

function ofMeta(meta: Meta, url: string, size: number): Remote & { size: number } {
  return { file: meta.file, url, size, etag: meta.etag };
}

function inlined(name: string, url: string): OpenFile {
  const [, base64, data] = /^data:[^,]*?(;base64)?,(.*)/s.exec(url)!;
  const text = decodeURIComponent(data!);
  const bytes = base64 ? Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0)) : new TextEncoder().encode(text);
  const file = openFileAtHand(name, bytes.length, async (start, end) => bytes.slice(start, end));
  return { ...file, copy: async () => new Blob([bytes as Uint8Array<ArrayBuffer>]) };
}

function checkSums({ sha256 }: SourceOptions, { hasher }: LoadContext): void {
  for (const [file, sum] of Object.entries(sha256 ?? {})) {
    if (!/^[0-9a-f]{64}$/i.test(sum)) {
      throw new CappyError("input", "sha256", `"${sum}" for ${file} is not 64 hexadecimal digits`);
    }
    if (!hasher) throw new CappyError("input", "sha256", "no hasher was given to check it with");
  }
}
