/** The pairs of a decision, and how their scores become its answers; the same as `src/decide` computes. */

import { CappyError } from "../error.js";
import { textOf } from "./content.js";
import { fill } from "./rendering.js";
import type { Answer, Decision, Question, Rendering } from "./decisions.js";

/** The most options of a choice, and levels of a score. */
const MOST_OPTIONS = 256;

/** A question as pairs. */
export interface Planned {
  name: string;
  type: Question["type"];
  instruction: string;
  /** What the options are called in the answer, and the responses that stand for them. */
  options: { name: string; response: string }[];
}

/**
 * The questions as pairs, in order.
 *
 * @throws CappyError `input` naming the question that cannot be answered
 */
export function planned(decision: Decision, rendering: Rendering): Planned[] {
  if (typeof decision !== "object" || decision === null) throw new CappyError("input", "decision", "is not an object");
  const { state, questions } = decision;
  if (state === undefined) throw new CappyError("input", "state", "is missing");
  if (typeof questions !== "object" || questions === null)
    throw new CappyError("input", "questions", questions === undefined ? "are missing" : "are not an object");
  const names = Object.keys(questions);
  if (names.length === 0) throw new CappyError("input", "questions", "are none");
  const read = textOf(state, "state");
  return names.map((name) => plannedQuestion(name, questions[name], read, rendering));
}

function plannedQuestion(name: string, question: unknown, state: string, rendering: Rendering): Planned {
  const at = `questions.${name}`;
  const refuse = (field: string, what: string): never => {
    throw new CappyError("input", field ? `${at}.${field}` : at, what);
  };
  if (typeof question !== "object" || question === null) return refuse("", "is not an object");
  const { type, instructions, criteria, ...others } = question as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined) return refuse("", `unknown field \`${other}\``);
  const described = (option: string, description: unknown, field: string) =>
    description === null || description === undefined
      ? option
      : fill(rendering.described, { name: option, description: textOf(description, `${at}.criteria.${field}`) });

  let options: [name: string, text: string][];
  if (type === "choice") {
    if (typeof criteria !== "object" || criteria === null || Array.isArray(criteria))
      return refuse("criteria", "is not an object of options");
    const entries = Object.entries(criteria);
    if (entries.length < 2 || entries.length > MOST_OPTIONS)
      return refuse("criteria", `has ${entries.length}; a choice has 2 to ${MOST_OPTIONS} options`);
    options = entries.map(([option, description]) => [option, described(option, description, option)]);
  } else if (type === "score") {
    if (!Array.isArray(criteria)) return refuse("criteria", "is not a list of levels");
    if (criteria.length < 2 || criteria.length > MOST_OPTIONS)
      return refuse("criteria", `has ${criteria.length}; a score has 2 to ${MOST_OPTIONS} levels`);
    options = Array.from(criteria, (level, number) => [
      String(number),
      level === null || level === undefined ? String(number) : textOf(level, `${at}.criteria[${number}]`),
    ]);
  } else if (type === "boolean") {
    if (criteria !== undefined && (typeof criteria !== "object" || Array.isArray(criteria)))
      return refuse("criteria", "is not an object");
    const means = (criteria ?? {}) as { true?: unknown; false?: unknown };
    if ((instructions ?? means.true ?? means.false ?? null) === null)
      return refuse("instructions", "is missing, and criteria describes neither answer");
    options = [
      ["true", described(rendering.yes, means.true, "true")],
      ["false", described(rendering.no, means.false, "false")],
    ];
  } else if (type === "box") {
    return refuse("type", "is box, which is in pictures; this reads texts");
  } else {
    return refuse("type", "is none of choice, score and boolean");
  }

  const asked = textOf(instructions ?? rendering.unasked, `${at}.instructions`);
  return {
    name,
    type,
    instruction: fill(rendering.instruction, { question: asked, state }),
    options: options.map(([option, text]) => ({
      name: option,
      response: fill(rendering.response, { question: asked, option: text }),
    })),
  };
}

/** The answer to a question from the scores of its options. */
export function answerOf(
  { type, options }: Planned,
  scores: readonly number[],
  temperature: Rendering["temperature"],
): Answer {
  const shares = probabilities(scores, typeof temperature === "number" ? temperature : temperature[type]);
  if (type === "boolean") return { type, probability: shares[0]! };
  const named = Object.fromEntries(options.map(({ name }, index) => [name, shares[index]!]));
  if (type === "score") {
    return { type, score: shares.reduce((sum, share, level) => sum + level * share, 0), probabilities: named };
  }
  let best = 0;
  options.forEach(({ name }, index) => {
    const lead = scores[index]! - scores[best]!;
    if (lead > 0 || (lead === 0 && name < options[best]!.name)) best = index;
  });
  return { type, choice: options[best]!.name, probabilities: named };
}

/**
 * The softmax of scores divided by the temperature, in their order. Terms are summed from the smallest on, so
 * that the order of options changes no bit.
 */
export function probabilities(scores: readonly number[], temperature: number): number[] {
  const most = Math.max(...scores);
  const terms = scores.map((score) => Math.exp((score - most) / temperature));
  const sum = [...terms].sort((a, b) => a - b).reduce((total, term) => total + term, 0);
  return terms.map((term) => term / sum);
}
