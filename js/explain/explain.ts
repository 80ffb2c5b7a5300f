/** What `Scorer.explain` does; loaded when it is first called. */

import type { TextScore } from "../engine.js";
import { CappyError } from "../error.js";
import { checkOptions } from "../options.js";
import { namingPairs } from "../pair-at-fault.js";
import type { Explanation, ExplainOptions } from "./explanation.js";
import { leaveOut } from "./leave-out.js";

/** What explaining needs of a scorer: the scores of the pairs (instructions[i], responses[i]), batch by batch. */
type Score = (
  instructions: string[],
  responses: string[],
  options: Pick<ExplainOptions, "signal" | "onProgress">,
) => AsyncIterable<TextScore[]>;

const OPTIONS = {
  signal: "signal",
  onProgress: "function",
  unit: ["word", "sentence"],
  of: ["response", "instruction"],
  atMost: "number",
} as const;

/** Scores the pair, and the pair without each unit of one of its texts. */
export async function explain(
  score: Score,
  instruction: string,
  response: string,
  options: ExplainOptions,
): Promise<Explanation> {
  checkOptions(options, OPTIONS, "explain");
  const { signal, onProgress, of = "response", unit: wanted, atMost } = options;
  if (typeof instruction !== "string") throw new CappyError("input", "instruction", "is not a string");
  if (typeof response !== "string") throw new CappyError("input", "response", "is not a string");
  const text = of === "response" ? response : instruction;
  const { unit, ranges, texts } = leaveOut(text, of, { wanted, atMost });
  const same = texts.map(() => (of === "response" ? instruction : response));
  const pairs: [string[], string[]] = of === "response" ? [same, texts] : [texts, same];
  onProgress?.({ done: 0, total: texts.length });
  const scores: TextScore[] = [];
  const name = (pair: number) => (pair === 0 ? of : `${of} without its ${unit} ${pair}`);
  for await (const batch of namingPairs(score(...pairs, { signal, onProgress }), name)) scores.push(...batch);
  const [whole, ...others] = scores;
  const top = whole!.logits[0]!;
  return {
    score: top,
    truncated: whole!.truncated,
    unit,
    units: ranges.map(({ start, end }, index) => ({
      text: text.slice(start, end),
      start,
      end,
      // As in f32, in which the scores are.
      effect: Math.fround(top - others[index]!.logits[0]!),
    })),
  };
}
