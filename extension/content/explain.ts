/** What carried a score: the words or sentences of an answer that change it most, found by leaving each out. */
import { leaveOut } from "../../js/explain/leave-out.js";
import type { EngineClient } from "../engine/client.js";
import type { Score } from "../messages.js";

/** The most words or sentences of an answer that are left out. */
const MOST_UNITS = 200;

/** How many are shown of those that raise the score, and of those that lower it. */
const SHOWN = 5;

/** A smaller effect than this is not shown: the note has two digits. */
const LEAST = 0.005;

/** The most characters of a sentence that are shown. */
const MOST_SHOWN = 60;

/** What is found, as lines for a note. Each text is scored as an answer of its own. */
export async function explained(
  client: EngineClient,
  instruction: string,
  answer: string,
  signal: AbortSignal,
): Promise<string[]> {
  const parts = divided(answer);
  if (!parts) return [`The answer has no words, or more than ${MOST_UNITS} sentences.`];
  const { unit, ranges, texts } = parts;
  const scores: Score[] = [];
  await client.score(instruction, texts, {
    signal,
    onScored: (first, some) => some.forEach((score, index) => (scores[first + index] = score)),
  });
  const effects = ranges
    .map(({ start, end }, index) => ({
      text: short(answer.slice(start, end)),
      effect: scores[0]!.score - scores[index + 1]!.score,
    }))
    .filter(({ effect }) => Math.abs(effect) >= LEAST)
    .sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
  const line = (title: string, some: typeof effects) =>
    some.length > 0 ? [`${title}: ${some.slice(0, SHOWN).map(shown).join(", ")}.`] : [];
  return [
    ...line(
      "Raises the score",
      effects.filter(({ effect }) => effect > 0),
    ),
    ...line(
      "Lowers the score",
      effects.filter(({ effect }) => effect < 0),
    ),
    effects.length > 0
      ? `Each number is how much lower or higher the score is without that ${unit}. It shows what the model reacts to, not a reason.`
      : `No ${unit} alone changes the score by ${LEAST} or more.`,
  ];
}

function divided(answer: string): ReturnType<typeof leaveOut> | undefined {
  try {
    return leaveOut(answer, "answer", { atMost: MOST_UNITS });
  } catch {
    return undefined;
  }
}

function shown({ text, effect }: { text: string; effect: number }): string {
  return `“${text}” ${effect < 0 ? "−" : "+"}${Math.abs(effect).toFixed(2)}`;
}

function short(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > MOST_SHOWN ? `${line.slice(0, MOST_SHOWN - 1).trimEnd()}…` : line;
}
