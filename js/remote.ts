import type { EngineOptions, Listening, TextScore } from "./engine.js";
import { CappyError, throwIfAborted } from "./error.js";
import { FetchHost } from "./fetch-proxy.js";
import { persist } from "./loader/index.js";
import type { FromWorker, PlainInfo, ToWorker } from "./protocol.js";
import type { LoadProgress, ModelSource } from "./types.js";

/** A worker that has said nothing for so long, though asked, is taken for dead. */
const SILENCE_MS = 20_000;
const PING_MS = 5_000;

/** After so many dead workers within a minute no more are started. */
const MOST_DEATHS = 3;
const DEATHS_WITHIN_MS = 60_000;

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
  readonly #load: Extract<Ask, { type: "load" }>;
  readonly #host: FetchHost | undefined;
  readonly #calls = new Map<number, Call>();
  #worker: Worker | undefined;
  #lastId = 0;
  #heard = 0;
  #asked = 0;
  #watch: ReturnType<typeof setInterval> | undefined;
  #deaths: number[] = [];
  #info: PlainInfo | undefined;
  #disposed = false;

  private constructor(source: ModelSource | undefined, { fetch: custom, ...options }: EngineOptions) {
    this.#load = { type: "load", source, options, customFetch: custom !== undefined };
    this.#host = custom && new FetchHost(custom);
  }

  /** Starts a worker and loads a model in it. */
  static async load(
    source: ModelSource | undefined,
    options: EngineOptions,
    { signal, onProgress }: Listening<LoadProgress>,
  ): Promise<RemoteEngine> {
    const files = typeof source === "object" && !(source instanceof URL) ? [...source] : source;
    // URLs cannot be sent, and relative ones mean the page's folder.
    const plain = files instanceof URL ? files.href : typeof files === "string" ? absolute(files) : files;
    const engine = new RemoteEngine(plain, options);
    // Workers cannot ask for it. A browser that refuses may delete what is kept when space is short.
    if (plain !== undefined && options.cache !== false) persist();
    try {
      engine.#start();
      await engine.#call(engine.#load, signal, "loading", (message) => {
        if (message.type === "progress") onProgress?.(message.progress);
      });
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
    if (this.#disposed || !this.#info) throw disposed();
    return this.#info;
  }

  /** Ends the worker. Calls under way fail with `disposed`. */
  dispose(): void {
    this.#disposed = true;
    this.#stop();
    this.#failAll(disposed());
  }

  #call(ask: Ask, signal: AbortSignal | undefined, what: string, heard: Call["heard"]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#disposed) return reject(disposed());
      const id = ++this.#lastId;
      const abort = () => this.#send({ type: "abort", id });
      const end = (then: () => void) => {
        this.#calls.delete(id);
        signal?.removeEventListener("abort", abort);
        if (this.#calls.size === 0) this.#rest();
        then();
      };
      try {
        throwIfAborted(signal, what);
        this.#calls.set(id, {
          ask, heard,
          finished: () => end(resolve),
          failed: (error) => end(() => reject(error)),
        });
        if (!this.#worker) this.#restart();
        else this.#send({ ...ask, id });
        signal?.addEventListener("abort", abort, { once: true });
        this.#guard();
      } catch (error) {
        this.#calls.delete(id);
        reject(error);
      }
    });
  }

  #start(): void {
    try {
      this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "cappy" });
    } catch (cause) {
      throw new CappyError("worker", "worker.js", "could not be started; worker: false goes without one", { cause });
    }
    this.#heard = this.#asked = Date.now();
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.#hear(data));
    this.#worker.addEventListener("error", (event) => this.#died(event.message || "could not be loaded"));
    this.#worker.addEventListener("messageerror", () => this.#died("sent what cannot be read"));
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #hear(message: FromWorker): void {
    this.#heard = Date.now();
    switch (message.type) {
      case "pong":
        break;
      case "fetch":
        void this.#host?.run(message, (answer, transfer) => this.#send(answer, transfer));
        break;
      case "stop-fetch":
        this.#host?.stop(message.id);
        break;
      case "failed": {
        const { code, atFault, message: text } = message.error;
        this.#calls.get(message.id)?.failed(new CappyError(code, atFault, text.slice(atFault.length + 2)));
        break;
      }
      default: {
        if ("info" in message) this.#info = message.info;
        const call = this.#calls.get(message.id);
        if (message.type === "done") call?.finished();
        else call?.heard(message);
      }
    }
  }

  /** While calls are under way, asks now and then whether the worker is alive. */
  #guard(): void {
    this.#watch ??= setInterval(() => {
      if (this.#heard < this.#asked && Date.now() - this.#asked > SILENCE_MS) {
        this.#died("went silent");
      } else if (this.#heard >= this.#asked) {
        this.#asked = Date.now();
        this.#send({ type: "ping" });
      }
    }, PING_MS);
  }

  #rest(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.#asked = this.#heard;
  }

  #died(why: string): void {
    this.#stop();
    const now = Date.now();
    this.#deaths = [...this.#deaths.filter((then) => now - then < DEATHS_WITHIN_MS), now];
    const loading = [...this.#calls.values()].some(({ ask }) => ask.type === "load");
    if (loading || this.#deaths.length >= MOST_DEATHS) {
      this.#failAll(new CappyError("worker", "worker.js", why));
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
    const unfinished = [...this.#calls];
    const id = ++this.#lastId;
    this.#calls.set(id, {
      ask: this.#load,
      heard: () => {},
      finished: () => {
        this.#calls.delete(id);
        for (const [id, call] of unfinished) {
          if (this.#calls.has(id)) this.#send({ ...call.ask, id });
        }
      },
      failed: (error) => {
        this.#calls.delete(id);
        this.#failAll(error);
      },
    });
    this.#send({ ...this.#load, id });
  }

  #failAll(error: CappyError): void {
    for (const call of [...this.#calls.values()]) call.failed(error);
  }

  #stop(): void {
    this.#rest();
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}

function disposed(): CappyError {
  return new CappyError("disposed", "scorer", "was disposed of");
}

/** A folder's address as seen from the page; hub ids as they are. */
function absolute(source: string): string {
  return /^(\.{0,2}\/|[a-z][a-z0-9+.-]*:)/i.test(source) ? new URL(source, document.baseURI).href : source;
}
