/** What decides a place in a ranking. */
export interface Placed {
  /** The score. */
  readonly score: number;
  /** The place among the candidates as given. */
  readonly index: number;
}

/**
 * The order of every ranking, for `sort`: the highest score first, and of equal scores the one whose
 * candidate came first.
 *
 * @example
 * const best = scored.sort(bestFirst);
 */
export function bestFirst(a: Placed, b: Placed): number {
  return b.score - a.score || a.index - b.index;
}
