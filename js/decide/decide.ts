/** What `Scorer.decide` does; loaded when it is first called. */

import type { TextScore } from "../engine.js";
import { CappyError } from "../error.js";
import type { AbortSignal } from "../globals.js";
import { checkOptions } from "../options.js";
import { namingPairs } from "../pair-at-fault.js";
import { type Planned, answerOf, planned } from "./plan.js";
import type { Answer, Answers, DecideOptions, Decision, Question, Rendering } from "./decisions.js";
import { renderingOver } from "./rendering.js";

export { ownRendering } from "./own-rendering.js";

/** What deciding needs of a scorer. */
export interface Deciding {
  /** The names of the model's outputs. */
  labels: readonly string[];
  /** How the model is asked, by its own file or by default. */
  rendering(): Promise<Rendering>;
  /** The scores of the pairs (instructions[i], texts[i]), batch by batch. */
  score(
    instructions: string[],
    texts: string[],
    options: { signal?: AbortSignal; onProgress?: DecideOptions["onProgress"] },
  ): AsyncIterable<TextScore[]>;
}

const OPTIONS = { signal: "signal", onAnswer: "function", onProgress: "function", rendering: "object" } as const;

/** Answers the questions of `decision`. */
export async function decide<Q extends Readonly<Record<string, Question>>>(
  scorer: Deciding,
  decision: Decision<Q>,
  options: DecideOptions,
): Promise<{ answers: Answers<Q>; truncated: number }> {
  checkOptions(options, OPTIONS, "decide");
  const label = labelOf(scorer.labels);
  const { signal, onAnswer, onProgress, rendering: changes } = options;
  const own = await scorer.rendering();
  const rendering = changes ? renderingOver(own, changes, "rendering", "input") : own;
  const questions = planned(decision, rendering);
  const pairs = questions.flatMap(({ instruction, options }) => options.map(({ response }) => [instruction, response]));

  const answers: Record<string, Answer> = {};
  const scores: number[] = [];
  let truncated = 0;
  const waiting: Planned[] = [...questions];
  const batches = scorer.score(
    pairs.map(([instruction]) => instruction!),
    pairs.map(([, response]) => response!),
    { signal, onProgress },
  );
  for await (const batch of namingPairs(batches, (pair) => questionOf(pair, questions))) {
    for (const { logits, truncated: cut } of batch) {
      scores.push(logits[label]!);
      truncated = Math.max(truncated, cut);
      if (scores.length < waiting[0]!.options.length) continue;
      const question = waiting.shift()!;
      const answer = answerOf(question, scores, rendering.temperature);
      scores.length = 0;
      // Not by assignment: a question may be called __proto__.
      Object.defineProperty(answers, question.name, {
        value: answer,
        enumerable: true,
        writable: true,
        configurable: true,
      });
      onAnswer?.(question.name, answer);
    }
  }
  return { answers: answers as Answers<Q>, truncated };
}

/** The name of the question that a pair belongs to, for an error. */
function questionOf(pair: number, questions: Planned[]): string {
  let first = 0;
  const at = questions.find(({ options }) => (first += options.length) > pair)!;
  return `questions.${at.name} with the state`;
}

/** Which label's logit says that an option is right. */
function labelOf(labels: readonly string[]): number {
  if (labels.length === 1) return 0;
  const place = labels.findIndex((label) => label.toLowerCase() === "entailment");
  if (place >= 0) return place;
  const what = `has the labels ${labels.join(", ")}; decisions need a model with one output, or with a label \`entailment\``;
  throw new CappyError("input", "model", what);
}
