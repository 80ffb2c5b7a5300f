/** Scoring on the CPU: imported where there is no GPU, where the GPU may be slower, or where the CPU is asked for. */

import { BUILDS, openBuild } from "../builds.js";
import { openOnGpu, type Reason } from "../choose.js";
import type { Listening, Origin, ScoringEngine } from "../engine.js";
import { CappyError, messageOf } from "../error.js";
import { RemoteEngine } from "../remote.js";
import { threadsFor } from "../threads.js";
import { Slower } from "../thrown.js";
import { rememberVerdict } from "../tuning.js";
import type { AdapterInfo, LoadProgress } from "../types.js";
import { CpuWorkers } from "./workers.js";

let warned = false;

/**
 * Loads a model on the CPU. Where the GPU was measured and the CPU was not, both are compared first, and
 * the GPU computes if it is the faster one.
 */
export async function openOnCpu(
  origin: Origin,
  { adapter, verdict, error }: Reason,
  listening: Listening<LoadProgress>,
): Promise<ScoringEngine> {
  if (error instanceof Slower) return openTheFaster(origin, adapter!, error.micros, listening);
  if (error === undefined) return open(origin, verdict, listening);
  const why = `computes on the CPU: ${messageOf(error)}`;
  if (!warned) {
    warned = true;
    console.warn(`cappy-web ${why}`);
  }
  return open(origin, why, listening);
}

/** Loads a model on the CPU unless the GPU, which takes `gpu` microseconds, is faster; and remembers which was. */
async function openTheFaster(
  origin: Origin,
  adapter: AdapterInfo,
  gpu: number,
  listening: Listening<LoadProgress>,
): Promise<ScoringEngine> {
  const { cache } = origin.options;
  const name = adapter.description || adapter.architecture || adapter.vendor || "the adapter";
  const verdict = `computes on the CPU, which was measured to be faster than ${name} (${Math.ceil(gpu / 1000)} ms for a fixed piece of work)`;
  try {
    const engine = await open(origin, verdict, listening, gpu);
    void rememberVerdict(adapter, verdict, cache);
    return engine;
  } catch (error) {
    if (!(error instanceof Slower)) throw error;
    void rememberVerdict(adapter, "", cache);
    return openOnGpu(origin, adapter, listening);
  }
}

async function open(
  origin: Origin,
  why: string | undefined,
  listening: Listening<LoadProgress>,
  rival?: number,
): Promise<ScoringEngine> {
  const { options, source } = origin;
  const { dtype } = options;
  const quantised = dtype === "q8" || dtype === "q4";
  const forShaders =
    options.kernel !== undefined
      ? "kernel"
      : dtype !== undefined && dtype !== "auto" && !quantised
        ? "dtype"
        : undefined;
  if (forShaders) throw new CappyError("input", forShaders, "is for shaders, and the CPU runs none");
  const cpuDtype = options.cpuWeights ?? (quantised ? ("i8" as const) : undefined);
  const onCpu = { ...options, dtype: cpuDtype, why, rival, share: threadsFor(0, options.threads) > 1 };
  const engine = await openBuild(BUILDS.cpu, origin, onCpu, listening);
  return engine instanceof RemoteEngine ? new CpuWorkers(engine, source, onCpu) : engine;
}
