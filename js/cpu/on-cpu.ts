/** Scoring on the CPU: imported where there is no GPU, where the GPU may be slower, or where the CPU is asked for. */

import { BUILDS, openBuild } from "../builds.js";
import { NO_GPU, type Opened, openOnGpu, type Reason } from "../choose.js";
import type { Listening, Origin, ScoringEngine } from "../engine.js";
import { abortedError, CappyError, messageOf } from "../error.js";
import { isNode } from "../gpu.js";
import { RemoteEngine } from "../remote.js";
import { threadsFor } from "../threads.js";
import { isTooLarge, Slower, toCappyError } from "../thrown.js";
import { rememberVerdict } from "../tuning.js";
import type { AdapterInfo, LoadProgress } from "../types.js";
import { CpuWorkers } from "./workers.js";

/** The largest file with weights that is loaded on the CPU first. What is larger takes longer to download than a GPU to open. */
const SMALL = 64 * 2 ** 20;

/** The same where nothing is kept. A larger file would be downloaded for each of them. */
const SMALL_UNKEPT = 16 * 2 ** 20;

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
  return open(origin, error === undefined ? verdict : without(error), listening);
}

/** Loads a model on the CPU while it is not known yet whether the GPU is better. Gives nothing where that makes no sense. */
export async function startOnCpu(
  origin: Origin,
  reason: Promise<Reason>,
  listening: Listening<LoadProgress>,
): Promise<Opened | undefined> {
  const mostBytes = origin.options.cache === false ? SMALL_UNKEPT : SMALL;
  let engine: ScoringEngine;
  try {
    engine = await open({ ...origin, options: { ...origin.options, mostBytes } }, undefined, listening);
  } catch (thrown) {
    const error = toCappyError(thrown);
    // Whatever else is wrong is the model's, or a stop.
    const elsewhere = isTooLarge(error) || /^(worker|out-of-memory)$/.test(error.code) || /\.wasm$/.test(error.atFault);
    if (elsewhere) return undefined;
    throw error;
  }
  // Not in this thread: the caller sees to that.
  if (!(engine instanceof CpuWorkers)) return { engine };
  const { adapter, verdict, error } = await reason;
  engine.note = error === undefined ? verdict || "computes on the CPU until the GPU is ready" : without(error);
  if (!adapter || verdict) return { engine };
  return { engine, next: (signal) => openNext(engine, origin, { adapter, verdict }, signal) };
}

/** Loads a model on the GPU in place of the CPU, unless the CPU is faster or the GPU fails. */
async function openNext(
  cpu: CpuWorkers,
  origin: Origin,
  { adapter, verdict }: Required<Pick<Reason, "adapter">> & Reason,
  signal: AbortSignal,
): Promise<ScoringEngine | undefined> {
  const { cache } = origin.options;
  // Node's WebGPU ends the whole program where its thread is ended amid opening it. So it opens there in any case,
  // and the program waits for that before it ends.
  const listening = isNode() ? {} : { signal };
  const open = async (rival?: number) => {
    const engine = await openOnGpu(origin, adapter, listening, rival, cpu.sharedModel);
    if (!signal.aborted) return engine;
    engine.dispose();
    throw abortedError(signal, "moving to the GPU");
  };
  try {
    let engine: ScoringEngine;
    try {
      engine = await open(verdict === undefined ? 0 : undefined);
    } catch (error) {
      if (!(error instanceof Slower)) throw error;
      const slower = await cpu.race(error.micros, signal).then(
        () => undefined,
        (thrown) => thrown,
      );
      if (slower === undefined) {
        cpu.note = verdictFor(adapter, error.micros);
        void rememberVerdict(adapter, cpu.note, cache);
        return undefined;
      }
      if (!(slower instanceof Slower)) throw slower;
      engine = await open();
    }
    if (verdict === undefined) void rememberVerdict(adapter, "", cache);
    return engine;
  } catch (error) {
    if (!signal.aborted) cpu.note = without(error);
    return undefined;
  }
}

/** Why the CPU computes without the GPU. The console is told once where that is not the model's fault. */
function without(error: unknown): string {
  const why = `computes on the CPU: ${messageOf(error)}`;
  if (!warned && NO_GPU.test(toCappyError(error).code)) {
    warned = true;
    console.warn(`cappy-web ${why}`);
  }
  return why;
}

/** Loads a model on the CPU unless the GPU, which takes `gpu` microseconds, is faster; and remembers which was. */
async function openTheFaster(
  origin: Origin,
  adapter: AdapterInfo,
  gpu: number,
  listening: Listening<LoadProgress>,
): Promise<ScoringEngine> {
  const { cache } = origin.options;
  const verdict = verdictFor(adapter, gpu);
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

/** What `info().note` says where the CPU is faster than a GPU that takes so many microseconds. */
function verdictFor(adapter: AdapterInfo, gpu: number): string {
  const name = adapter.description || adapter.architecture || adapter.vendor || "the adapter";
  return `computes on the CPU, which was measured to be faster than ${name} (${Math.ceil(gpu / 1000)} ms for a fixed piece of work)`;
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
  // A model that is small enough to begin with goes to the GPU as well.
  const share = options.mostBytes !== undefined || threadsFor(0, options.threads) > 1;
  const onCpu = { ...options, dtype: cpuDtype, why, rival, share };
  const engine = await openBuild(BUILDS.cpu, origin, onCpu, listening);
  return engine instanceof RemoteEngine ? new CpuWorkers(engine, source, onCpu) : engine;
}
