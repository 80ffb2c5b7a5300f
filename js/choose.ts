/** What computes: the GPU or the CPU, and by which module. */

import { Engine, type Listening, type Origin } from "./engine.js";
import type { CappyError } from "./error.js";
import { adapterInfo } from "./gpu.js";
import { RemoteEngine, scoringWorker } from "./remote.js";
import { isOtherArchitecture, isSlower, part } from "./thrown.js";
import { keepVerdict, keptVerdict } from "./tuning.js";
import type { AdaptationSource, LoadProgress } from "./types.js";
import * as module from "./wasm.js";

/** All that adaptation needs; most pages never load it. */
export const adapting = () => part("adapt/adapting.js", () => import("./adapt/adapting.js"));

/** What keeps a GPU from being used, whatever the model is. */
const NO_GPU = /^(no-webgpu|no-adapter|adapter-too-small|out-of-memory|device-lost|gpu)$/;

/** Loads a model where its options say, with what was learned if there is something. */
export async function openEngine(
  origin: Origin,
  adaptation: AdaptationSource | undefined,
  listening: Listening<LoadProgress>,
): Promise<Engine | RemoteEngine> {
  if (adaptation !== undefined) return (await adapting()).loadAdapted(origin, adaptation, listening);
  const { device, dtype, kernel, cache } = origin.options;
  // Who asks for what shaders alone have, wants a GPU.
  const shaders = kernel !== undefined || dtype === "f16" || dtype === "f32";
  let missing: unknown;
  if (device !== "cpu") {
    try {
      // Asked here first, so that a page without WebGPU does not load what needs it.
      const adapter = await adapterInfo();
      missing = device === "gpu" || shaders ? "" : await keptVerdict(adapter, cache);
      if (!missing) {
        const engine = await openOnGpu(origin, listening, missing === undefined ? 0 : undefined);
        if (missing === undefined) void keepVerdict(adapter, "", cache);
        return engine;
      }
    } catch (error) {
      if (device === "gpu" || shaders || !NO_GPU.test((error as CappyError).code)) throw error;
      missing = error;
    }
  }
  let cpu;
  try {
    cpu = await part("cpu/on-cpu.js", () => import("./cpu/on-cpu.js"));
  } catch (error) {
    // A slow GPU is better than nothing.
    if (isSlower(missing)) return openOnGpu(origin, listening);
    throw error;
  }
  return cpu.loadOnCpu(origin, missing, listening);
}

/** Most models are RoBERTa. What the module for them refuses, one that knows more families may know. */
export async function openOnGpu(
  { source, options, worker }: Origin,
  listening: Listening<LoadProgress>,
  rival?: number,
): Promise<Engine | RemoteEngine> {
  const compared = { ...options, rival };
  try {
    return await (worker
      ? RemoteEngine.load(scoringWorker, source, compared, listening)
      : Engine.load(module, source, compared, listening));
  } catch (error) {
    if (!isOtherArchitecture(error)) throw error;
    const families = await part("families/of-family.js", () => import("./families/of-family.js"));
    return families.loadOfFamily({ source, options, worker }, listening);
  }
}
