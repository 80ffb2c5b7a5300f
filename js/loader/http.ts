import { CappyError, messageOf } from "../error.js";
import { orStopped } from "./stop.js";

/** What a server says about a file. */
export interface Remote {
  /** The file's name, for messages. */
  file: string;
  /** Its address, before any redirect. */
  url: string;
  /** Its size in bytes; `null` where the server does not say, as when it compresses. */
  size: number | null;
  /** The validator that changes with its content: the ETag, or else Last-Modified, or else nothing. */
  etag: string | null;
}

/** A failure that may be over at the next try: a broken connection, a busy server. */
export class Passing extends Error {}

/** The file on the server is another one than when its download began. */
export class Changed extends CappyError {
  constructor(file: string, url: string) {
    super("network", host(url), `${file} changed on the server while it was read; load it again`);
  }
}

/** How requests are made. */
export interface HttpOptions {
  fetch: typeof fetch;
  headers: Record<string, string>;
  /** `no-store` for what the loader caches itself, so that it is not on the disk twice. */
  cache: RequestCache;
  /** Ends every request. */
  signal: AbortSignal;
  /** Milliseconds without a byte after which a connection counts as broken. */
  stalled: number;
}

/** Requests for the files of one model. */
export class Http {
  constructor(readonly options: HttpOptions) {}

  /**
   * Size and validator of a file, `null` where the server has none of this name.
   *
   * @throws `network` or `unauthorized`
   */
  async look(file: string, url: string): Promise<Remote | null> {
    // With a Range, browsers ask for the file uncompressed, and the length that the loader needs is that one.
    const head = await this.#once(file, url, "HEAD", { Range: "bytes=0-" });
    // The answer has no body, but one that is not read counts as cancelled when the files are closed.
    await head.arrayBuffer().catch(() => {});
    if (head.ok) {
      const remote = describe(file, url, head);
      if (!remote || remote.size !== null) return remote;
    } else if (![403, 405, 416, 501].includes(head.status)) {
      return this.#absent(file, url, head);
    }
    const get = await this.#once(file, url, "GET", { Range: "bytes=0-0" });
    discard(get);
    return get.ok ? describe(file, url, get) : this.#absent(file, url, get);
  }

  /**
   * An answer with the bytes from `start` to before `end`, or to the file's end without one, and where the
   * answer begins: at 0 where the server does not support ranges.
   *
   * @throws Passing what may be tried again
   * @throws Changed when the file is another one than `remote` says
   */
  async get(remote: Remote, start: number, end?: number): Promise<{ response: Response; start: number }> {
    const { file, url } = remote;
    const headers: Record<string, string> = { Range: `bytes=${start}-${end === undefined ? "" : end - 1}` };
    // On other origins this header costs a preflight request, which not every host of files allows. The
    // comparison below finds a changed file as well; this header only spares its body.
    if (start > 0 && remote.etag && !remote.etag.startsWith("W/") && ownOrigin(url)) {
      headers["If-Range"] = remote.etag;
    }
    let response: Response;
    try {
      response = await this.within(this.#request(url, "GET", headers));
    } catch (error) {
      if (this.options.signal.aborted) throw this.options.signal.reason;
      throw new Passing(messageOf(error), { cause: error });
    }
    const changed = response.status === 416 || response.status === 404 || differs(remote, response);
    if (changed || !response.ok) discard(response);
    if (changed) throw new Changed(file, url);
    if (isPassing(response.status)) throw new Passing(`it answered with status ${response.status}`);
    if (!response.ok) throw refusal(file, url, response.status);
    return { response, start: response.status === 206 ? start : 0 };
  }

  /** The result of `work`; fails with `Passing` when it takes too long. */
  async within<T>(work: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout>;
    const late = new Promise<never>((_, reject) => {
      const { stalled } = this.options;
      timer = setTimeout(() => reject(new Passing(`nothing came for ${stalled / 1000} s`)), stalled);
    });
    return orStopped(Promise.race([work, late]), this.options.signal).finally(() => clearTimeout(timer));
  }

  /** A request that is not tried again. */
  async #once(file: string, url: string, method: string, headers: Record<string, string>): Promise<Response> {
    try {
      return await this.within(this.#request(url, method, headers));
    } catch (error) {
      if (this.options.signal.aborted) throw this.options.signal.reason;
      throw unreachable(file, url, error);
    }
  }

  #request(url: string, method: string, headers: Record<string, string>): Promise<Response> {
    const { cache, signal } = this.options;
    // In a variable, because a browser's own fetch throws when it is called as a method.
    const { fetch } = this.options;
    return fetch(url, {
      method,
      headers: { ...this.options.headers, ...headers },
      cache,
      signal,
    });
  }

  /** `null` for a file that does not exist, and throws for every other refusal. */
  #absent(file: string, url: string, response: Response): null {
    if (response.status !== 404 && response.status !== 410) throw refusal(file, url, response.status);
    // The hub tells a missing file from a missing model or revision.
    const code = response.headers.get("x-error-code");
    if (code === "RepoNotFound" || code === "RevisionNotFound") {
      const what = code === "RepoNotFound" ? "model" : "revision";
      throw new CappyError("not-found", host(url), `there is no such ${what}: ${shown(url)}`);
    }
    return null;
  }
}

/** A server could not be reached, or the connection broke too often. */
export function unreachable(file: string, url: string, cause: unknown): CappyError {
  const why = `${file} could not be fetched: ${messageOf(cause)}. Is the server up, and does it allow this page (CORS)?`;
  return new CappyError("network", host(url), why, { cause });
}

/** An address without its query, which may hold a secret. */
export function shown(url: string): string {
  return url.replace(/[?#].*$/s, "");
}

function refusal(file: string, url: string, status: number): CappyError {
  if (status === 401 || status === 403) {
    const why =
      `status ${status} for ${file}. Give a token that may read it: ` +
      'headers: { Authorization: "Bearer …" }. Hubs also answer so for a model that does not exist';
    return new CappyError("unauthorized", host(url), why);
  }
  return new CappyError("network", host(url), `status ${status} for ${file} (${shown(url)})`);
}

function describe(file: string, url: string, response: Response): Remote | null {
  const { headers } = response;
  // Servers of single-page apps answer every path with their page. No model file is one.
  if (headers.get("content-type")?.startsWith("text/html")) return null;
  return { file, url, size: sizeOf(response), etag: headers.get("etag") ?? headers.get("last-modified") };
}

/** The whole file's size, where this answer shows it. */
function sizeOf({ headers, status }: Response): number | null {
  if (headers.get("content-encoding") && headers.get("content-encoding") !== "identity") return null;
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers.get("content-range") ?? "");
  if (range) return Number(range[3]);
  const length = headers.get("content-length");
  // A 206 to `bytes=0-0` of which the range cannot be seen (CORS) has the length 1.
  return length === null || (status === 206 && length === "1") ? null : Number(length);
}

/** Whether an answer is of another version of the file. */
function differs(remote: Remote, response: Response): boolean {
  if (!response.ok) return false;
  const etag = response.headers.get("etag") ?? response.headers.get("last-modified");
  // Of an answer with a range, only Content-Range shows the whole size.
  const size = response.headers.has("content-range") ? sizeOf(response) : null;
  return !sameEtag(remote.etag, etag) || (size !== null && remote.size !== null && size !== remote.size);
}

/** Whether two validators may be of the same content. Where one is missing they may. */
export function sameEtag(a: string | null, b: string | null): boolean {
  const plain = (etag: string) => etag.replace(/^W\//, "");
  return a === null || b === null || plain(a) === plain(b);
}

function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

function discard(response: Response): void {
  response.body?.cancel().catch(() => {});
}

function ownOrigin(url: string): boolean {
  // Without a page (Node) there are no origins and no preflights.
  return typeof location === "undefined" || new URL(url).origin === location.origin;
}

function host(url: string): string {
  return new URL(url).host;
}
