// A ranker whose scores are known beforehand: a text's score is the number it begins with, and it is
// cut by as many tokens as it has exclamation marks.
import { CappyError } from "../../../dist/index.js";
import { bestFirst } from "../../../target/modules/order.js";

/** A ranker, and in `calls` what it was asked. */
export function handRanker() {
  const calls = [];
  return {
    calls,
    async rank(instruction, candidates, options = {}) {
      calls.push({ instruction, candidates: [...candidates], options });
      if (options.signal?.aborted) {
        throw new CappyError("aborted", "rank", "the caller stopped the work");
      }
      const scored = candidates.map((candidate, index) => {
        const text = typeof candidate === "string" ? candidate : candidate.text;
        return { index, score: parseFloat(text), text, candidate, truncated: text.split("!").length - 1 };
      });
      scored.sort(bestFirst);
      return scored.slice(0, options.topK ?? scored.length);
    },
  };
}

/** A check for `assert.throws` and `assert.rejects`: a `CappyError` for unusable input at `atFault`. */
export function inputError(atFault) {
  return (error) =>
    error instanceof CappyError &&
    error.code === "input" &&
    error.atFault === atFault &&
    error.message.startsWith(`${atFault}: `);
}

/** Values of `topN` that make no sense. @type {any[]} */
export const badTopN = [0, -1, NaN, 1.5, Infinity, "2", null];
