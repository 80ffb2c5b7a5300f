/** How often listeners are told: a bar on a page has no use for more. */

import type { LoadProgress } from "./types.js";

/** Milliseconds between two reports. The last one waits for nothing. */
const INTERVAL = 100;

/** Tells a listener how far scoring is, not too often. */
export function seldom<P extends { done: number; total: number }>(tell: (progress: P) => void): (progress: P) => void {
  let last = -Infinity;
  return (progress) => {
    const now = performance.now();
    if (progress.done < progress.total && now - last < INTERVAL) return;
    last = now;
    tell(progress);
  };
}

/**
 * Tells a listener how far loading is: not too often, and each phase only forwards, whatever is begun
 * again underneath. A phase reaches its end once.
 */
export function forward(tell: (progress: LoadProgress) => void): (progress: LoadProgress) => void {
  const best = new Map<string, LoadProgress>();
  let last = -Infinity;
  return (progress) => {
    const { phase, bytes, total } = progress;
    const before = best.get(phase);
    if (before && (bytes < before.bytes || total < before.total || bytes * before.total <= before.bytes * total)) return;
    const now = performance.now();
    if (bytes < total) {
      if (now - last < INTERVAL) return;
      last = now;
    }
    best.set(phase, progress);
    tell(progress);
  };
}
