/** What `Scorer.best` does; loaded when it is first called. */

import type { TextScore } from "../engine.js";
import { CappyError } from "../error.js";
import type { AbortSignal } from "../globals.js";
import { orStopped, stopper } from "../loader/stop.js";
import { checkOptions, shown, textOfCandidate } from "../options.js";
import { namingPairs } from "../pair-at-fault.js";
import type { Candidate, Scored } from "../types.js";
import type { Best, BestOptions } from "./choice.js";

/** The scores of the pairs (instructions[i], texts[i]), batch by batch. */
export type Score = (
  instructions: string[],
  texts: string[],
  options: { signal?: AbortSignal },
) => AsyncIterable<TextScore[]>;

const OPTIONS = {
  enough: "number",
  patience: "number",
  atMost: "number",
  signal: "signal",
  onScore: "function",
} as const;

/** The best of `candidates`, which are asked for one by one. */
export async function best<C extends Candidate>(
  score: Score,
  instruction: string,
  candidates: Iterable<C> | AsyncIterable<C>,
  options: BestOptions<C>,
): Promise<Best<C> | undefined> {
  checkOptions(options, OPTIONS, "best");
  const { enough = Infinity, patience = Infinity, atMost = Infinity, signal, onScore } = options;
  if (Number.isNaN(enough)) throw new CappyError("input", "enough", "is not a number");
  checkCount("patience", options.patience);
  checkCount("atMost", options.atMost);
  if (typeof instruction !== "string") throw new CappyError("input", "instruction", "is not a string");

  const source = new Source(candidates);
  const stop = stopper(signal, "best");
  try {
    let best: Best<C> | undefined;
    let since = 0;
    for (let index = 0; ; index += 1) {
      stop.signal.throwIfAborted();
      const step = await orStopped(source.next(), stop.signal);
      if (step.done) return best;
      const scored = await scoredAt(score, instruction, step.value, index, signal);
      onScore?.(scored);
      since += 1;
      if (!best || scored.score > best.score) {
        best = { ...scored, scored: 0, stopped: "end" };
        since = 0;
      }
      best.scored = index + 1;
      if (best.score >= enough) best.stopped = "enough";
      else if (since >= patience) best.stopped = "patience";
      else if (best.scored >= atMost) best.stopped = "at-most";
      else continue;
      await orStopped(source.close(), stop.signal);
      return best;
    }
  } catch (error) {
    // The first error counts. What a source is at work on it may never finish, so that is not waited for.
    const closing = source.close().catch(() => {});
    if (!source.working) await closing;
    throw error;
  } finally {
    stop.close();
  }
}

/** Candidates that are asked for one by one, by the rules of `for await`. */
class Source<C> {
  readonly #iterator: Iterator<C> | AsyncIterator<C>;
  #closed = false;
  /** Whether a candidate is being made. */
  working = false;

  constructor(candidates: Iterable<C> | AsyncIterable<C>) {
    // A string has letters to iterate over, which nobody means.
    const from = (typeof candidates === "object" ? candidates : null) as Partial<Iterable<C> & AsyncIterable<C>> | null;
    const iterator = from?.[Symbol.asyncIterator]?.() ?? from?.[Symbol.iterator]?.();
    if (!iterator) throw new CappyError("input", "candidates", "are neither a list nor anything else to iterate over");
    this.#iterator = iterator;
  }

  /** The next candidate. A source that ends or fails is over. */
  async next(): Promise<IteratorResult<C>> {
    this.working = true;
    let over = true;
    try {
      const step = await this.#iterator.next();
      over = Boolean(step.done);
      return step;
    } finally {
      this.working = false;
      this.#closed ||= over;
    }
  }

  /** Tells the source that no more is asked for, unless it is over. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#iterator.return?.();
  }
}

async function scoredAt<C extends Candidate>(
  score: Score,
  instruction: string,
  candidate: C,
  index: number,
  signal: AbortSignal | undefined,
): Promise<Scored<C>> {
  const text = textOfCandidate(candidate, index);
  const scored: TextScore[] = [];
  const batches = namingPairs(
    score([instruction], [text], { signal }),
    () => `candidates[${index}] with its instruction`,
  );
  for await (const batch of batches) scored.push(...batch);
  const { logits, device, tokens, truncated } = scored[0]!;
  return { index, score: logits[0]!, text, candidate, device, tokens, truncated };
}

function checkCount(option: string, count: number | undefined): void {
  if (count !== undefined && !(Number.isInteger(count) && count > 0)) {
    throw new CappyError("input", option, `is ${shown(count)}; it must be a whole number above 0`);
  }
}
