/** What scoring and training both do before they begin: files, and the kernel for the adapter. */

import type { EngineOptions, Listening } from "./engine.js";
import type { CappyError } from "./error.js";
import { withDevice, withGlobals } from "./gpu.js";
import type { ModelFiles } from "./loader/files.js";
import { type FileProgress, type Hasher, openModel } from "./loader/loader.js";
import type { PlainSource } from "./loader/picked.js";
import { uninterrupted } from "./thread.js";
import { toCappyError, TooLarge } from "./thrown.js";
import type { AdapterInfo, LoadProgress } from "./types.js";

/** The matmul kernels for software adapters. They are the fastest ones there, so nothing has to be measured. */
const SOFTWARE_KERNEL = "lanes";
const SUBGROUP_KERNEL = "subgroup";

/** The kernels that need subgroups. */
const SUBGROUP_KERNELS = [SUBGROUP_KERNEL, "broadcast"];

/**
 * Invocations of a subgroup that kernels for GPUs are compiled for, as far as the adapter has them and lets them
 * choose. More of them have too few registers each on Intel's chips.
 */
const CHOSEN_SIZE = 16;

/** How many invocations of a subgroup the kernel `subgroup` needs. */
const SUBGROUP_SIZE = 8;

/** The files of the package's own model, and those that are asked for of every other one. */
const OWN = ["config.json", "tokenizer.json", "model.safetensors"];
const AHEAD = ["config.json", "modules.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"];

/** Open files, and the first error of reading them. Rust passes on only its message. */
export interface WatchedFiles extends ModelFiles {
  /** To be called when all files that will be read are open, so that their total size is known. */
  opened(): void;
  /** As `OpenedModel.again`. */
  again(): Promise<{ source: PlainSource } | undefined>;
  close(): void;
  failure(): CappyError | undefined;
}

/** Opens the files of a model. The progress of their downloads is reported in one sum. */
export async function openWatched(
  source: PlainSource,
  options: EngineOptions,
  { signal, onProgress }: Listening<LoadProgress>,
  hasher: () => Hasher,
): Promise<WatchedFiles> {
  const all = new AllFiles((progress) => onProgress?.({ phase: "download", model: files.description, ...progress }));
  const { mostBytes = Number.POSITIVE_INFINITY } = options;
  const files = await openModel(source, options, { signal, onProgress: (progress) => all.at(progress), hasher });
  // A first score waits for these files, so they come while WebAssembly is compiled. Sums need it to be there.
  if ((source === undefined || options.mostBytes !== undefined) && !options.sha256) {
    for (const name of source === undefined ? OWN : AHEAD) {
      // A failure comes again when the file is wanted.
      files
        .open(name)
        .then((file) => (file && file.size <= mostBytes ? file.read(0, 1) : null))
        .catch(() => {});
    }
  }
  let failure: CappyError | undefined;
  const remember = (thrown: unknown): never => {
    failure ??= toCappyError(thrown);
    throw thrown;
  };
  return {
    description: files.description,
    async open(name) {
      const file = await files.open(name).catch(remember);
      if (file && isWeights(name) && file.size > mostBytes) remember(new TooLarge(name, file.size));
      return file && { name, size: file.size, read: (start, end) => file.read(start, end).catch(remember) };
    },
    opened: () => all.opened(),
    again: () => files.again(),
    close: () => files.close(),
    failure: () => failure,
  };
}

/** The kernel to run on this adapter; `undefined` where it has to be found by measuring. */
export function kernelFor({ software, subgroupSize }: AdapterInfo, wanted: string | undefined): string | undefined {
  const forSoftware = subgroupSize >= SUBGROUP_SIZE ? SUBGROUP_KERNEL : SOFTWARE_KERNEL;
  return wanted ?? (software ? forSoftware : undefined);
}

/** Runs `open` with the subgroups to pass to Rust: none where the kernel that is asked for does without. */
export function withKernel<T>(
  kernel: string | undefined,
  adapter: AdapterInfo,
  open: (subgroups: Uint32Array) => Promise<T>,
): Promise<T> {
  const needed = kernel === undefined || SUBGROUP_KERNELS.includes(kernel);
  const subgroups = needed ? subgroupsOf(adapter) : NO_SUBGROUPS;
  return uninterrupted(() => withGlobals(() => withDevice(subgroups.length > 0, () => open(subgroups))));
}

/** What Rust takes where no subgroups are asked for. */
export const NO_SUBGROUPS = new Uint32Array();

/** Invocations of the smallest and of the largest subgroup, and 1 where shaders are compiled for that size. */
function subgroupsOf({ subgroupSize, subgroupMaxSize, subgroupSizeControl }: AdapterInfo): Uint32Array {
  if (subgroupSize === 0) return NO_SUBGROUPS;
  if (!subgroupSizeControl) return Uint32Array.of(subgroupSize, subgroupMaxSize, 0);
  const size = Math.min(Math.max(CHOSEN_SIZE, subgroupSize), subgroupMaxSize);
  return Uint32Array.of(size, size, 1);
}

const isWeights = (name: string) => /\.(safetensors|bin)$/.test(name);

/** Sums up the progress of single files. */
class AllFiles {
  readonly #files = new Map<string, FileProgress>();
  #opened = false;
  #last: FileProgress | undefined;

  constructor(readonly listener: (progress: FileProgress) => void) {}

  at(progress: FileProgress): void {
    this.#files.set(progress.file, progress);
    const all = [...this.#files.values()];
    const sum = (of: "bytes" | "total") => all.reduce((sum, file) => sum + file[of], 0);
    this.#last = { file: progress.file, bytes: sum("bytes"), total: sum("total") };
    this.#report();
  }

  opened(): void {
    if (this.#opened) return;
    this.#opened = true;
    this.#report();
  }

  /** Reports nothing while only small files are open: when they are done, loading is not. */
  #report(): void {
    const last = this.#last;
    const weights = [...this.#files.keys()].some(isWeights);
    if (last && (this.#opened || (weights && last.bytes < last.total))) this.listener(last);
  }
}
