import type { EngineOptions, Listening, Racing, ScoringEngine, Shared, TextScore } from "./engine.js";
import { abortedError, CappyError, disposedError, messageOf } from "./error.js";
import { FetchHost } from "./fetch-proxy.js";
import { persist } from "./loader/loader.js";
import type { PlainSource } from "./loader/picked.js";
import type { FromWorker, PlainInfo, ToWorker } from "./protocol.js";
import { startWorker, type WorkerScript } from "./start-worker.js";
import { toCappyError } from "./thrown.js";
import type { LoadProgress } from "./types.js";

/**
 * While calls are under way, the worker gets a ping every `pingMs`. After `silent` pings without any message from
 * it, it counts as dead. Pings are counted instead of time, because a page that was asleep must not blame its
 * worker. Tests shorten both.
 */
export const patience = { pingMs: 5_000, silent: 4 };

/** After so many workers that died within a minute, calls fail. */
const MOST_DEATHS = 3;
const DEATHS_WITHIN_MS = 60_000;

const WORKER_HINT =
  "Is it there, does the page's Content-Security-Policy allow it (worker-src) and, in a page with COEP, " +
  "is it sent with Cross-Origin-Embedder-Policy, too?";
const WORKER_FALSE = "The option worker: false goes without one";

type NumberedRequest = Extract<ToWorker, { type: "load" | "score" | "race" }>;
type Request = NumberedRequest extends infer R ? (R extends NumberedRequest ? Omit<R, "id"> : never) : never;

interface Call {
  request: Request;
  receive(message: FromWorker): void;
  finished(): void;
  failed(error: CappyError): void;
}

/** An engine in a worker. A worker that dies is replaced, and the new one repeats what it had not finished. */
export class RemoteEngine implements ScoringEngine, Racing {
  readonly #script: WorkerScript;
  readonly #load: Extract<Request, { type: "load" }>;
  readonly #host: FetchHost | undefined;
  readonly #calls = new Map<number, Call>();
  #worker: Worker | undefined;
  #lastId = 0;
  #silent = 0;
  #pings: ReturnType<typeof setInterval> | undefined;
  #deaths: number[] = [];
  #info: PlainInfo | undefined;
  /** What other engines can be loaded with, where the options ask for it. */
  shared: Shared | undefined;
  #disposed = false;

  private constructor(script: WorkerScript, source: PlainSource, { fetch: custom, ...options }: EngineOptions) {
    this.#script = script;
    this.#load = { type: "load", source, options, customFetch: custom !== undefined };
    this.#host = custom && new FetchHost(custom);
  }

  /** Starts a worker and loads a model in it. Addresses must be absolute, because the worker has another base. */
  static async load(
    script: WorkerScript,
    source: PlainSource,
    options: EngineOptions,
    { signal, onProgress, unheeded }: Listening<LoadProgress>,
  ): Promise<RemoteEngine> {
    const engine = new RemoteEngine(script, source, options);
    // Workers cannot ask for it. A browser that refuses may delete the cache when space is short.
    if (typeof source === "string" && options.cache !== false) persist();
    try {
      engine.#start();
      const loading = engine.#call(engine.#load, signal, "loading", (message) => {
        if (message.type === "progress") onProgress?.(message.progress);
      });
      if (unheeded) (engine.#pings as { unref?(): void } | undefined)?.unref?.();
      await loading;
      // The comparison with the other device is over, also for a worker that replaces this one.
      engine.#load.options.rival = undefined;
      engine.#load.options.share = false;
    } catch (error) {
      engine.dispose();
      throw error;
    }
    return engine;
  }

  /** See `ScoringEngine`. */
  async score(
    instructions: readonly string[],
    texts: readonly string[],
    { signal, onProgress }: Listening<{ first: number; scores: TextScore[] }>,
  ): Promise<void> {
    const request = { type: "score" as const, instructions: [...instructions], texts: [...texts] };
    let done = 0;
    await this.#call(request, signal, "scoring", (message) => {
      if (message.type !== "batch") return;
      const first = done;
      done += message.scores.length;
      // A worker that replaces this one has only the rest to do.
      request.texts = texts.slice(done);
      if (instructions.length > 1) request.instructions = instructions.slice(done);
      onProgress?.({ first, scores: message.scores });
    });
  }

  /** See `Racing`. */
  race(rival: number, signal?: AbortSignal): Promise<void> {
    return this.#call({ type: "race", rival }, signal, "measuring", () => {});
  }

  /** See `ScoringEngine`. */
  info(): PlainInfo {
    if (this.#disposed || !this.#info) throw disposedError();
    return this.#info;
  }

  /** Ends the worker. Calls under way fail with `disposed`. */
  dispose(): void {
    this.#disposed = true;
    this.#stop();
    this.#failAll(disposedError());
  }

  #call(request: Request, signal: AbortSignal | undefined, what: string, receive: Call["receive"]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#disposed) return reject(disposedError());
      const id = ++this.#lastId;
      const end = (then: () => void) => {
        this.#calls.delete(id);
        signal?.removeEventListener("abort", abort);
        if (this.#calls.size === 0) this.#stopPings();
        then();
      };
      const failed = (error: unknown) => end(() => reject(error));
      // The caller does not wait until the worker has stopped.
      const abort = () => {
        this.#send({ type: "abort", id });
        failed(abortedError(signal, what));
      };
      if (signal?.aborted) return reject(abortedError(signal, what));
      this.#calls.set(id, { request, receive, failed, finished: () => end(resolve) });
      signal?.addEventListener("abort", abort, { once: true });
      try {
        if (!this.#worker) this.#restart();
        else this.#send({ ...request, id });
        this.#startPings();
      } catch (cause) {
        failed(new CappyError("input", "options", `cannot be sent to a worker: ${messageOf(cause)}`, { cause }));
      }
    });
  }

  #start(): void {
    let worker: Worker;
    try {
      worker = startWorker(this.#script, this.#load.options.assets);
    } catch (cause) {
      throw new CappyError("worker", "worker.js", `could not be started: ${messageOf(cause)}. ${WORKER_FALSE}`, {
        cause,
      });
    }
    this.#worker = worker;
    // Events of a worker that was replaced are ignored.
    const on = <E extends Event>(type: string, act: (event: E) => void) =>
      worker.addEventListener(type, (event) => this.#worker === worker && act(event as E));
    on("message", ({ data }: MessageEvent<FromWorker>) => this.#receive(data));
    on("error", (event: ErrorEvent) =>
      this.#died(event.message || `could not be loaded. ${WORKER_HINT} ${WORKER_FALSE}`),
    );
    on("messageerror", () => this.#died("sent what cannot be read"));
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    this.#silent = 0;
    switch (message.type) {
      case "pong":
        break;
      case "info":
        this.#info = message.info;
        break;
      case "shared":
        this.shared = message.shared;
        break;
      case "fetch":
        void this.#host?.run(message, (answer, transfer) => this.#send(answer, transfer));
        break;
      case "stop-fetch":
        this.#host?.stop(message.id);
        break;
      case "failed":
        this.#calls.get(message.id)?.failed(toCappyError(message.error));
        break;
      default: {
        const call = this.#calls.get(message.id);
        if (message.type === "done") call?.finished();
        else call?.receive(message);
      }
    }
  }

  #startPings(): void {
    this.#pings ??= setInterval(() => {
      if (this.#silent >= patience.silent) {
        this.#died("went silent");
      } else {
        this.#silent += 1;
        this.#send({ type: "ping" });
      }
    }, patience.pingMs);
  }

  #stopPings(): void {
    clearInterval(this.#pings);
    this.#pings = undefined;
    this.#silent = 0;
  }

  #died(why: string): void {
    this.#stop();
    const now = Date.now();
    this.#deaths = [...this.#deaths.filter((then) => now - then < DEATHS_WITHIN_MS), now];
    if (!this.#info) {
      this.#failAll(new CappyError("worker", "worker.js", why));
    } else if (this.#deaths.length >= MOST_DEATHS) {
      const often = `died ${this.#deaths.length} times within a minute, the last time because it`;
      this.#failAll(new CappyError("worker", "worker.js", `${often} ${why}`));
    } else if (this.#calls.size > 0) {
      this.#restart();
    }
  }

  /** Starts a new worker, which loads the model and then repeats the calls that the old one did not finish. */
  #restart(): void {
    try {
      this.#start();
    } catch (error) {
      this.#failAll(error as CappyError);
      return;
    }
    // Another load may be under way, of a worker that has died while it replaced one.
    for (const [id, { request }] of this.#calls) if (request.type === "load") this.#calls.delete(id);
    const unfinished = [...this.#calls];
    const id = ++this.#lastId;
    this.#calls.set(id, {
      request: this.#load,
      receive: () => {},
      finished: () => {
        this.#calls.delete(id);
        if (this.#calls.size === 0) this.#stopPings();
      },
      failed: (error) => {
        // The next call starts another worker.
        this.#calls.delete(id);
        this.#stop();
        this.#failAll(error);
      },
    });
    this.#send({ ...this.#load, id });
    for (const [id, { request }] of unfinished) this.#send({ ...request, id });
    this.#startPings();
  }

  #failAll(error: CappyError): void {
    for (const call of [...this.#calls.values()]) call.failed(error);
  }

  #stop(): void {
    this.#stopPings();
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#host?.stopAll();
  }
}
