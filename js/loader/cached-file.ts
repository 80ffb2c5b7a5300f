import { CappyError } from "../error.js";
import { checkRange, type OpenFile } from "./files.js";
import { Changed, type Http, type Remote } from "./http.js";
import { alone, type FileCache } from "./file-cache.js";
import { Progress } from "./progress.js";
import type { Session } from "./session.js";
import { orStopped } from "./stop.js";
import { fetchRange, PIECE, type Piece, pieceLength, streamPieces } from "./stream.js";
import { QUOTA_ADVICE } from "./store.js";

/** How many pieces ahead of the download a read may be and wait for it. For one further ahead the download jumps there. */
const AHEAD = 8;

/**
 * A file of a server, in pieces that are cached. The first `read` begins one download of all pieces that are
 * missing, in the order of the file, except that a piece which a read waits for comes first.
 */
export class CachedFile implements OpenFile {
  readonly name: string;
  readonly size: number;
  #started = false;
  #failure: unknown;
  /** The pieces that reads wait for, and how many reads wait for each. */
  readonly #waitedFor = new Map<number, number>();
  /** Let reads look again, when a piece has come or the download has failed. */
  #wakeReads: (() => void)[] = [];
  #ranges = true;
  readonly #progress: Progress;

  constructor(
    readonly session: Session,
    readonly http: Http,
    readonly fileCache: FileCache,
    readonly remote: Remote & { size: number },
    /** Which pieces are cached. */
    readonly have: boolean[],
  ) {
    this.name = remote.file;
    this.size = remote.size;
    this.#progress = new Progress(this.name, this.size, session.onProgress);
  }

  get cachedBytes(): number {
    return this.have.reduce((sum, there, i) => sum + (there ? pieceLength(i, this.size) : 0), 0);
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    checkRange(this.name, this.size, start, end);
    this.#startDownload();
    const out = new Uint8Array(end - start);
    for (let at = start; at < end; ) {
      const index = Math.floor(at / PIECE);
      const from = at % PIECE;
      const part = (await this.#piece(index)).subarray(from, from + end - at);
      out.set(part, at - start);
      at += part.length;
    }
    return out;
  }

  async peek(start: number, end: number): Promise<Uint8Array> {
    checkRange(this.name, this.size, start, end);
    const pieces = this.have.slice(Math.floor(start / PIECE), Math.ceil(end / PIECE));
    return pieces.every(Boolean) ? this.read(start, end) : fetchRange(this.http, this.remote, start, end);
  }

  async discard(): Promise<void> {
    this.session.recent.forget(this.name);
    this.have.fill(false);
    await this.fileCache.delete();
  }

  /** Only of a file that is cached whole. To be called where the cache is in memory. */
  async copy(): Promise<Blob | undefined> {
    const pieces = await Promise.all(this.have.map((_, index) => this.fileCache.get(this.remote, index)));
    return pieces.every((piece) => piece !== null) ? new Blob(pieces as Uint8Array<ArrayBuffer>[]) : undefined;
  }

  #startDownload(): void {
    if (this.#started) return;
    this.#started = true;
    if (this.have.every(Boolean)) {
      this.#progress.at(this.size);
      return;
    }
    const { signal, shared } = this.session;
    const work = () => this.#download();
    (shared ? alone(this.fileCache, work, { signal }) : work()).catch((error: unknown) => {
      // A lock that is aborted rejects with the signal's reason, which is one of ours.
      this.#failure = error;
      this.#wake();
    });
  }

  async #piece(index: number): Promise<Uint8Array> {
    const { signal, recent } = this.session;
    this.#waitedFor.set(index, (this.#waitedFor.get(index) ?? 0) + 1);
    try {
      while (!this.have[index]) {
        if (this.#failure) throw this.#failure;
        await orStopped(new Promise<void>((resolve) => this.#wakeReads.push(resolve)), signal);
      }
    } finally {
      const others = this.#waitedFor.get(index)! - 1;
      if (others) this.#waitedFor.set(index, others);
      else this.#waitedFor.delete(index);
    }
    if (signal.aborted) throw signal.reason;
    let bytes = recent.get(this.name, index);
    if (!bytes) {
      bytes = (await orStopped(this.fileCache.get(this.remote, index), signal)) ?? undefined;
      if (!bytes) {
        throw new CappyError("io", this.name, "what was kept of it was deleted meanwhile; load it again");
      }
      recent.set(this.name, index, bytes);
    }
    return bytes;
  }

  /** Downloads what is missing, while a lock keeps other tabs from doing the same. */
  async #download(): Promise<void> {
    const { fileCache, remote, have } = this;
    await fileCache.begin(remote);
    // Another tab may have downloaded some of it while this one waited for the lock.
    (await fileCache.pieces(remote)).forEach((there, i) => (have[i] = there));
    this.#wake();
    this.#progress.at(this.cachedBytes);
    await this.#checkQuota();
    try {
      for (let next = this.#next(0); next >= 0; next = this.#next(next)) next = await this.#stream(next);
    } catch (error) {
      if (error instanceof Changed) await this.discard();
      throw error;
    }
  }

  /**
   * Downloads from the piece `first` on, until the next piece that is cached, or until a read waits for a piece
   * far away. Returns where it stopped.
   */
  async #stream(first: number): Promise<number> {
    const { have } = this;
    let last = first + 1;
    while (last < have.length && !have[last]) last += 1;
    const watch = {
      arrived: (index: number, bytes: number) => {
        if (!have[index]) this.#progress.at(this.cachedBytes + bytes);
      },
      ranges: (supported: boolean) => {
        this.#ranges = supported;
      },
    };
    const { retryPause } = this.session;
    let at = first;
    for await (const piece of streamPieces(this.http, this.remote, first, last, watch, retryPause)) {
      if (!have[piece.index]) await this.#take(piece);
      at = piece.index + 1;
      if (this.#ranges && this.#next(at) !== at) break;
    }
    return at;
  }

  async #take({ index, bytes }: Piece): Promise<void> {
    const { signal, recent } = this.session;
    await orStopped(this.fileCache.put(this.remote, index, bytes), signal);
    this.session.persist();
    recent.set(this.name, index, bytes);
    this.have[index] = true;
    this.#progress.at(this.cachedBytes);
    this.#wake();
  }

  /** The missing piece to go on with from `at`: one that is far away and waited for, else the next one; -1 for none. */
  #next(at: number): number {
    const missing = (index: number) => index < this.have.length && !this.have[index];
    if (this.#ranges) {
      for (const index of this.#waitedFor.keys()) {
        if (missing(index) && (index < at || index >= at + AHEAD)) return index;
      }
    }
    const after = this.have.indexOf(false, at);
    return after >= 0 ? after : this.have.indexOf(false);
  }

  async #checkQuota(): Promise<void> {
    const left = await this.session.storageLeft();
    const need = this.size - this.cachedBytes;
    if (left === null || need <= left) return;
    const [needed, granted, lacking] = [need, left, need - left].map((bytes) => (bytes / 1e6).toFixed(1));
    const why = `needs ${needed} MB, the browser grants ${granted} MB more, ${lacking} MB are missing`;
    throw new CappyError("quota", this.name, `${why}; ${QUOTA_ADVICE}`);
  }

  #wake(): void {
    const waiting = this.#wakeReads;
    this.#wakeReads = [];
    for (const go of waiting) go();
  }
}
