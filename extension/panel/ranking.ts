/** A finished ranking: stored over closing the panel, and as a text to copy. */
import * as v from "valibot";
import { bestFirst } from "../../js/order.js";
import type { Collection } from "../collection.js";
import { readStored, store } from "../storage.js";
import { Score } from "../messages.js";
import { withoutBlankRows } from "./merge.js";

const Ranking = v.object({
  instruction: v.string(),
  /** In the order in which they were given. */
  answers: v.array(v.object({ id: v.string(), text: v.string(), ...Score.entries })),
  /** The model's name, and how its weights were held. */
  model: v.string(),
  /** The name of what it had learned; empty for the model as it came. */
  adaptation: v.fallback(v.string(), ""),
  dtype: v.string(),
  seconds: v.number(),
});
export type Ranking = v.InferOutput<typeof Ranking>;
export type RankedAnswer = Ranking["answers"][number];

/** The ranking that was made last, if there is one. */
export async function readRanking(): Promise<Ranking | undefined> {
  const read = v.safeParse(Ranking, await readStored("ranking"));
  return read.success ? read.output : undefined;
}

/** Stores a ranking in place of the one before. */
export async function storeRanking(ranking: Ranking): Promise<void> {
  await store("ranking", ranking);
}

/** The answers with their places, in the order of every ranking of the package. */
export function inOrder(answers: readonly RankedAnswer[]): RankedAnswer[] {
  return answers.map((answer, index) => ({ ...answer, index })).sort(bestFirst);
}

/** Whether a ranking is of the panel's present content. The order of the answers does not matter. */
export function isOf(ranking: Pick<Ranking, "instruction" | "answers">, collection: Collection): boolean {
  const { instruction, answers } = withoutBlankRows(collection);
  const ranked = new Map(ranking.answers.map(({ id, text }) => [id, text]));
  return (
    instruction === ranking.instruction &&
    answers.length === ranked.size &&
    answers.every(({ id, text }) => ranked.get(id) === text)
  );
}

/** The ranking as a numbered list in Markdown, with scores. */
export function asMarkdown({
  instruction,
  answers,
  model,
}: Pick<Ranking, "instruction" | "answers" | "model">): string {
  const quoted = instruction
    .trim()
    .split("\n")
    .map((line) => `> ${line}`.trimEnd());
  const items = inOrder(answers).flatMap(({ text, score }, at) => {
    const number = `${at + 1}.`;
    const indent = " ".repeat(number.length + 1);
    const lines = text
      .trim()
      .split("\n")
      .map((line) => (indent + line).trimEnd());
    return ["", `${number} **${score.toFixed(4)}**`, "", ...lines];
  });
  return [...quoted, ...items, "", `Ranked by ${model}.`, ""].join("\n");
}
