/** How a model is asked: the file `decide.json` beside its weights, or what models without one take. */

import { CappyError } from "../error.js";
import type { Rendering } from "./decisions.js";

/** What Cappy-like models take, whose scores are about 0 to 1; as in `src/rendering.rs`. */
const CAPPY: Rendering = {
  instruction: "Question: {question}\n\n{state}",
  response: "{option}",
  described: "{name}: {description}",
  yes: "yes",
  no: "no",
  unasked: "Which of these is right?",
  temperature: 0.2,
};

/**
 * The rendering of a model without a file of its own. Rerankers have any real number as score, so their
 * temperature is 1; where labels are those of natural language inference, the state is the premise.
 */
export function defaultRendering(labels: number, isRoberta: boolean): Rendering {
  if (labels === 1) return isRoberta ? CAPPY : { ...CAPPY, temperature: 1 };
  return { ...CAPPY, instruction: "{state}", response: "{question} {option}", temperature: 1 };
}

/**
 * `given` over `base`.
 *
 * @throws CappyError `code` naming the field at fault, after `at`
 */
export function renderingOver(base: Rendering, given: unknown, at: string, code: "config" | "input"): Rendering {
  const refuse = (field: string, what: string): never => {
    throw new CappyError(code, field ? `${at}: ${field}` : at, what);
  };
  if (typeof given !== "object" || given === null || Array.isArray(given)) return refuse("", "is not a JSON object");
  for (const [field, value] of Object.entries(given)) {
    if (!Object.hasOwn(CAPPY, field)) return refuse("", `unknown field \`${field}\``);
    if (field === "temperature") continue;
    const kind = typeof CAPPY[field as keyof Rendering];
    if (value !== undefined && typeof value !== kind) return refuse(field, `is no ${kind}`);
  }
  const all: Rendering = { ...base, ...Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)) };
  const { instruction, response, described, yes, no, temperature } = all;
  if (!instruction.includes("{state}")) return refuse("instruction", "has no {state}");
  if (!(instruction + response).includes("{question}"))
    return refuse("instruction", "has no {question}, and neither has response");
  if (!response.includes("{option}")) return refuse("response", "has no {option}");
  if (!described.includes("{name}") || !described.includes("{description}"))
    return refuse("described", "lacks {name} or {description}");
  if (yes === no) return refuse("yes", "is the same as no");
  const each = temperatures(temperature);
  if (!each) return refuse("temperature", "is neither a number nor an object of choice, score and boolean");
  if (!each.every((number) => Number.isFinite(number) && number > 0))
    return refuse("temperature", "is not a number above 0");
  return all;
}

/** The numbers of a temperature, if it is one. */
function temperatures(temperature: unknown): number[] | undefined {
  if (typeof temperature === "number") return [temperature];
  if (typeof temperature !== "object" || temperature === null) return undefined;
  const { choice, score, boolean, ...others } = temperature as Record<string, unknown>;
  const each = [choice, score, boolean];
  if (Object.keys(others).length > 0 || each.some((number) => typeof number !== "number")) return undefined;
  return each as number[];
}

/** `template` with each `{name}` replaced by its value. What a value has in braces stays as it is. */
export function fill(template: string, values: Record<string, string>): string {
  return template.replace(/\{(\w+)\}/g, (mark, name) => (Object.hasOwn(values, name) ? values[name]! : mark));
}
