/** How many workers share out the pairs where the CPU computes. */

import { isNode } from "./gpu.js";

/** More were not measured. Each holds a copy of the model, and takes power that a page has no right to by default. */
const MOST = 8;

/** The share of the device's memory that all copies of a model may take together. */
const SHARE = 1 / 4;

/** What a worker takes beside its copy of the model, about. */
const BESIDE = 32 * 2 ** 20;

/** Bytes of memory of a device whose browser does not say how much it has. */
const UNKNOWN = 4 * 2 ** 30;

/**
 * How many workers compute with a model of so many bytes, where `wanted` does not say it: one for each core, as
 * long as their copies of the model fit into a quarter of the device's memory.
 */
export function threadsFor(bytes: number, wanted?: number): number {
  const { cores, memory } = device();
  return wanted ?? Math.max(1, Math.min(cores, MOST, Math.floor((memory * SHARE) / (bytes + BESIDE))));
}

/** Cores and bytes of memory, as far as the host tells. */
function device(): { cores: number; memory: number } {
  if (isNode()) {
    const { availableParallelism, totalmem } = globalThis.process.getBuiltinModule("node:os");
    return { cores: availableParallelism(), memory: totalmem() };
  }
  const { hardwareConcurrency = 1, deviceMemory } = globalThis.navigator as Navigator & { deviceMemory?: number };
  return { cores: hardwareConcurrency, memory: deviceMemory ? deviceMemory * 2 ** 30 : UNKNOWN };
}
