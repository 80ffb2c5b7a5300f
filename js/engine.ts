import { CappyError, disposedError, throwIfAborted } from "./error.js";
import { adapterInfo, needGpu } from "./gpu.js";
import type { ModelFiles } from "./loader/files.js";
import type { Hasher } from "./loader/loader.js";
import { pickedFiles, type PlainSource, type SentFile } from "./loader/picked.js";
import { kernelFor, NO_SUBGROUPS, openWatched, type WatchedFiles, withKernel } from "./opening.js";
import { Queue } from "./queue.js";
import type { StartWasm } from "./start.js";
import { isToEnd, uninterrupted } from "./thread.js";
import { Slower, toCappyError } from "./thrown.js";
import { rememberedTuning, rememberTuning } from "./tuning.js";
import type { AdapterInfo, CpuWeights, Device, Dtype, Info, LoadProgress, SourceOptions } from "./types.js";
import type { compete, WasmScorer } from "./wasm/cappy.js";

/**
 * A token of the models' vocabularies is rarely longer. So a batch rarely holds more text than so many
 * characters for each of its tokens, and what is longer need not be copied into WebAssembly yet.
 */
const MOST_CHARACTERS_A_TOKEN = 8;

/** The special tokens around the two texts of a pair, at the least. */
const SPECIAL_TOKENS = 3;

/** After so many losses of the device within a minute the engine gives up. */
const MOST_LOSSES = 3;
const LOSSES_WITHIN_MS = 60_000;

/** A WebAssembly module with its start: one of the builds of `builds.ts`. */
export interface Module {
  /** What stands for the adapter in the build that computes on the CPU. */
  cpu?: AdapterInfo;
  startWasm: StartWasm;
  /** Measures the device, in the builds that may be compared with each other. */
  compete?: typeof compete;
  WasmScorer: Pick<typeof WasmScorer, "load">;
  Sha256: new () => Hasher;
}

/** What an engine needs to know, without anything that cannot be sent to a worker. */
export interface EngineOptions extends SourceOptions {
  /** How kernels read numbers; where the CPU computes, how its memory holds weights. */
  dtype?: Dtype | CpuWeights;
  /** The most tokens computed at once. */
  batchTokens?: number;
  /** The matmul kernel that runs everything. */
  kernel?: string;
  /** Where to compute. */
  device?: Device;
  /** How the CPU's memory holds weights. */
  cpuWeights?: CpuWeights;
  /** The most workers that compute on the CPU. */
  threads?: number;
  /** The WebAssembly module, where another thread has compiled it. */
  compiled?: WebAssembly.Module;
  /** Whether other engines may be loaded with what this one has loaded. */
  share?: boolean;
  /** What the model is called, where its files do not come from where it is. */
  modelName?: string;
  /** The most bytes of a file with weights. */
  mostBytes?: number;
  /** As in `SourceOptions`, with a slash at its end. */
  assets?: string;
  /** The adapter, where the page has asked for it already. */
  adapter?: AdapterInfo;
  /** Why the CPU computes, where the caller did not ask for that. */
  why?: string;
  /** Microseconds that a fixed piece of work takes on the other device: loading fails with `Slower` unless it is faster here. */
  rival?: number;
  /** The adaptation to apply. */
  adaptation?: Applied;
}

/** Where the files of a model are that an engine has loaded. */
export interface SharedModel {
  source: PlainSource;
  /** Options in place of those that it was loaded with. */
  options: Pick<EngineOptions, "checkFreshness" | "modelName">;
}

/** What one engine has loaded, for others of the same model. */
export interface Shared {
  /** Missing where the files would have to be downloaded once more. */
  model?: SharedModel;
  /** The compiled module. */
  compiled?: WebAssembly.Module;
}

/** What a scorer needs of an engine, wherever that is. */
export interface ScoringEngine {
  /**
   * Scores each of `texts` with its instruction, or with the only one that there is, in order, and reports each
   * batch as it is done. The batches of several calls at once alternate.
   */
  score(
    instructions: readonly string[],
    texts: readonly string[],
    listening: Listening<{ first: number; scores: TextScore[] }>,
  ): Promise<void>;
  /** What was loaded and how it runs. */
  info(): Omit<Info, "worker">;
  /** Frees the memory. Work under way fails with `disposed`. */
  dispose(): void;
}

/** An engine that can still be compared with another device. */
export interface Racing {
  /** Fails with `Slower` unless a fixed piece of work takes less than `rival` microseconds here. */
  race(rival: number, signal?: AbortSignal): Promise<void>;
}

/** What a scorer was loaded with, so that another engine can be loaded with the same. */
export interface Origin {
  source: PlainSource;
  options: EngineOptions;
  worker: boolean;
}

/** An adaptation, in a form that can be sent to a worker. */
export interface Applied {
  /** Its name. */
  name: string;
  /** An adapter, or files that replace the model's own. */
  files: SentFile[];
  /** Whether they are an adapter. */
  isAdapter: boolean;
}

/** One scored text. */
export interface TextScore {
  /** The raw logit of each label. */
  logits: number[];
  /** What computed them. */
  device: "gpu" | "cpu";
  /** Tokens of the pair, special tokens included. */
  tokens: number;
  /** Tokens that were cut. */
  truncated: number;
}

/** How a caller follows the work of an engine, and stops it. */
export interface Listening<P> {
  /** Stops the work. */
  signal?: AbortSignal;
  /** Called with how far the work is. */
  onProgress?: (progress: P) => void;
  /** Whether nobody waits for the work, so that under Node a program may end before it does. */
  unheeded?: boolean;
}

/** `Info` as Rust serialises it. */
interface RustInfo {
  model: string;
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

/** A model in this thread. When the GPU device is lost, it is loaded again. */
export class Engine implements ScoringEngine, Racing {
  readonly #module: Module;
  readonly #source: PlainSource;
  readonly #options: EngineOptions;
  readonly #queue = new Queue();
  #adapter: AdapterInfo | undefined;
  #scorer: WasmScorer | undefined;
  #info: Omit<Info, "worker"> | undefined;
  /** What other engines can be loaded with, where the options ask for it. */
  shared: Shared | undefined;
  #compiled: WebAssembly.Module | undefined;
  #losses: number[] = [];
  #allLosses = 0;
  #disposed = false;

  private constructor(module: Module, source: PlainSource, options: EngineOptions) {
    this.#module = module;
    this.#source = source;
    this.#options = options;
  }

  /** Loads a model. Progress comes in two phases, `download` and `load`, which overlap. */
  static async load(
    module: Module,
    source: PlainSource,
    options: EngineOptions,
    listening: Listening<LoadProgress>,
  ): Promise<Engine> {
    const engine = new Engine(module, source, options);
    throwIfAborted(listening.signal, "loading");
    const { adapter, rival } = options;
    // A page may have WebGPU where its workers have none.
    if (adapter && !module.cpu) await needGpu();
    engine.#adapter = adapter;
    if (rival !== undefined) await engine.#raceWith(rival, listening.signal);
    await engine.#build(listening);
    return engine;
  }

  /** See `Racing`. */
  race(rival: number, signal?: AbortSignal): Promise<void> {
    return this.#queue.run(() => this.#raceWith(rival, signal));
  }

  /** Starts WebAssembly, and finds the adapter unless that is known. */
  async #prepare(signal: AbortSignal | undefined): Promise<AdapterInfo> {
    const { cpu, startWasm } = this.#module;
    const { assets, compiled } = this.#options;
    const [adapter, module] = await Promise.all([
      cpu ?? this.#adapter ?? uninterrupted(adapterInfo),
      startWasm(assets, compiled),
    ]);
    this.#compiled = module;
    throwIfAborted(signal, "loading");
    return (this.#adapter = adapter);
  }

  /** Fails with `Slower` where this device is no faster than `rival`, before any file of the model is asked for. */
  async #raceWith(rival: number, signal: AbortSignal | undefined): Promise<void> {
    const { cpu, compete } = this.#module;
    const adapter = await this.#prepare(signal);
    const kernel = kernelFor(adapter, undefined);
    const tuned = (this.#options.cache ?? true) && kernel === undefined;
    const before = tuned ? await rememberedTuning(adapter) : undefined;
    const run = (subgroups: Uint32Array) => compete!(kernel, before, subgroups, rival);
    try {
      const tuning = await (cpu ? run(NO_SUBGROUPS) : withKernel(kernel, adapter, run));
      if (tuned && tuning !== before) await rememberTuning(adapter, tuning);
    } catch (thrown) {
      const error = toCappyError(thrown);
      // Whatever else is wrong will be the error of loading.
      if (error instanceof Slower) throw error;
    }
  }

  async #build({ signal, onProgress }: Listening<LoadProgress>): Promise<void> {
    throwIfAborted(signal, "loading");
    const { cpu } = this.#module;
    const opening = openWatched(this.#source, this.#options, { signal, onProgress }, () => new this.#module.Sha256());
    // Else a failure would count as unhandled while WebAssembly is started.
    opening.catch(() => {});
    const gpu = await this.#prepare(signal).catch((error) => {
      void opening.then((files) => files.close()).catch(() => {});
      throw error;
    });
    const files = await opening;
    const { dtype = "auto", batchTokens, cache = true } = this.#options;
    // The build for the CPU does not use it.
    const kernel = kernelFor(gpu, this.#options.kernel);
    const tuned = cache && kernel === undefined;
    const tuning = tuned ? await rememberedTuning(gpu) : undefined;
    const { adaptation } = this.#options;
    const [model, adapter] = adaptation ? applied(files, adaptation) : [files];
    try {
      const onWeights = (bytes: number, total: number) => {
        files.opened();
        onProgress?.({ phase: "load", model: files.description, file: "", bytes, total });
      };
      const load = (subgroups: Uint32Array) =>
        this.#module.WasmScorer.load(model, adapter, dtype, batchTokens, kernel, tuning, subgroups, onWeights);
      const scorer = await (cpu ? load(NO_SUBGROUPS) : withKernel(kernel, gpu, load));
      if (signal?.aborted || this.#disposed) {
        scorer.free();
        throwIfAborted(signal, "loading");
        throw disposedError();
      }
      this.#scorer = scorer;
      // After a loss nobody asks for it again.
      if (this.#options.share) this.shared ??= { model: await this.#again(files), compiled: this.#compiled };
      const info = scorer.info() as RustInfo;
      this.#info = this.#describe(info, gpu);
      if (tuned && info.tuning !== tuning) void rememberTuning(gpu, info.tuning);
    } catch (thrown) {
      throwIfAborted(signal, "loading");
      throw files.failure() ?? toCappyError(thrown);
    } finally {
      files.close();
    }
  }

  async #again(files: WatchedFiles): Promise<SharedModel | undefined> {
    const again = await files.again();
    const { modelName = files.description } = this.#options;
    return again && { ...again, options: { checkFreshness: false, modelName } };
  }

  /** See `ScoringEngine`. */
  async score(
    instructions: readonly string[],
    texts: readonly string[],
    { signal, onProgress }: Listening<{ first: number; scores: TextScore[] }>,
  ): Promise<void> {
    if (this.#disposed) throw disposedError();
    throwIfAborted(signal, "scoring");
    for (let first = 0; first < texts.length; ) {
      const scores = await this.#queue.run(() => this.#batch(instructions, texts, first, signal));
      onProgress?.({ first, scores });
      first += scores.length;
    }
  }

  /** One batch from `first` on, again on a new device where the old one was lost. */
  async #batch(
    instructions: readonly string[],
    texts: readonly string[],
    first: number,
    signal: AbortSignal | undefined,
  ): Promise<TextScore[]> {
    for (;;) {
      if (this.#disposed) throw disposedError();
      throwIfAborted(signal, "scoring");
      try {
        if (!this.#scorer) await this.#build({ signal });
        const stop = () => this.#disposed || signal?.aborted === true || isToEnd();
        const end = this.#endOfThoseThatMayFit(instructions, texts, first);
        const asked = instructions.length === 1 ? [instructions[0]!] : instructions.slice(first, end);
        const score = () => this.#scorer!.scoreBatch(asked, texts.slice(first, end), stop) as Promise<TextScore[]>;
        const scores = await (this.#module.cpu ? score() : uninterrupted(score));
        for (const score of scores) score.device = this.#info!.device;
        return scores;
      } catch (thrown) {
        if (this.#disposed) throw disposedError();
        throwIfAborted(signal, "scoring");
        const error = toCappyError(thrown);
        if (error.code === "no-adapter") {
          // After crashes of their GPU process browsers refuse adapters to a page, or to all pages.
          throw new CappyError(
            "device-lost",
            error.atFault,
            "the GPU was lost, and the browser gives no adapter now; reloading the page or the browser may help",
            { cause: error },
          );
        }
        if (!["device-lost", "gpu", "out-of-memory"].includes(error.code)) throw error;
        // A device that failed once is not used again.
        this.#forget();
        if (error.code !== "device-lost") throw error;
        this.#countLoss(error);
      }
    }
  }

  /** Where the texts from `first` on end that can be in one batch with their instructions, by their lengths; one at least. */
  #endOfThoseThatMayFit(instructions: readonly string[], texts: readonly string[], first: number): number {
    const { batchTokens, maxTokens } = this.#info!;
    let end = first;
    for (let tokens = 0; end < texts.length && tokens <= batchTokens; end += 1) {
      const instruction = instructions.length === 1 ? instructions[0]! : instructions[end]!;
      const characters = instruction.length + texts[end]!.length;
      tokens += Math.min(SPECIAL_TOKENS + characters / MOST_CHARACTERS_A_TOKEN, maxTokens);
    }
    return end;
  }

  #countLoss(error: CappyError): void {
    const now = Date.now();
    this.#allLosses += 1;
    this.#info = { ...this.#info!, losses: this.#allLosses };
    this.#losses = [...this.#losses.filter((then) => now - then < LOSSES_WITHIN_MS), now];
    if (this.#losses.length >= MOST_LOSSES) {
      this.#losses = [];
      throw new CappyError(
        "device-lost",
        error.atFault,
        `lost ${MOST_LOSSES} times within a minute; another program or the driver may be at fault`,
        { cause: error },
      );
    }
  }

  #forget(): void {
    const scorer = this.#scorer;
    this.#scorer = this.#adapter = undefined;
    try {
      scorer?.free();
    } catch {
      // After a panic in Rust the scorer counts as in use. Its memory is freed with the page or the worker.
    }
  }

  /** See `ScoringEngine`. It is the same object until something of it changes. */
  info(): Omit<Info, "worker"> {
    if (this.#disposed) throw disposedError();
    return this.#info!;
  }

  #describe(info: RustInfo, adapter: AdapterInfo): Omit<Info, "worker"> {
    return {
      model: this.#options.modelName ?? info.model,
      adaptation: this.#options.adaptation?.name ?? "",
      format: info.format,
      parameters: info.parameters,
      fileBytes: info.file_bytes,
      gpuBytes: info.gpu_bytes,
      cpuBytes: info.cpu_bytes ?? 0,
      threads: 1,
      device: this.#module.cpu ? "cpu" : "gpu",
      maxTokens: info.max_tokens,
      labels: info.config.labels,
      output: info.output,
      dtype: info.dtype,
      weights: info.weights,
      note:
        info.note ??
        this.#options.why ??
        (info.dtype === "f32" && !adapter.f16 && !this.#module.cpu ? "the adapter has no shader-f16" : ""),
      batchTokens: info.batch_tokens,
      kernels: info.kernels,
      tuningSeconds: info.tuning_seconds,
      adapter,
      losses: this.#allLosses,
    };
  }

  /** See `ScoringEngine`. */
  dispose(): void {
    this.#disposed = true;
    void this.#queue.run(async () => this.#forget());
  }
}

/** The model's files with those of an adaptation in their place, and the files of an adapter if that is one. */
function applied(files: ModelFiles, { name, files: own, isAdapter }: Applied): [ModelFiles, ModelFiles?] {
  const picked = pickedFiles(own);
  const open = async (file: string) => picked.open(file) ?? (isAdapter ? null : files.open(file));
  const folder = { description: isAdapter ? name : files.description, open };
  return isAdapter ? [files, folder] : [folder];
}
