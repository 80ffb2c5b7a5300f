/**
 * What the user thinks of answers, by their thumbs, and the lessons that follow from it. Everything in here is
 * plain data; `store.ts` stores it.
 */
import * as v from "valibot";
import type { Lesson } from "../engine/teachable.js";
import { MOST_CHARACTERS } from "../messages.js";

/** The most opinions that are stored, and the most bytes of their texts in UTF-8. The oldest are dropped first. */
export const MOST_OPINIONS = 1000;
export const MOST_BYTES = 2_000_000;

/** One thumb. */
const Opinion = v.object({
  instruction: v.pipe(v.string(), v.maxLength(MOST_CHARACTERS)),
  response: v.pipe(v.string(), v.maxLength(MOST_CHARACTERS)),
  /** Whether the thumb was up. */
  liked: v.boolean(),
});
export type Opinion = v.InferOutput<typeof Opinion>;

/** The valid opinions in what was stored. */
export function opinionsIn(stored: unknown): Opinion[] {
  return Array.isArray(stored) ? stored.filter((one): one is Opinion => v.is(Opinion, one)) : [];
}

/** Bytes of an opinion's texts. */
function bytesOf({ instruction, response }: Opinion): number {
  return encoder.encode(instruction).length + encoder.encode(response).length;
}
const encoder = new TextEncoder();

/**
 * The opinions after a thumb was pressed, the newest last. There is one for each pair of prompt and answer: a new one
 * replaces it, and `undefined` removes it.
 */
export function withOpinion(
  opinions: readonly Opinion[],
  instruction: string,
  response: string,
  liked: boolean | undefined,
): Opinion[] {
  const others = opinions.filter((one) => one.instruction !== instruction || one.response !== response);
  return within(liked === undefined ? others : [...others, { instruction, response, liked }]);
}

/** The newest opinions, as many as may be stored. */
function within(opinions: readonly Opinion[]): Opinion[] {
  let first = opinions.length;
  for (let bytes = 0; first > 0 && opinions.length - first < MOST_OPINIONS; first -= 1) {
    bytes += bytesOf(opinions[first - 1]!);
    if (bytes > MOST_BYTES) break;
  }
  return opinions.slice(first);
}

/** The opinions of answers to an instruction, in the order of the answers. */
export function likedOf(
  opinions: readonly Opinion[],
  instruction: string,
  responses: readonly string[],
): (boolean | undefined)[] {
  const known = new Map(
    opinions.filter((one) => one.instruction === instruction).map(({ response, liked }) => [response, liked]),
  );
  return responses.map((response) => known.get(response));
}

/**
 * Lessons, the oldest first. Where an instruction has liked and disliked answers, they make one lesson, liked over
 * disliked; otherwise each answer is a lesson by itself.
 */
export function lessonsOf(opinions: readonly Opinion[]): Lesson[] {
  const byInstruction = new Map<string, Opinion[]>();
  for (const opinion of opinions) {
    const known = byInstruction.get(opinion.instruction);
    if (known) known.push(opinion);
    else byInstruction.set(opinion.instruction, [opinion]);
  }
  return [...byInstruction].flatMap(([instruction, all]): Lesson[] => {
    const textsOf = (liked: boolean) => all.filter((one) => one.liked === liked).map(({ response }) => response);
    const [chosen, rejected] = [textsOf(true), textsOf(false)];
    if (chosen.length > 0 && rejected.length > 0) return [{ instruction, chosen, rejected }];
    return all.map(({ response, liked }) => ({ instruction, response, label: liked ? 1 : 0 }));
  });
}

/** The opinions without those that a lesson is made of. */
export function withoutLesson(opinions: readonly Opinion[], lesson: Lesson): Opinion[] {
  const gone = new Set("label" in lesson ? [lesson.response] : [lesson.chosen, lesson.rejected].flat());
  return opinions.filter(({ instruction, response }) => instruction !== lesson.instruction || !gone.has(response));
}

/** Lessons as JSON lines. */
export function asLines(lessons: readonly Lesson[]): string {
  return lessons.map((lesson) => `${JSON.stringify(lesson)}\n`).join("");
}
