import { CappyError, throwIfAborted } from "./error.js";
import { adapterInfo } from "./gpu.js";
import type { ModelFiles } from "./loader/files.js";
import type { Hasher } from "./loader/loader.js";
import { pickedFiles, type PlainSource, type SentFile } from "./loader/picked.js";
import { kernelFor, openWatched, withKernel } from "./opening.js";
import { isSlower, toCappyError } from "./thrown.js";
import { keepTuning, keptTuning } from "./tuning.js";
import { Turns } from "./turns.js";
import type { AdapterInfo, CpuWeights, Device, Dtype, Info, LoadProgress, SourceOptions } from "./types.js";
import type { compete, WasmScorer } from "./wasm/cappy.js";

/** Texts handed to WebAssembly at once; a batch rarely holds more. */
const WINDOW = 256;

/** After so many losses of the device within a minute the engine gives up. */
const MOST_LOSSES = 3;
const LOSSES_WITHIN_MS = 60_000;

/** The compiled part of an engine: a small one, one that knows of adaptations, one without a GPU. */
export interface Module {
  /** What stands for an adapter where there is no GPU. */
  cpu?: AdapterInfo;
  startWasm(assets: string | undefined): Promise<unknown>;
  /** Measures it, where it may be compared with another. */
  compete?: typeof compete;
  WasmScorer: Pick<typeof WasmScorer, "load">;
  Sha256: new () => Hasher;
}

/** What an engine needs to know, without anything that cannot be sent to a worker. */
export interface EngineOptions extends SourceOptions {
  /** How kernels read numbers; how weights are kept, where the CPU computes. */
  dtype?: Dtype | CpuWeights;
  /** The most tokens computed at once. */
  batchTokens?: number;
  /** The matmul kernel that runs everything. */
  kernel?: string;
  /** Where to compute. */
  device?: Device;
  /** How the CPU keeps weights. */
  cpuWeights?: CpuWeights;
  /** As in `SourceOptions`, with a slash at its end. */
  assets?: string;
  /** Why the CPU computes, where that was not asked for. */
  why?: string;
  /** Microseconds that a fixed piece of work takes elsewhere: loading fails where this is no faster. */
  rival?: number;
  /** What adaptation changes of the model. */
  adaptation?: Applied;
}

/** How a scorer came to be, so that another one can be made. */
export interface Origin {
  source: PlainSource;
  options: EngineOptions;
  worker: boolean;
}

/** What adaptation changes of a model, in a form that can be sent to a worker. */
export interface Applied {
  /** What to call it. */
  name: string;
  /** An adapter, or files that take the place of the model's own. */
  files: SentFile[];
  /** Whether they are an adapter. */
  isAdapter: boolean;
}

/** One scored text. */
export interface TextScore {
  /** The raw logit of each label. */
  logits: number[];
  /** Tokens of the pair, special tokens included. */
  tokens: number;
  /** Tokens that were cut. */
  truncated: number;
}

/** What calls of an engine listen to. */
export interface Listening<P> {
  /** Stops the work. */
  signal?: AbortSignal;
  /** Told how far it is. */
  onProgress?: (progress: P) => void;
}

/** `Info` as Rust serialises it, and what was applied. */
interface RustInfo {
  model: string;
  applied: string;
  format: string;
  config: { labels: string[] };
  output: string;
  max_tokens: number;
  parameters: number;
  file_bytes: number;
  gpu_bytes: number;
  cpu_bytes?: number;
  dtype: "f16" | "f32";
  weights: "f16" | "q8" | "q4";
  note: string | null;
  batch_tokens: number;
  kernels: string;
  tuning_seconds: number;
  tuning: string;
}

/** A model on the GPU of this thread; rebuilt when the device is lost. */
export class Engine {
  readonly #module: Module;
  readonly #source: PlainSource;
  readonly #options: EngineOptions;
  readonly #turns = new Turns();
  #adapter!: AdapterInfo;
  #scorer: WasmScorer | undefined;
  #info!: RustInfo;
  #losses: number[] = [];
  #allLosses = 0;
  #disposed = false;

  private constructor(module: Module, source: PlainSource, options: EngineOptions) {
    this.#module = module;
    this.#source = source;
    this.#options = options;
  }

  /** Loads a model. Progress is told in two phases, `download` and `load`, which overlap. */
  static async load(
    module: Module,
    source: PlainSource,
    options: EngineOptions,
    listening: Listening<LoadProgress>,
  ): Promise<Engine> {
    const engine = new Engine(module, source, options);
    if (options.rival !== undefined) await engine.#compete(options.rival, listening.signal);
    await engine.#build(listening);
    return engine;
  }

  /** Fails where this is no faster than `rival`, before any file of the model is asked for. */
  async #compete(rival: number, signal: AbortSignal | undefined): Promise<void> {
    const { cpu, compete, startWasm } = this.#module;
    const { assets, cache = true } = this.#options;
    const [adapter] = await Promise.all([cpu ?? adapterInfo(), startWasm(assets)]);
    throwIfAborted(signal, "loading");
    const kernel = kernelFor(adapter, undefined);
    const tuned = cache && kernel === undefined;
    const before = tuned ? await keptTuning(adapter) : undefined;
    const run = (subgroups: number) => compete!(kernel, before, subgroups, rival);
    try {
      const tuning = await (cpu ? run(0) : withKernel(kernel, adapter, run));
      if (tuned && tuning !== before) await keepTuning(adapter, tuning);
    } catch (thrown) {
      const error = toCappyError(thrown);
      // What else may be wrong, loading says.
      if (isSlower(error)) throw error;
    }
  }

  async #build({ signal, onProgress }: Listening<LoadProgress>): Promise<void> {
    throwIfAborted(signal, "loading");
    const { cpu } = this.#module;
    [this.#adapter] = await Promise.all([cpu ?? adapterInfo(), this.#module.startWasm(this.#options.assets)]);
    throwIfAborted(signal, "loading");
    const files = await openWatched(this.#source, this.#options, { signal, onProgress }, () => new this.#module.Sha256());
    const { dtype = "auto", batchTokens, cache = true } = this.#options;
    // The CPU's has no use for it.
    const kernel = kernelFor(this.#adapter, this.#options.kernel);
    const tuned = cache && kernel === undefined;
    const tuning = tuned ? await keptTuning(this.#adapter) : undefined;
    const { adaptation } = this.#options;
    const [model, adapter] = adaptation ? changed(files, adaptation) : [files];
    try {
      const told = (bytes: number, total: number) => {
        files.opened();
        onProgress?.({ phase: "load", file: "", bytes, total });
      };
      const load = (subgroups: number) =>
        this.#module.WasmScorer.load(model, adapter, dtype, batchTokens, kernel, tuning, subgroups, told);
      const scorer = await (cpu ? load(0) : withKernel(kernel, this.#adapter, load));
      if (signal?.aborted || this.#disposed) {
        scorer.free();
        throwIfAborted(signal, "loading");
        throw disposed();
      }
      this.#scorer = scorer;
      this.#info = { ...scorer.info(), applied: adaptation?.name ?? "" } as RustInfo;
      if (tuned && this.#info.tuning !== tuning) void keepTuning(this.#adapter, this.#info.tuning);
    } catch (thrown) {
      throwIfAborted(signal, "loading");
      throw files.failure() ?? toCappyError(thrown);
    } finally {
      files.close();
    }
  }

  /**
   * Scores `instruction` with each of `texts`, in order, and tells of each batch as it is done.
   * Several calls at once take turns, batch by batch.
   */
  async score(
    instruction: string,
    texts: readonly string[],
    { signal, onProgress }: Listening<{ first: number; scores: TextScore[] }>,
  ): Promise<void> {
    if (this.#disposed) throw disposed();
    throwIfAborted(signal, "scoring");
    for (let first = 0; first < texts.length; ) {
      const window = texts.slice(first, first + WINDOW);
      const scores = await this.#turns.take(() => this.#batch(instruction, window, signal));
      onProgress?.({ first, scores });
      first += scores.length;
    }
  }

  /** One batch, again on a new device where the old one was lost. */
  async #batch(instruction: string, texts: string[], signal: AbortSignal | undefined): Promise<TextScore[]> {
    for (;;) {
      if (this.#disposed) throw disposed();
      throwIfAborted(signal, "scoring");
      try {
        if (!this.#scorer) await this.#build({ signal });
        const stop = () => this.#disposed || signal?.aborted === true;
        return await this.#scorer!.scoreBatch(instruction, texts, stop) as TextScore[];
      } catch (thrown) {
        if (this.#disposed) throw disposed();
        throwIfAborted(signal, "scoring");
        const error = toCappyError(thrown);
        if (error.code === "no-adapter") {
          // Browsers withhold adapters from pages, or from all, after crashes of their GPU process.
          throw new CappyError("device-lost", error.atFault,
            "the GPU was lost, and the browser gives no adapter now; reloading the page or the browser may help", { cause: error });
        }
        if (!["device-lost", "gpu", "out-of-memory"].includes(error.code)) throw error;
        // A device that failed once is not trusted with another score.
        this.#forget();
        if (error.code !== "device-lost") throw error;
        this.#countLoss(error);
      }
    }
  }

  #countLoss(error: CappyError): void {
    const now = Date.now();
    this.#allLosses += 1;
    this.#losses = [...this.#losses.filter((then) => now - then < LOSSES_WITHIN_MS), now];
    if (this.#losses.length >= MOST_LOSSES) {
      this.#losses = [];
      throw new CappyError("device-lost", error.atFault,
        `lost ${MOST_LOSSES} times within a minute; another program or the driver may be at fault`, { cause: error });
    }
  }

  #forget(): void {
    const scorer = this.#scorer;
    this.#scorer = undefined;
    try {
      scorer?.free();
    } catch {
      // After a panic it still counts as in use; its memory goes with the page or the worker.
    }
  }

  /** What was loaded and how it runs. */
  info(): Omit<Info, "worker"> {
    if (this.#disposed) throw disposed();
    const info = this.#info;
    return {
      model: info.model,
      adaptation: info.applied,
      format: info.format,
      parameters: info.parameters,
      fileBytes: info.file_bytes,
      gpuBytes: info.gpu_bytes,
      cpuBytes: info.cpu_bytes ?? 0,
      device: this.#module.cpu ? "cpu" : "gpu",
      maxTokens: info.max_tokens,
      labels: info.config.labels,
      output: info.output,
      dtype: info.dtype,
      weights: info.weights,
      note: info.note ?? this.#options.why ?? (info.dtype === "f32" && !this.#adapter.f16 && !this.#module.cpu ? "the adapter has no shader-f16" : ""),
      batchTokens: info.batch_tokens,
      kernels: info.kernels,
      tuningSeconds: info.tuning_seconds,
      adapter: this.#adapter,
      losses: this.#allLosses,
    };
  }

  /** Frees the GPU's memory. Work under way fails with `disposed`. */
  dispose(): void {
    this.#disposed = true;
    void this.#turns.take(async () => this.#forget());
  }
}

function disposed(): CappyError {
  return new CappyError("disposed", "scorer", "was disposed of");
}

/** The model's files, and those of an adapter if there is one. */
function changed(files: ModelFiles, { name, files: own, isAdapter }: Applied): [ModelFiles, ModelFiles?] {
  const picked = pickedFiles(own);
  const open = async (file: string) => picked.open(file) ?? (isAdapter ? null : files.open(file));
  const folder = { description: isAdapter ? name : files.description, open };
  return isAdapter ? [files, folder] : [folder];
}
