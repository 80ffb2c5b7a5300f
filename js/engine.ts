import { CappyError, throwIfAborted } from "./error.js";
import { adapterInfo, withSubgroups } from "./gpu.js";
import type { ModelFiles } from "./loader/files.js";
import { type FileProgress, openModel, type OpenedModel } from "./loader/index.js";
import { keepTuning, keptTuning } from "./tuning.js";
import { Turns } from "./turns.js";
import type { AdapterInfo, Dtype, Info, LoadProgress, ModelSource, SourceOptions } from "./types.js";
import { Sha256, startWasm, toCappyError, WasmScorer } from "./wasm.js";

/** The matmuls for adapters that are CPUs. Where they say so, there is no need to measure others. */
const SOFTWARE_KERNEL = "lanes";
const SUBGROUP_KERNEL = "subgroup";

/** Invocations that the second one shares its work among. */
const SUBGROUP_SIZE = 8;

/** Texts handed to WebAssembly at once; a batch rarely holds more. */
const WINDOW = 256;

/** After so many losses of the device within a minute the engine gives up. */
const MOST_LOSSES = 3;
const LOSSES_WITHIN_MS = 60_000;

/** What an engine needs to know, without anything that cannot be sent to a worker. */
export interface EngineOptions extends SourceOptions {
  /** How kernels read numbers. */
  dtype?: Dtype;
  /** The most tokens computed at once. */
  batchTokens?: number;
  /** The matmul kernel that runs everything. */
  kernel?: string;
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

/** `Info` as Rust serialises it. */
interface RustInfo {
  model: string;
  format: string;
  config: { max_position_embeddings: number; pad_token_id: number; labels: string[] };
  parameters: number;
  file_bytes: number;
  gpu_bytes: number;
  dtype: "f16" | "f32";
  note: string | null;
  batch_tokens: number;
  kernels: string;
  tuning_seconds: number;
  tuning: string;
}

/** A model on the GPU of this thread; rebuilt when the device is lost. */
export class Engine {
  readonly #source: ModelSource | undefined;
  readonly #options: EngineOptions;
  readonly #turns = new Turns();
  #adapter!: AdapterInfo;
  #scorer: WasmScorer | undefined;
  #info!: RustInfo;
  #losses: number[] = [];
  #allLosses = 0;
  #disposed = false;

  private constructor(source: ModelSource | undefined, options: EngineOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** Loads a model. Progress is told in two phases, `download` and `load`, which overlap. */
  static async load(
    source: ModelSource | undefined,
    options: EngineOptions,
    listening: Listening<LoadProgress>,
  ): Promise<Engine> {
    // Listed, because files may be needed again when the device is lost.
    const files = typeof source === "object" && !(source instanceof URL) ? [...source] : source;
    const engine = new Engine(files, options);
    await engine.#build(listening);
    return engine;
  }

  async #build({ signal, onProgress }: Listening<LoadProgress>): Promise<void> {
    throwIfAborted(signal, "loading");
    [this.#adapter] = await Promise.all([adapterInfo(), startWasm()]);
    throwIfAborted(signal, "loading");
    const files = remembering(await openModel(this.#source, this.#options, {
      signal,
      onProgress: overAllFiles((progress) => onProgress?.({ phase: "download", ...progress })),
      hasher: () => new Sha256(),
    }));
    const { dtype = "auto", batchTokens, cache = true } = this.#options;
    const { software, subgroupSize } = this.#adapter;
    const forSoftware = subgroupSize >= SUBGROUP_SIZE ? SUBGROUP_KERNEL : SOFTWARE_KERNEL;
    const kernel = this.#options.kernel ?? (software ? forSoftware : undefined);
    const tuning = cache && kernel === undefined ? await keptTuning(this.#adapter) : undefined;
    try {
      const told = (bytes: number, total: number) => onProgress?.({ phase: "load", file: "", bytes, total });
      const open = () => WasmScorer.load(files, dtype, batchTokens, kernel, tuning,
        kernel === SUBGROUP_KERNEL ? subgroupSize : 0, told);
      const scorer = await (kernel === SUBGROUP_KERNEL && subgroupSize > 0 ? withSubgroups(open) : open());
      if (signal?.aborted || this.#disposed) {
        scorer.free();
        throwIfAborted(signal, "loading");
        throw disposed();
      }
      this.#scorer = scorer;
      this.#info = scorer.info() as RustInfo;
      if (cache && kernel === undefined && this.#info.tuning !== tuning) void keepTuning(this.#adapter, this.#info.tuning);
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
      format: info.format,
      parameters: info.parameters,
      fileBytes: info.file_bytes,
      gpuBytes: info.gpu_bytes,
      maxTokens: info.config.max_position_embeddings - info.config.pad_token_id - 1,
      labels: info.config.labels,
      dtype: info.dtype,
      note: info.note ?? (info.dtype === "f32" && !this.#adapter.f16 ? "the adapter has no shader-f16" : ""),
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

/** Sums up what is told of single files. */
function overAllFiles(tell: (progress: FileProgress) => void): (progress: FileProgress) => void {
  const files = new Map<string, FileProgress>();
  return (progress) => {
    files.set(progress.file, progress);
    const all = [...files.values()];
    const sum = (of: "bytes" | "total") => all.reduce((sum, file) => sum + file[of], 0);
    tell({ file: progress.file, bytes: sum("bytes"), total: sum("total") });
  };
}

/** The same files, and the first error that they gave: Rust can only pass its message on. */
function remembering(files: OpenedModel): ModelFiles & { close(): void; failure(): CappyError | undefined } {
  let failure: CappyError | undefined;
  const remember = (thrown: unknown): never => {
    failure ??= toCappyError(thrown);
    throw thrown;
  };
  return {
    description: files.description,
    async open(name) {
      const file = await files.open(name).catch(remember);
      return file && { name, size: file.size, read: (start, end) => file.read(start, end).catch(remember) };
    },
    close: () => files.close(),
    failure: () => failure,
  };
}
