/** The one model of the whole browser: loaded at first use, shared by all pages, unloaded when it is not needed. */
import type { LoadProgress, ModelSource, Scorer } from "cappy-web";
import type { EngineSettings, EngineState, ModelChoice } from "../messages.js";
import { nameOf } from "../ui/words.js";
import { pickedFiles } from "./folder.js";

/** A request that failed, with a code of the package's errors or of the engine's own. */
export class Failure extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Failures that say nothing against the loaded model. */
const HARMLESS = ["input", "not-finite", "aborted"];

/** A model that is loaded, or being loaded. */
interface Held {
  name: string;
  /** The name of what it has learned; empty for the model as it came. */
  adaptation: string;
  stop: AbortController;
  loading: Promise<Scorer>;
  scorer: Scorer | undefined;
  /** Requests that wait for it to be loaded. */
  waiting: number;
  /** Requests that it scores. */
  working: number;
}

export class Model {
  readonly #onState: (state: EngineState) => void;
  readonly #onIdle: () => void;
  #settings: EngineSettings | undefined;
  #state: EngineState = { phase: "idle" };
  #held: Held | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** `onIdle` is called after the idle time, whether a model was loaded before or not. */
  constructor(onState: (state: EngineState) => void, onIdle: () => void) {
    this.#onState = onState;
    this.#onIdle = onIdle;
  }

  /** The state of the engine. */
  get state(): EngineState {
    return this.#state;
  }

  /** Whether it has settings yet. */
  get configured(): boolean {
    return this.#settings !== undefined;
  }

  /** Takes settings. Where they name another model, the old one is unloaded; the next use loads the new one. */
  configure(settings: EngineSettings): void {
    const before = this.#settings;
    this.#settings = settings;
    const same =
      before &&
      before.dtype === settings.dtype &&
      before.device === settings.device &&
      before.adaptation === settings.adaptation &&
      JSON.stringify(before.model) === JSON.stringify(settings.model);
    if (before && !same) this.#discard(new Failure("changed", "Another model was chosen meanwhile"));
    this.#rest();
  }

  /** Loads the model, unless it is loaded. Once `signal` is aborted, loading stops if nobody else waits for it. */
  async load(signal: AbortSignal): Promise<void> {
    const held = this.#hold();
    try {
      await this.#loaded(held, signal);
    } finally {
      if (signal.aborted && held.waiting === 0 && !held.scorer && this.#held === held) {
        this.#discard(new Failure("aborted", "Loading was stopped"));
      }
    }
  }

  /** Loads the model if need be, and does `work` with it. */
  async use(signal: AbortSignal, work: (scorer: Scorer, model: string) => Promise<void>): Promise<void> {
    const held = this.#hold();
    const scorer = await this.#loaded(held, signal);
    this.#count(held, 1);
    try {
      await work(scorer, held.name);
    } catch (error) {
      // The error of a model that was unloaded meanwhile says only that it is gone; the reason says more.
      held.stop.signal.throwIfAborted();
      if (!HARMLESS.includes(failureOf(error).code)) this.#failed(held, error);
      throw error;
    } finally {
      this.#count(held, -1);
    }
  }

  /** Unloads the model, or stops loading it. */
  unload(): void {
    this.#discard(new Failure("disposed", "The model was unloaded"));
  }

  /** The model that is loaded or being loaded; otherwise one that begins to load now. */
  #hold(): Held {
    if (this.#held) return this.#held;
    clearTimeout(this.#idle);
    const { model, adaptation, dtype, device } = this.#settings!;
    const stop = new AbortController();
    const held: Held = {
      name: nameOf(model),
      adaptation,
      stop,
      loading: undefined!,
      scorer: undefined,
      waiting: 0,
      working: 0,
    };
    this.#held = held;
    this.#publish({ phase: "load", model: held.name, bytes: 0, total: 0 });
    const onProgress = ({ phase, bytes, total }: LoadProgress) => {
      if (this.#held === held && !held.scorer) this.#publish({ phase, model: held.name, bytes, total });
    };
    held.loading = open(model, {
      signal: stop.signal,
      dtype,
      device,
      onProgress,
      ...(adaptation && { adaptation }),
    }).then(
      (scorer) => {
        if (stop.signal.aborted) scorer.dispose();
        stop.signal.throwIfAborted();
        held.scorer = scorer;
        this.#count(held, 0);
        return scorer;
      },
      (error) => {
        stop.signal.throwIfAborted();
        this.#failed(held, error);
        throw error;
      },
    );
    // Without this its failure would be an unhandled rejection when nobody waits any more.
    held.loading.catch(() => {});
    return held;
  }

  /** Waits until a model is loaded, or until `signal` says not to. */
  async #loaded(held: Held, signal: AbortSignal): Promise<Scorer> {
    signal.throwIfAborted();
    held.waiting += 1;
    try {
      return await new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        held.loading.then(resolve, reject);
      });
    } finally {
      held.waiting -= 1;
    }
  }

  /** Notes that more or fewer requests are being scored. */
  #count(held: Held, change: number): void {
    held.working += change;
    if (this.#held !== held) return;
    const { dtype: path, weights, device, adapter, gpuBytes, cpuBytes, maxTokens } = held.scorer!.info();
    const dtype = weights === "f16" ? path : weights;
    const name = adapter.description || `${adapter.vendor} ${adapter.architecture}`.trim();
    this.#publish({
      phase: "ready",
      model: held.name,
      adaptation: held.adaptation,
      dtype,
      device,
      adapter: name,
      memoryBytes: device === "gpu" ? gpuBytes : cpuBytes,
      maxTokens,
      working: held.working,
    });
    this.#rest();
  }

  #failed(held: Held, error: unknown): void {
    if (this.#held !== held) return;
    const { code, message } = failureOf(error);
    this.#release(new Failure(code, message));
    this.#publish({ phase: "failed", model: held.name, code, message });
    this.#rest();
  }

  #discard(why: Failure): void {
    if (this.#held) this.#release(why);
    if (this.#state.phase !== "idle") this.#publish({ phase: "idle" });
    this.#rest();
  }

  #release(why: Failure): void {
    const held = this.#held!;
    this.#held = undefined;
    held.stop.abort(why);
    held.scorer?.dispose();
  }

  /** Begins to wait for the idle time again, where nothing is under way. */
  #rest(): void {
    clearTimeout(this.#idle);
    const busy = this.#held && (!this.#held.scorer || this.#held.working > 0);
    if (busy || !this.#settings) return;
    this.#idle = setTimeout(() => {
      this.#discard(new Failure("disposed", "The model was unloaded"));
      this.#onIdle();
    }, this.#settings.idleMinutes * 60_000);
  }

  #publish(state: EngineState): void {
    this.#state = state;
    this.#onState(state);
  }
}

/** Any error as a code and a message. */
export function failureOf(error: unknown): { code: string; message: string } {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return { code: typeof code === "string" ? code : "engine", message: String(message ?? error) };
}

async function open(model: ModelChoice, options: NonNullable<Parameters<typeof Scorer.load>[1]>): Promise<Scorer> {
  // Imported only now, because Firefox wakes the page with the engine for many small things that do not need it.
  const { Scorer } = await import("cappy-web");
  return Scorer.load(await sourceOf(model), options);
}

async function sourceOf(model: ModelChoice): Promise<ModelSource | undefined> {
  switch (model.kind) {
    case "embedded":
      return undefined;
    case "large":
      return "btan2/cappy-large";
    case "hub":
      return model.id;
    case "url":
      return model.url;
    case "folder":
      return pickedFiles(model.name);
  }
}
