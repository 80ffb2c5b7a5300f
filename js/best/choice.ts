import type { AbortSignal } from "../globals.js";
import type { Candidate, Ranked, Scored } from "../types.js";

/** When to stop asking for candidates. By default never: all of them are scored. */
export interface BestOptions<C extends Candidate = string> {
  /** A score that is good enough. */
  enough?: number;
  /** So many candidates in a row that are no better than the best one before them. */
  patience?: number;
  /** The most candidates to score. */
  atMost?: number;
  /** Stops the work, also while the source is at work on a candidate. */
  signal?: AbortSignal;
  /** Called with each candidate as soon as it is scored. */
  onScore?: (scored: Scored<C>) => void;
}

/**
 * Why no more candidates were asked for: one was good `enough`, none was better for a while (`patience`), as many
 * as allowed were scored (`at-most`), or there were no more (`end`).
 */
export type Stopped = "enough" | "patience" | "at-most" | "end";

/** The best of the candidates that were scored. */
export interface Best<C extends Candidate = string> extends Ranked<C> {
  /** How many candidates were scored. */
  scored: number;
  /** Why no more were asked for. */
  stopped: Stopped;
}
