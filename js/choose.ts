/** Chooses the build that loads a model: on the GPU or on the CPU, and by which WebAssembly module. */

import { BUILDS, openBuild } from "./builds.js";
import type { Listening, Origin, ScoringEngine, SharedModel } from "./engine.js";
import type { CappyError } from "./error.js";
import { adapterInfo } from "./gpu.js";
import { isOtherArchitecture, part, Slower } from "./thrown.js";
import { rememberVerdict, rememberedVerdict } from "./tuning.js";
import type { AdaptationSource, AdapterInfo, LoadProgress } from "./types.js";

/** All that adaptation needs; most pages never load it. */
export const adapting = () => part("adapt/adapting.js", () => import("./adapt/adapting.js"));

const onCpu = () => part("cpu/on-cpu.js", () => import("./cpu/on-cpu.js"));

/** The codes of errors that keep a GPU from being used, whatever the model is. */
export const NO_GPU = /^(no-webgpu|no-adapter|adapter-too-small|out-of-memory|device-lost|gpu)$/;

/** Why the CPU may compute in place of the GPU. All fields are missing where the caller asked for the CPU. */
export interface Reason {
  /** The adapter, where there is one. */
  adapter?: AdapterInfo;
  /** What an earlier load found by comparing both, as `info().note` says it; empty where the GPU is faster. */
  verdict?: string;
  /** What the GPU failed with; `Slower` where it has been measured and the CPU has not. */
  error?: unknown;
}

/** An engine, and what may take its place. */
export interface Opened {
  engine: ScoringEngine;
  /**
   * Loads the engine that is to take the place of the first, where that is the CPU's and the GPU proves right and
   * is no slower; gives nothing where the CPU remains. It does not fail.
   */
  next?(signal: AbortSignal): Promise<ScoringEngine | undefined>;
}

/**
 * Loads a model as `openEngine` does, but a small one on the CPU first where either device may be the better one:
 * the CPU has it ready long before a GPU has compiled its shaders. In the caller's thread it would stop the page.
 */
export async function openFirst(
  origin: Origin,
  adaptation: AdaptationSource | undefined,
  listening: Listening<LoadProgress>,
): Promise<Opened> {
  const { device = "auto", dtype = "auto", kernel } = origin.options;
  if (adaptation === undefined && device === "auto" && dtype === "auto" && kernel === undefined && origin.worker) {
    const opened = await onCpu().then(
      (cpu) => cpu.startOnCpu(origin, reasonFor(origin), listening),
      () => undefined,
    );
    if (opened) return opened;
  }
  return { engine: await openEngine(origin, adaptation, listening) };
}

/** Loads a model on the device that the options name, and applies an adaptation if there is one. */
export async function openEngine(
  origin: Origin,
  adaptation: AdaptationSource | undefined,
  listening: Listening<LoadProgress>,
): Promise<ScoringEngine> {
  if (adaptation !== undefined) return (await adapting()).loadAdapted(origin, adaptation, listening);
  const { device, dtype, kernel } = origin.options;
  if (device === "cpu") return (await onCpu()).openOnCpu(origin, {}, listening);
  // These options are about shaders, so they mean the GPU.
  if (device === "gpu" || kernel !== undefined || dtype === "f16" || dtype === "f32") {
    return openOnGpu(origin, await adapterInfo(), listening);
  }
  return openTheBetter(origin, await reasonFor(origin), listening);
}

/** What is known of the GPU before it is opened. */
async function reasonFor({ options: { cache } }: Origin): Promise<Reason> {
  try {
    const adapter = await adapterInfo();
    return { adapter, verdict: await rememberedVerdict(adapter, cache) };
  } catch (error) {
    return { error };
  }
}

/** Loads a model on the GPU, or on the CPU where that is faster or no GPU can be used. */
async function openTheBetter(
  origin: Origin,
  known: Reason,
  listening: Listening<LoadProgress>,
): Promise<ScoringEngine> {
  const reason = { ...known };
  const { adapter, verdict } = reason;
  const { cache } = origin.options;
  if (adapter && !verdict) {
    try {
      // Nothing is faster than 0, so a GPU that has to be compared gives up with its own time.
      const engine = await openOnGpu(origin, adapter, listening, verdict === undefined ? 0 : undefined);
      if (verdict === undefined) void rememberVerdict(adapter, "", cache);
      return engine;
    } catch (error) {
      reason.error = error;
    }
  }
  if (reason.error !== undefined && !NO_GPU.test((reason.error as CappyError).code)) throw reason.error;
  let cpu;
  try {
    cpu = await onCpu();
  } catch (error) {
    // A slow GPU is better than nothing.
    if (reason.error instanceof Slower) return openOnGpu(origin, adapter!, listening);
    throw error;
  }
  return cpu.openOnCpu(origin, reason, listening);
}

/**
 * Loads a model on the GPU, where `rival` is given only if a fixed piece of work takes less than so many
 * microseconds there. The package's own model is a BERT, so its module is known. Of the others most are RoBERTa:
 * only one that their module refuses needs the module of the other families. `shared` is what another engine has
 * loaded of the model.
 */
export async function openOnGpu(
  { source, worker, options: asked }: Origin,
  adapter: AdapterInfo,
  listening: Listening<LoadProgress>,
  rival?: number,
  shared?: SharedModel,
): Promise<ScoringEngine> {
  const options = { ...asked, adapter, ...shared?.options };
  const from = { worker, source: shared ? shared.source : source };
  if (source === undefined) return openBuild(BUILDS.families, from, { ...options, rival }, listening);
  try {
    return await openBuild(BUILDS.scoring, from, { ...options, rival }, listening);
  } catch (error) {
    if (!isOtherArchitecture(error)) throw error;
    return openBuild(BUILDS.families, from, options, listening);
  }
}
