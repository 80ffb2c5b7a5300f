/** How the pairs of one call are shared out, and how their scores come back in order. */

import type { TextScore } from "../engine.js";

/** So many batches for each worker, at the end of a list, are dealt out by length; what is before them in order. */
const BATCHES_BY_LENGTH = 2;

/**
 * Deals out pairs to workers that come for more when they are done. Those at the end of a list, which for most
 * lists are all, come longest first and in ever smaller shares, so that no worker has much left when the others
 * have nothing. What is before them comes in order, so that a caller who waits for the first scores gets them soon.
 */
export class Shares {
  readonly #costs: readonly number[];
  readonly #workers: number;
  readonly #batch: number;
  /** The next pair of those that come in order, and where they end. */
  #next = 0;
  readonly #end: number;
  /** Those at the end, longest first, and what they cost together. */
  readonly #last: number[];
  #left: number;
  /** What was taken and not done. */
  readonly #back: number[][] = [];

  /** `costs` are about the tokens of each pair, `batch` those of the largest share. */
  constructor(costs: readonly number[], workers: number, batch: number) {
    this.#costs = costs;
    this.#workers = workers;
    this.#batch = batch;
    let end = costs.length;
    let left = 0;
    while (end > 0 && left + costs[end - 1]! <= BATCHES_BY_LENGTH * workers * batch) left += costs[--end]!;
    this.#end = end;
    this.#left = left;
    this.#last = costs.map((_, pair) => pair).slice(end);
    this.#last.sort((a, b) => costs[b]! - costs[a]!);
  }

  /** The next share: numbers of pairs. Empty where nothing is left. */
  take(): number[] {
    const back = this.#back.pop();
    if (back) return back;
    const share: number[] = [];
    let cost = 0;
    const fits = (pair: number, most: number) => share.length === 0 || cost + this.#costs[pair]! <= most;
    while (this.#next < this.#end && fits(this.#next, this.#batch)) {
      cost += this.#costs[this.#next]!;
      share.push(this.#next++);
    }
    if (share.length > 0) return share;
    const most = Math.min(this.#batch, this.#left / (2 * this.#workers));
    while (this.#last.length > 0 && fits(this.#last[0]!, most)) {
      cost += this.#costs[this.#last[0]!]!;
      share.push(this.#last.shift()!);
    }
    this.#left -= cost;
    return share;
  }

  /** Gives a share back, or what is left of it. */
  putBack(pairs: number[]): void {
    if (pairs.length > 0) this.#back.push(pairs);
  }
}

/** Hands scores on in the order of their pairs, up to the first pair that cannot be scored. */
export class InOrder {
  readonly #scores: (TextScore | undefined)[] = [];
  /** How many were handed on. */
  #done = 0;
  /** The first pair that cannot be scored; infinite where there is none. */
  end = Number.POSITIVE_INFINITY;
  #error: unknown;

  constructor(readonly onScores: (done: { first: number; scores: TextScore[] }) => void) {}

  put(pairs: readonly number[], scores: readonly TextScore[]): void {
    for (const [at, score] of scores.entries()) this.#scores[pairs[at]!] = score;
    const first = this.#done;
    while (this.#done < this.end && this.#scores[this.#done]) this.#done += 1;
    if (this.#done > first) this.onScores({ first, scores: this.#scores.slice(first, this.#done) as TextScore[] });
  }

  /** Notes that `pair` cannot be scored, which is the call's error once all pairs before it are done. */
  fail(pair: number, error: unknown): void {
    if (pair >= this.end) return;
    this.end = pair;
    this.#error = error;
  }

  /** Throws what the first pair that cannot be scored failed with. */
  throwIfFailed(): void {
    if (this.end !== Number.POSITIVE_INFINITY) throw this.#error;
  }
}
