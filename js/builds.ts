/**
 * The one table of builds: which WebAssembly module serves which model on which device. Each is a
 * download of its own. Only the first comes with the package's main script; the others are imported, or
 * started as workers, when a load needs them.
 */

import { Engine, type EngineOptions, type Listening, type Module, type Origin } from "./engine.js";
import { RemoteEngine } from "./remote.js";
import type { WorkerScript } from "./start-worker.js";
import { part } from "./thrown.js";
import type { LoadProgress } from "./types.js";
import * as scoring from "./wasm.js";

/** One WebAssembly module, in this thread and in a worker. */
export interface Build {
  /** Imports the module into this thread. */
  module(): Promise<Module>;
  /** The worker that has the same module in it. */
  worker: WorkerScript;
}

// Bundlers find modules and workers by exactly these forms: `import("…")` with the path written out,
// and `new Worker(new URL("…", import.meta.url), …)`.
export const BUILDS = {
  /** RoBERTa models on the GPU, which is what most pages need. */
  scoring: {
    module: async () => scoring,
    worker: {
      path: "worker.js",
      open: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "cappy" }),
    },
  },
  /** XLM-RoBERTa, BERT and DistilBERT on the GPU. Their tokenizers need Unicode's tables. */
  families: {
    module: () => part("families/family-wasm.js", () => import("./families/family-wasm.js")),
    worker: {
      path: "families/family-worker.js",
      open: () =>
        new Worker(new URL("./families/family-worker.js", import.meta.url), { type: "module", name: "cappy families" }),
    },
  },
  /** Models of every family on the CPU. */
  cpu: {
    module: () => part("cpu/cpu-wasm.js", () => import("./cpu/cpu-wasm.js")),
    worker: {
      path: "cpu/cpu-worker.js",
      open: () =>
        new Worker(new URL("./cpu/cpu-worker.js", import.meta.url), { type: "module", name: "cappy on the CPU" }),
    },
  },
  /** Models of every family but DistilBERT on the GPU with an adaptation applied. The same module trains. */
  adapted: {
    module: () => part("adapt/adapt-wasm.js", () => import("./adapt/adapt-wasm.js")),
    worker: {
      path: "adapt/adapted-worker.js",
      open: () =>
        new Worker(new URL("./adapt/adapted-worker.js", import.meta.url), { type: "module", name: "cappy adapted" }),
    },
  },
} satisfies Record<string, Build>;

/** Loads a model with one of the builds, in a worker or in this thread as `origin` says. */
export async function openBuild(
  build: Build,
  { source, worker }: Pick<Origin, "source" | "worker">,
  options: EngineOptions,
  listening: Listening<LoadProgress>,
): Promise<Engine | RemoteEngine> {
  return worker
    ? RemoteEngine.load(build.worker, source, options, listening)
    : Engine.load(await build.module(), source, options, listening);
}
