/** Chooses the build that loads a model: on the GPU or on the CPU, and by which WebAssembly module. */

import { BUILDS, openBuild } from "./builds.js";
import type { Listening, Origin, ScoringEngine } from "./engine.js";
import type { CappyError } from "./error.js";
import { adapterInfo } from "./gpu.js";
import { isOtherArchitecture, part, Slower } from "./thrown.js";
import { rememberVerdict, rememberedVerdict } from "./tuning.js";
import type { AdaptationSource, AdapterInfo, LoadProgress } from "./types.js";

/** All that adaptation needs; most pages never load it. */
export const adapting = () => part("adapt/adapting.js", () => import("./adapt/adapting.js"));

/** The codes of errors that keep a GPU from being used, whatever the model is. */
const NO_GPU = /^(no-webgpu|no-adapter|adapter-too-small|out-of-memory|device-lost|gpu)$/;

/** Why the CPU may compute in place of the GPU. All fields are missing where the caller asked for the CPU. */
export interface Reason {
  /** The adapter, where there is one. */
  adapter?: AdapterInfo;
  /** What an earlier load found by comparing both, as `info().note` says it. */
  verdict?: string;
  /** What the GPU failed with; `Slower` where it has been measured and the CPU has not. */
  error?: unknown;
}

/** Loads a model on the device that the options name, and applies an adaptation if there is one. */
export async function openEngine(
  origin: Origin,
  adaptation: AdaptationSource | undefined,
  listening: Listening<LoadProgress>,
): Promise<ScoringEngine> {
  if (adaptation !== undefined) return (await adapting()).loadAdapted(origin, adaptation, listening);
  const { device, dtype, kernel, cache } = origin.options;
  // These options are about shaders, so they mean the GPU.
  const onlyGpu = device === "gpu" || kernel !== undefined || dtype === "f16" || dtype === "f32";
  let reason: Reason = {};
  if (device !== "cpu") {
    try {
      // The adapter is asked for here, so that a page without WebGPU does not load what needs it.
      const adapter = await adapterInfo();
      const verdict = onlyGpu ? "" : await rememberedVerdict(adapter, cache);
      reason = { adapter, verdict };
      if (!verdict) {
        // Nothing is faster than 0, so a GPU that has to be compared gives up with its own time.
        const engine = await openOnGpu(origin, adapter, listening, verdict === undefined ? 0 : undefined);
        if (verdict === undefined) void rememberVerdict(adapter, "", cache);
        return engine;
      }
    } catch (error) {
      if (onlyGpu || !NO_GPU.test((error as CappyError).code)) throw error;
      reason.error = error;
    }
  }
  let cpu;
  try {
    cpu = await part("cpu/on-cpu.js", () => import("./cpu/on-cpu.js"));
  } catch (error) {
    // A slow GPU is better than nothing.
    if (reason.error instanceof Slower) return openOnGpu(origin, reason.adapter!, listening);
    throw error;
  }
  return cpu.openOnCpu(origin, reason, listening);
}

/**
 * Loads a model on the GPU, where `rival` is given only if a fixed piece of work takes less than so many
 * microseconds there. The package's own model is a BERT, so its module is known. Of the others most are RoBERTa:
 * only one that their module refuses needs the module of the other families.
 */
export async function openOnGpu(
  origin: Origin,
  adapter: AdapterInfo,
  listening: Listening<LoadProgress>,
  rival?: number,
): Promise<ScoringEngine> {
  const options = { ...origin.options, adapter };
  if (origin.source === undefined) return openBuild(BUILDS.families, origin, { ...options, rival }, listening);
  try {
    return await openBuild(BUILDS.scoring, origin, { ...options, rival }, listening);
  } catch (error) {
    if (!isOtherArchitecture(error)) throw error;
    return openBuild(BUILDS.families, origin, options, listening);
  }
}
