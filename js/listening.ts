/** How often listeners are called: a progress bar does not need more. */

import type { LoadProgress } from "./types.js";

/** Milliseconds between two reports. The last one waits for nothing. */
const INTERVAL = 100;

/** Calls a listener with how far scoring is, not too often. */
export function seldom<P extends { done: number; total: number }>(
  listener: (progress: P) => void,
): (progress: P) => void {
  let last = -Infinity;
  return (progress) => {
    const now = performance.now();
    if (progress.done < progress.total && now - last < INTERVAL) return;
    last = now;
    listener(progress);
  };
}

/**
 * Calls a listener with how far loading is, not too often. The progress of a phase never goes back, also where
 * a part of the work begins again, and a phase reaches its end once.
 */
export function forward(listener: (progress: LoadProgress) => void): (progress: LoadProgress) => void {
  const best = new Map<string, LoadProgress>();
  let last = -Infinity;
  return (progress) => {
    const { phase, bytes, total } = progress;
    const before = best.get(phase);
    if (before && (bytes < before.bytes || total < before.total || bytes * before.total <= before.bytes * total))
      return;
    const now = performance.now();
    if (bytes < total) {
      if (now - last < INTERVAL) return;
      last = now;
    }
    best.set(phase, progress);
    listener(progress);
  };
}
