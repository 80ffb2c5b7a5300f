import { CappyError } from "../error.js";
import { type Http, Passing, type Remote, unreachable } from "./http.js";
import { release } from "./release.js";
import { pause } from "./stop.js";

/** Bytes of a piece. A piece is cached as one item, and a download resumes at its beginning. */
export const PIECE = 4 * 1024 * 1024;

/** After so many failures in a row, without a byte in between, a download fails. */
const TRIES = 5;

/** A piece of a file as it came from the network. */
export interface Piece {
  index: number;
  bytes: Uint8Array;
}

/** Bytes of the piece `index` of a file of `size` bytes. */
export function pieceLength(index: number, size: number): number {
  return Math.min(PIECE, size - index * PIECE);
}

/** How many pieces a file of `size` bytes has. */
export function pieceCount(size: number): number {
  return Math.ceil(size / PIECE);
}

/** What a stream calls while it runs. */
export interface StreamWatch {
  /** So many bytes of the piece `index` have arrived. */
  arrived(index: number, bytes: number): void;
  /** The server has just shown whether it supports ranges. */
  ranges(supported: boolean): void;
}

/**
 * The pieces from `first` to before `last`, in order. A connection that breaks is resumed at the last byte. A
 * server that does not support ranges sends the file from its beginning, and then the pieces begin at 0.
 *
 * @param firstPause milliseconds before the second try; doubles with each
 * @throws `network`, `unauthorized`, `Changed`, or the reason of the signal
 */
export async function* streamPieces(
  http: Http,
  remote: Remote,
  first: number,
  last: number,
  watch: StreamWatch,
  firstPause: number,
): AsyncGenerator<Piece, void, void> {
  const { signal } = http.options;
  const size = remote.size ?? Infinity;
  const stop = Math.min(last * PIECE, size);
  let at = first * PIECE;
  let furthest = at;
  let failures = 0;
  // Allocated when its first byte comes, so that no second piece takes memory while a full one is written.
  let piece: Uint8Array | undefined;

  while (at < stop) {
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    let chunk: Uint8Array | undefined;
    try {
      const { response, start } = await http.get(remote, at, stop === size ? undefined : stop);
      watch.ranges(response.status === 206);
      if (start !== at) {
        at = start;
        piece = undefined;
      }
      reader = response.body?.getReader();
      if (!reader) throw new Passing("the answer has no body");
      while (at < stop) {
        const { done, value } = await http.within(reader.read());
        if (done) {
          // Without a known size the end is where the server ends.
          if (remote.size !== null) throw new Passing("the connection ended early");
          if (piece) yield { index: Math.floor(at / PIECE), bytes: piece.slice(0, at % PIECE) };
          return;
        }
        chunk = value;
        for (let taken = 0; taken < value.length && at < stop; ) {
          const index = Math.floor(at / PIECE);
          const filled = at % PIECE;
          piece ??= new Uint8Array(Math.min(PIECE, size - at));
          const part = value.subarray(taken, taken + piece.length - filled);
          piece.set(part, filled);
          at += part.length;
          taken += part.length;
          watch.arrived(index, filled + part.length);
          if (at > furthest) [furthest, failures] = [at, 0];
          if (at === size && taken < value.length) throw tooLong(remote);
          if (filled + part.length < piece.length) continue;
          const bytes = piece;
          piece = undefined;
          // The caller may close the file once it is whole, which would cancel a request that has not ended
          // yet. And a body that goes on is not the file that the server announced.
          if (at === size) {
            const end = await http.within(reader.read()).catch(() => ({ done: true }));
            if (!end.done) throw tooLong(remote);
          }
          yield { index, bytes };
        }
        release(value);
        chunk = undefined;
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof CappyError) throw error;
      failures += 1;
      if (failures >= TRIES) throw unreachable(remote.file, remote.url, error);
      await pause(firstPause * 2 ** (failures - 1), signal);
    } finally {
      if (chunk) release(chunk);
      reader?.cancel().catch(() => {});
    }
  }
}

/** One range, in memory, where a stream is not worth it. Nothing of it is cached. */
export async function fetchRange(http: Http, remote: Remote, start: number, end: number): Promise<Uint8Array> {
  if (start === end) return new Uint8Array(0);
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  try {
    const answer = await http.get(remote, start, end);
    reader = answer.response.body?.getReader();
    if (!reader) throw new Passing("the answer has no body");
    const out = new Uint8Array(end - start);
    let at = answer.start;
    while (at < end) {
      const { done, value } = await http.within(reader.read());
      if (done) throw new Passing("the connection ended early");
      const part = value.subarray(Math.max(0, start - at), end - at);
      if (part.length) out.set(part, Math.max(0, at - start));
      at += value.length;
    }
    return out;
  } catch (error) {
    if (http.options.signal.aborted) throw http.options.signal.reason;
    throw error instanceof CappyError ? error : unreachable(remote.file, remote.url, error);
  } finally {
    reader?.cancel().catch(() => {});
  }
}

function tooLong(remote: Remote): CappyError {
  return new CappyError("network", new URL(remote.url).host, `${remote.file} is longer than the server said`);
}
