/** Scoring without a GPU. The rest of the package imports it where there is none, or when it is asked for. */

import { Engine, type Listening } from "../engine.js";
import { CappyError } from "../error.js";
import { RemoteEngine } from "../remote.js";
import type { Origin } from "../scorer.js";
import type { WorkerScript } from "../start-worker.js";
import { messageOf } from "../thrown.js";
import type { LoadProgress } from "../types.js";
import * as module from "./cpu-wasm.js";

let told = false;

/** An engine that computes on the CPU, because of `missing` where that was not asked for. */
export async function loadOnCpu(
  { source, options, worker }: Origin,
  missing: unknown,
  listening: Listening<LoadProgress>,
): Promise<Engine | RemoteEngine> {
  const small = options.dtype === "q8" || options.dtype === "q4";
  const shaders = (["dtype", "kernel"] as const)
    .find((option) => (options[option] ?? "auto") !== "auto" && !(option === "dtype" && small));
  // Who asks for what shaders alone have, wants a GPU.
  if (shaders) throw missing ?? new CappyError("input", shaders, "is for shaders, and the CPU runs none");
  const why = missing === undefined ? undefined : `computes on the CPU, which is slower: ${messageOf(missing)}`;
  if (why && !told) {
    told = true;
    console.warn(`cappy-web ${why}`);
  }
  const onCpu = { ...options, dtype: options.cpuWeights ?? (small ? "i8" as const : undefined), why };
  return worker
    ? RemoteEngine.load(cpuWorker, source, onCpu, listening)
    : Engine.load(module, source, onCpu, listening);
}

const cpuWorker: WorkerScript = {
  path: "cpu/cpu-worker.js",
  open: () => new Worker(new URL("./cpu-worker.js", import.meta.url), { type: "module", name: "cappy on the CPU" }),
};
