/** Scoring without a GPU. The rest of the package imports it where there is none, where the GPU is slow, or when it is asked for. */

import { openOnGpu } from "../choose.js";
import { Engine, type Listening, type Origin } from "../engine.js";
import { CappyError } from "../error.js";
import { adapterInfo } from "../gpu.js";
import { RemoteEngine } from "../remote.js";
import type { WorkerScript } from "../start-worker.js";
import { isSlower, messageOf } from "../thrown.js";
import { keepVerdict } from "../tuning.js";
import type { LoadProgress } from "../types.js";
import * as module from "./cpu-wasm.js";

let told = false;

/**
 * An engine that computes on the CPU. `why` is undefined where that was asked for, else the error that
 * the GPU gave, or what was found by comparing on an earlier load. An error that tells the GPU's pace
 * begins such a comparison, and the GPU computes where it wins.
 */
export async function loadOnCpu(
  origin: Origin,
  why: unknown,
  listening: Listening<LoadProgress>,
): Promise<Engine | RemoteEngine> {
  if (isSlower(why)) return compare(origin, paceIn(why), listening);
  const missing = why === undefined || typeof why === "string" ? why : `computes on the CPU: ${messageOf(why)}`;
  if (missing && missing !== why && !told) {
    told = true;
    console.warn(`cappy-web ${missing}`);
  }
  return load(origin, missing, listening);
}

/** The faster of the two, which is remembered. `gpu` is how many microseconds it takes. */
async function compare(origin: Origin, gpu: number, listening: Listening<LoadProgress>): Promise<Engine | RemoteEngine> {
  const adapter = await adapterInfo();
  const { cache } = origin.options;
  const name = adapter.description || adapter.architecture || adapter.vendor || "the adapter";
  const verdict = `computes on the CPU, which was measured to be faster than ${name} (${Math.ceil(gpu / 1000)} ms for a fixed piece of work)`;
  try {
    const engine = await load(origin, verdict, listening, gpu);
    void keepVerdict(adapter, verdict, cache);
    return engine;
  } catch (error) {
    if (!isSlower(error)) throw error;
    void keepVerdict(adapter, "", cache);
    return openOnGpu(origin, listening);
  }
}

function load(
  { source, options, worker }: Origin,
  why: string | undefined,
  listening: Listening<LoadProgress>,
  rival?: number,
): Promise<Engine | RemoteEngine> {
  const { dtype } = options;
  const small = dtype === "q8" || dtype === "q4";
  const shaders = options.kernel !== undefined ? "kernel" : dtype !== undefined && dtype !== "auto" && !small ? "dtype" : undefined;
  if (shaders) throw new CappyError("input", shaders, "is for shaders, and the CPU runs none");
  const onCpu = { ...options, dtype: options.cpuWeights ?? (small ? "i8" as const : undefined), why, rival };
  return worker
    ? RemoteEngine.load(cpuWorker, source, onCpu, listening)
    : Engine.load(module, source, onCpu, listening);
}

/** The microseconds that an error tells. */
function paceIn(error: unknown): number {
  return Number.parseInt(messageOf(error).slice("pace: ".length), 10);
}

const cpuWorker: WorkerScript = {
  path: "cpu/cpu-worker.js",
  open: () => new Worker(new URL("./cpu-worker.js", import.meta.url), { type: "module", name: "cappy on the CPU" }),
};
