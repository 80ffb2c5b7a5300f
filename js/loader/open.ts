import { CappyError } from "../error.js";
import type { ModelSource, SourceOptions } from "../types.js";
import { checkedFile } from "./checked-file.js";
import { type ModelFiles, type OpenFile, openFileAtHand } from "./files.js";
import { Http, type Remote, shown } from "./http.js";
import { alone, isVersion, Keep, type Meta } from "./keep.js";
import { KeptFile } from "./kept-file.js";
import { openLocal } from "./local.js";
import { MemoryStore } from "./memory.js";
import { pickedFiles, type PlainSource } from "./picked.js";
import { isHidden } from "./pins.js";
import { type LoadContext, persist, RecentPieces, type Session, storageLeft, type Surroundings } from "./session.js";
import { type Folder, isPicked, locate } from "./source.js";
import { stopper } from "./stop.js";
import { openBrowserStore, type PieceStore } from "./store.js";
import { streamPieces } from "./stream.js";
import { WindowFile } from "./window-file.js";

/** Bytes of files that may lie in memory as a whole where nothing can be kept. */
const IN_MEMORY = 16 * 1024 * 1024;

/** Files that say more of a model, which many do without. */
const OPTIONAL = [
  "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
  "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json",
];

/** A model's files, opened. */
export interface OpenedModel extends ModelFiles {
  open(name: string): Promise<OpenFile | null>;
  /** Stops downloads that still run. Files cannot be read after it. */
  close(): void;
}

/** The browser as it is. */
export const BROWSER: Surroundings = { openStore: openBrowserStore, retryPause: 250, stalled: 60_000 };

/** Opens the folder that `source` names, as `openModel` does; `keepNew: false` writes nothing. */
export async function openIn(
  surroundings: Surroundings,
  source: ModelSource | PlainSource,
  options: SourceOptions,
  context: LoadContext,
  keepNew = true,
): Promise<OpenedModel> {
  checkSums(options, context);
  const folder = isPicked(source) ? null : locate(source, options);
  const picked = isPicked(source) ? pickedFiles(source) : null;
  const description = (folder ?? picked)!.name;
  const stop = stopper(context.signal, description);
  if (stop.signal.aborted) throw stop.signal.reason;
  const store = folder?.keep && options.cache !== false ? await surroundings.openStore() : null;
  const opener = folder && new Opener(folder, store, options, context, surroundings, stop.signal, keepNew);
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
    open(name) {
      let file = opened.get(name);
      if (!file) {
        file = find(name);
        opened.set(name, file);
        // A failure is not remembered: asking again may work.
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
  /** Whether a file was found to be another than what is kept of it. */
  #changed = false;

  constructor(
    readonly folder: Folder,
    readonly store: PieceStore | null,
    readonly options: SourceOptions,
    readonly context: LoadContext,
    readonly surroundings: Surroundings,
    readonly signal: AbortSignal,
    readonly keepNew: boolean,
  ) {
    this.#http = new Http({
      fetch: options.fetch ?? ((url, init) => fetch(url, init)),
      headers: folder.own ? (options.headers ?? {}) : {},
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
    // Bundlers write small files into the program. Fetching that is what few pages' policies allow.
    if (url.startsWith("data:")) return inlined(name, url);
    try {
      return await (this.store ? this.#openKept(name, url, this.store) : this.#openFresh(name, url));
    } catch (error) {
      if (OPTIONAL.includes(name) && await this.#lacks(error)) return null;
      throw error;
    }
  }

  /**
   * Whether a failure means that an optional file is not there: stores of files answer 403 to what they do
   * not have, or without the header that lets a page of another origin see the 404. A server that is out
   * of reach does not give `config.json` either.
   */
  async #lacks(error: unknown): Promise<boolean> {
    const { code, cause } = error as CappyError;
    if (code !== "unauthorized" && !(code === "network" && cause instanceof TypeError)) return false;
    const config = this.folder.url("config.json");
    return config !== null && await this.#http.look("config.json", config).then(Boolean, () => false);
  }

  async #openKept(name: string, url: string, store: PieceStore): Promise<OpenFile | null> {
    const keep = new Keep(store, this.folder.name, name);
    const meta = await keep.meta();
    const samePlace = meta?.url === shown(url);
    if (meta && samePlace && this.options.checkFreshness === false) {
      return meta.size === null ? null : this.#kept(keep, ofMeta(meta, url, meta.size));
    }
    // Nobody adds one of these and leaves the others as they are, so they are not asked for at each load.
    if (meta?.size === null && samePlace && !this.#changed && OPTIONAL.includes(name)) return null;
    let remote: Remote | null;
    try {
      remote = await this.#http.look(name, url);
    } catch (error) {
      // Offline: what is here as a whole will do.
      if (!meta || !(error instanceof CappyError && error.code === "network")) throw error;
      if (meta.size === null) return null;
      const file = await this.#kept(keep, ofMeta(meta, url, meta.size));
      if (file.kept < file.size) throw error;
      return file;
    }
    if (!remote) {
      if (this.keepNew) await keep.markAbsent(url, this.signal);
      return null;
    }
    // What is kept names its pieces by its own validator, and that one is as good.
    if (meta && meta.size !== null && isVersion(meta, remote)) {
      return this.#kept(keep, ofMeta(meta, url, meta.size));
    }
    this.#changed = true;
    if (remote.size === null) return this.#whole(remote, keep);
    return this.#kept(keep, { ...remote, size: remote.size });
  }

  async #openFresh(name: string, url: string): Promise<OpenFile | null> {
    const remote = await this.#http.look(name, url);
    if (!remote) return null;
    const keep = new Keep(new MemoryStore(), this.folder.name, name);
    if (remote.size === null) return this.#whole(remote, keep);
    const sized = { ...remote, size: remote.size };
    if (sized.size > this.#memoryLeft) {
      const hasher = this.options.sha256?.[name] ? this.context.hasher : undefined;
      return new WindowFile(this.#session, this.#http, sized, hasher);
    }
    this.#memoryLeft -= sized.size;
    return this.#kept(keep, sized);
  }

  async #kept(keep: Keep, remote: Remote & { size: number }): Promise<KeptFile> {
    return new KeptFile(this.#session, this.#http, keep, remote, await keep.pieces(remote));
  }

  /** A file of unknown size, as compressing servers have them: all of it, now. */
  async #whole(remote: Remote, keep: Keep): Promise<OpenFile> {
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
    const target = this.keepNew ? keep : new Keep(new MemoryStore(), keep.model, keep.file);
    const write = async () => {
      await target.begin(sized);
      for (const [i, bytes] of parts.entries()) await target.put(sized, i, bytes);
    };
    await alone(target, write, { signal: this.signal });
    return this.#kept(target, sized);
  }
}

function ofMeta(meta: Meta, url: string, size: number): Remote & { size: number } {
  return { file: meta.file, url, size, etag: meta.etag };
}

function inlined(name: string, url: string): OpenFile {
  const [, base64, data] = /^data:[^,]*?(;base64)?,(.*)/s.exec(url)!;
  const text = decodeURIComponent(data!);
  const bytes = base64 ? Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0)) : new TextEncoder().encode(text);
  return openFileAtHand(name, bytes.length, async (start, end) => bytes.slice(start, end));
}

function checkSums({ sha256 }: SourceOptions, { hasher }: LoadContext): void {
  for (const [file, sum] of Object.entries(sha256 ?? {})) {
    if (!/^[0-9a-f]{64}$/i.test(sum)) {
      throw new CappyError("input", "sha256", `"${sum}" for ${file} is not 64 hexadecimal digits`);
    }
    if (!hasher) throw new CappyError("input", "sha256", "no hasher was given to check it with");
  }
}
