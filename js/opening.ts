/** What scoring and training have in common before either can begin. */

import type { EngineOptions, Listening } from "./engine.js";
import type { CappyError } from "./error.js";
import { withGlobals, withSubgroups } from "./gpu.js";
import type { ModelFiles } from "./loader/files.js";
import { type FileProgress, type Hasher, openModel } from "./loader/loader.js";
import type { PlainSource } from "./loader/picked.js";
import { toCappyError } from "./thrown.js";
import type { AdapterInfo, LoadProgress } from "./types.js";

/** The matmuls for adapters that are CPUs. Where they say so, there is no need to measure others. */
const SOFTWARE_KERNEL = "lanes";
const SUBGROUP_KERNEL = "subgroup";

/** Invocations that the second one shares its work among. */
const SUBGROUP_SIZE = 8;

/** Files that are open, and the first error that they gave: Rust can only pass its message on. */
export interface WatchedFiles extends ModelFiles {
  /** All files that will be read are open, so that their bytes in all are known. */
  opened(): void;
  close(): void;
  failure(): CappyError | undefined;
}

/** Opens the files of a model. Their downloads are reported summed up. */
export async function openWatched(
  source: PlainSource,
  options: EngineOptions,
  { signal, onProgress }: Listening<LoadProgress>,
  hasher: () => Hasher,
): Promise<WatchedFiles> {
  const all = new AllFiles((progress) => onProgress?.({ phase: "download", ...progress }));
  const files = await openModel(source, options, { signal, onProgress: (progress) => all.at(progress), hasher });
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
    opened: () => all.opened(),
    close: () => files.close(),
    failure: () => failure,
  };
}

/** The kernel to run on this adapter, unless measuring is to find it. */
export function kernelFor({ software, subgroupSize }: AdapterInfo, wanted: string | undefined): string | undefined {
  const forSoftware = subgroupSize >= SUBGROUP_SIZE ? SUBGROUP_KERNEL : SOFTWARE_KERNEL;
  return wanted ?? (software ? forSoftware : undefined);
}

/** Runs `open` with the subgroup size that it is to be told, and with subgroups where it needs them. */
export function withKernel<T>(
  kernel: string | undefined,
  { subgroupSize }: AdapterInfo,
  open: (subgroupSize: number) => Promise<T>,
): Promise<T> {
  const size = kernel === SUBGROUP_KERNEL ? subgroupSize : 0;
  return withGlobals(() => size > 0 ? withSubgroups(() => open(size)) : open(0));
}

/** Sums up what is told of single files. */
class AllFiles {
  readonly #files = new Map<string, FileProgress>();
  #opened = false;
  #last: FileProgress | undefined;

  constructor(readonly tell: (progress: FileProgress) => void) {}

  at(progress: FileProgress): void {
    this.#files.set(progress.file, progress);
    const all = [...this.#files.values()];
    const sum = (of: "bytes" | "total") => all.reduce((sum, file) => sum + file[of], 0);
    this.#last = { file: progress.file, bytes: sum("bytes"), total: sum("total") };
    this.#tell();
  }

  opened(): void {
    if (this.#opened) return;
    this.#opened = true;
    this.#tell();
  }

  /** Small files come first. They are no part to speak of, and their end is not the end. */
  #tell(): void {
    const last = this.#last;
    const weights = [...this.#files.keys()].some((name) => /\.(safetensors|bin)$/.test(name));
    if (last && (this.#opened || (weights && last.bytes < last.total))) this.tell(last);
  }
}
