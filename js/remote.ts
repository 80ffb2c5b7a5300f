import type { EngineOptions, Listening, TextScore } from "./engine.js";
import { abortedError, CappyError, disposedError } from "./error.js";
import { FetchHost } from "./fetch-proxy.js";
import { persist } from "./loader/loader.js";
import type { PlainSource } from "./loader/picked.js";
import type { FromWorker, PlainInfo, ToWorker } from "./protocol.js";
import { startWorker, type WorkerScript } from "./start-worker.js";
import { messageOf, toCappyError } from "./thrown.js";
import type { LoadProgress } from "./types.js";

/**
 * While calls are under way the worker is asked every `pingMs` whether it is alive. After `silent`
 * rounds without a word from it, it is taken for dead. Rounds and not time, because a page that was
 * asleep must not blame its worker. Tests are less patient.
 */
export const patience = { pingMs: 5_000, silent: 4 };

/** After so many dead workers within a minute no more are started. */
const MOST_DEATHS = 3;
const DEATHS_WITHIN_MS = 60_000;

const MISSING = "Is it there, does the page's Content-Security-Policy allow it (worker-src) and, in a page with COEP, "
  + "is it sent with Cross-Origin-Embedder-Policy, too?";
const WITHOUT = "The option worker: false goes without one";

type Asking = Extract<ToWorker, { type: "load" | "score" }>;
type Ask = Asking extends infer A ? A extends Asking ? Omit<A, "id"> : never : never;

interface Call {
  ask: Ask;
  heard(message: FromWorker): void;
  finished(): void;
  failed(error: CappyError): void;
}

/** An engine in a worker. A worker that dies is replaced, and what it had not finished is repeated. */
export class RemoteEngine {
  readonly #script: WorkerScript;
  readonly #load: Extract<Ask, { type: "load" }>;
  readonly #host: FetchHost | undefined;
  readonly #calls = new Map<number, Call>();
  #worker: Worker | undefined;
  #lastId = 0;
  #silent = 0;
  #watch: ReturnType<typeof setInterval> | undefined;
  #deaths: number[] = [];
  #info: PlainInfo | undefined;
  #disposed = false;

  private constructor(script: WorkerScript, source: PlainSource, { fetch: custom, ...options }: EngineOptions) {
    this.#script = script;
    this.#load = { type: "load", source, options, customFetch: custom !== undefined };
    this.#host = custom && new FetchHost(custom);
  }

  /** Starts a worker and loads a model in it. Addresses must be whole: the worker is elsewhere. */
  static async load(
    script: WorkerScript,
    source: PlainSource,
    options: EngineOptions,
    { signal, onProgress }: Listening<LoadProgress>,
  ): Promise<RemoteEngine> {
    const engine = new RemoteEngine(script, source, options);
    // Workers cannot ask for it. A browser that refuses may delete what is kept when space is short.
    if (source !== undefined && options.cache !== false) persist();
    try {
      engine.#start();
      await engine.#call(engine.#load, signal, "loading", (message) => {
        if (message.type === "progress") onProgress?.(message.progress);
      });
      // What was chosen stays, also when the worker dies.
      engine.#load.options.rival = undefined;
    } catch (error) {
      engine.dispose();
      throw error;
    }
    return engine;
  }

  /** As `Engine.score`. */
  async score(
    instruction: string,
    texts: readonly string[],
    { signal, onProgress }: Listening<{ first: number; scores: TextScore[] }>,
  ): Promise<void> {
    const ask = { type: "score" as const, instruction, texts: [...texts] };
    let done = 0;
    await this.#call(ask, signal, "scoring", (message) => {
      if (message.type !== "batch") return;
      const first = done;
      done += message.scores.length;
      // What another worker would have to repeat.
      ask.texts = texts.slice(done);
      onProgress?.({ first, scores: message.scores });
    });
  }

  /** What was loaded and how it runs. */
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

  #call(ask: Ask, signal: AbortSignal | undefined, what: string, heard: Call["heard"]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#disposed) return reject(disposedError());
      const id = ++this.#lastId;
      const end = (then: () => void) => {
        this.#calls.delete(id);
        signal?.removeEventListener("abort", abort);
        if (this.#calls.size === 0) this.#rest();
        then();
      };
      const failed = (error: unknown) => end(() => reject(error));
      // The caller need not wait until the worker has put down what it is at.
      const abort = () => {
        this.#send({ type: "abort", id });
        failed(abortedError(signal, what));
      };
      if (signal?.aborted) return reject(abortedError(signal, what));
      this.#calls.set(id, { ask, heard, failed, finished: () => end(resolve) });
      signal?.addEventListener("abort", abort, { once: true });
      try {
        if (!this.#worker) this.#restart();
        else this.#send({ ...ask, id });
        this.#guard();
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
      throw new CappyError("worker", "worker.js", `could not be started: ${messageOf(cause)}. ${WITHOUT}`, { cause });
    }
    this.#worker = worker;
    // Events of a worker that was given up are late news.
    const on = <E extends Event>(type: string, act: (event: E) => void) =>
      worker.addEventListener(type, (event) => this.#worker === worker && act(event as E));
    on("message", ({ data }: MessageEvent<FromWorker>) => this.#hear(data));
    on("error", (event: ErrorEvent) => this.#died(event.message || `could not be loaded. ${MISSING} ${WITHOUT}`));
    on("messageerror", () => this.#died("sent what cannot be read"));
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #hear(message: FromWorker): void {
    this.#silent = 0;
    switch (message.type) {
      case "pong":
        break;
      case "info":
        this.#info = message.info;
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
        else call?.heard(message);
      }
    }
  }

  #guard(): void {
    this.#watch ??= setInterval(() => {
      if (this.#silent >= patience.silent) {
        this.#died("went silent");
      } else {
        this.#silent += 1;
        this.#send({ type: "ping" });
      }
    }, patience.pingMs);
  }

  #rest(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
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

  /** A new worker: the model first, then what the old one did not finish. */
  #restart(): void {
    try {
      this.#start();
    } catch (error) {
      this.#failAll(error as CappyError);
      return;
    }
    // The load of the old worker, if it came to that, is told anew.
    for (const [id, { ask }] of this.#calls) if (ask.type === "load") this.#calls.delete(id);
    const unfinished = [...this.#calls];
    const id = ++this.#lastId;
    this.#calls.set(id, {
      ask: this.#load,
      heard: () => {},
      finished: () => {
        this.#calls.delete(id);
        if (this.#calls.size === 0) this.#rest();
      },
      failed: (error) => {
        // The next call tries it again.
        this.#calls.delete(id);
        this.#stop();
        this.#failAll(error);
      },
    });
    this.#send({ ...this.#load, id });
    for (const [id, { ask }] of unfinished) this.#send({ ...ask, id });
    this.#guard();
  }

  #failAll(error: CappyError): void {
    for (const call of [...this.#calls.values()]) call.failed(error);
  }

  #stop(): void {
    this.#rest();
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#host?.stopAll();
  }
}

