import { CappyError } from "../error.js";
import { checkRange, type OpenFile } from "./files.js";
import { Changed, type Http, type Remote } from "./http.js";
import { Progress } from "./progress.js";
import type { Hasher, Session } from "./session.js";
import { orStopped } from "./stop.js";
import { fetchRange, PIECE, type Piece, pieceCount, pieceLength, streamPieces } from "./stream.js";

/** How many pieces ahead of the stream a read may be and wait for it. For one further ahead a new stream begins. */
const AHEAD = 2;

/** A large file of a server where the browser has no storage: one stream, which begins anew where the reads are. */
export class WindowFile implements OpenFile {
  readonly name: string;
  readonly size: number;
  readonly cachedBytes = 0;
  #stream: AsyncGenerator<Piece, void, void> | undefined;
  /** The piece that comes next from the stream. */
  #at = 0;
  /** Reads wait for each other, because there is one stream. */
  #queue: Promise<unknown> = Promise.resolve();
  /** For each piece whether it has come before and, where the file is checked, its SHA-256. */
  readonly #seen: (string | true | undefined)[];
  #bytes = 0;
  readonly #progress: Progress;

  constructor(
    readonly session: Session,
    readonly http: Http,
    readonly remote: Remote & { size: number },
    /** Given when the file is checked: a piece that comes twice must then be the same both times. */
    readonly hasher: (() => Hasher) | undefined,
  ) {
    this.name = remote.file;
    this.size = remote.size;
    this.#seen = new Array(pieceCount(remote.size)).fill(undefined);
    this.#progress = new Progress(this.name, this.size, session.onProgress);
  }

  read(start: number, end: number): Promise<Uint8Array> {
    const bytes = this.#queue.then(() => this.#read(start, end));
    this.#queue = bytes.catch(() => {});
    return orStopped(bytes, this.session.signal);
  }

  async peek(start: number, end: number): Promise<Uint8Array> {
    checkRange(this.name, this.size, start, end);
    return fetchRange(this.http, this.remote, start, end);
  }

  async discard(): Promise<void> {
    this.session.recent.forget(this.name);
  }

  async #read(start: number, end: number): Promise<Uint8Array> {
    checkRange(this.name, this.size, start, end);
    const out = new Uint8Array(end - start);
    for (let at = start; at < end; ) {
      const from = at % PIECE;
      const part = (await this.#piece(Math.floor(at / PIECE))).subarray(from, from + end - at);
      out.set(part, at - start);
      at += part.length;
    }
    return out;
  }

  async #piece(index: number): Promise<Uint8Array> {
    const { recent, retryPause } = this.session;
    const known = recent.get(this.name, index);
    if (known) return known;
    if (!this.#stream || index < this.#at || index > this.#at + AHEAD) {
      await this.#stream?.return();
      const last = this.#seen.length;
      const watch = {
        arrived: (piece: number, bytes: number) => {
          if (!this.#seen[piece]) this.#progress.at(this.#bytes + bytes);
        },
        ranges: (supported: boolean) => {
          if (!supported) throw this.#cannot();
        },
      };
      this.#stream = streamPieces(this.http, this.remote, index, last, watch, retryPause);
      this.#at = index;
    }
    for (;;) {
      const next: IteratorResult<Piece, void> = await this.#stream.next().catch((error: unknown) => {
        // The next read begins a new stream.
        this.#stream = undefined;
        throw error;
      });
      if (next.done) throw new CappyError("network", this.name, `ended before piece ${index}`);
      this.#at = next.value.index + 1;
      this.#note(next.value);
      if (next.value.index === index) return next.value.bytes;
    }
  }

  #note({ index, bytes }: Piece): void {
    this.session.recent.set(this.name, index, bytes);
    let mark: string | true = true;
    if (this.hasher) {
      const hash = this.hasher();
      hash.update(bytes);
      mark = hash.digest();
    }
    const before = this.#seen[index];
    if (before && before !== mark) throw new Changed(this.name, this.remote.url);
    if (!before) this.#bytes += pieceLength(index, this.size);
    this.#seen[index] = mark;
    this.#progress.at(this.#bytes);
  }

  #cannot(): CappyError {
    const why =
      `gives ${this.name} (${(this.size / 1e6).toFixed(0)} MB) only as a whole (no HTTP Range), and nothing ` +
      "can be kept here. Serve it with Range support, or load where storage is allowed";
    return new CappyError("network", new URL(this.remote.url).host, why);
  }
}
