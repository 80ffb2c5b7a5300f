/** Checks of what callers give: options by name and value, and candidates. */

import { CappyError } from "./error.js";
import type { Candidate } from "./types.js";

/** What an option takes: a type by its name in `typeof`, a signal, or one of several values. */
type Kind = "string" | "boolean" | "number" | "object" | "function" | "signal" | "any" | readonly string[];
type Kinds = Readonly<Record<string, Kind>>;

const CALL: Kinds = { signal: "signal", onProgress: "function" };

/** The options of `probe`. */
export const SOURCE: Kinds = {
  endpoint: "string",
  revision: "string",
  headers: "object",
  fetch: "function",
  cache: "boolean",
  checkFreshness: "boolean",
  sha256: "object",
  assets: "any",
};

/** The options of `Scorer.load`. */
export const LOAD: Kinds = {
  ...SOURCE,
  ...CALL,
  device: ["auto", "gpu", "cpu"],
  cpuWeights: ["auto", "i16", "i8"],
  dtype: ["auto", "f16", "f32", "q8", "q4"],
  batchTokens: "number",
  threads: "number",
  kernel: "string",
  worker: "boolean",
  adaptation: "any",
};

/** The options of `score`, `logits`, `stream`. */
export const SCORE: Kinds = CALL;

/** The options of `rank`. */
export const RANK: Kinds = { ...CALL, topK: "number" };

/** Throws `input` naming the first option that `call` does not know, or whose value it cannot use. */
export function checkOptions(options: unknown, kinds: Kinds, call: string): void {
  if (typeof options !== "object" || options === null)
    throw new CappyError("input", "options", `of ${call} must be an object`);
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name]! : undefined;
    if (!kind) throw new CappyError("input", name, `is no option of ${call}; ${closest(name, Object.keys(kinds))}`);
    if (value === undefined || kind === "any") continue;
    if (typeof kind === "object") {
      if (!kind.includes(value)) throw new CappyError("input", name, `is ${shown(value)}; ${closest(value, kind)}`);
    } else if (
      kind === "signal" ? typeof value?.addEventListener !== "function" : typeof value !== kind || value === null
    ) {
      throw new CappyError(
        "input",
        name,
        `is ${shown(value)}; it must be a ${kind === "signal" ? "AbortSignal" : kind}`,
      );
    }
  }
}

/** The text of candidate `index`. Throws `input` naming it where it has none. */
export function textOfCandidate(candidate: Candidate, index: number): string {
  const text = typeof candidate === "string" ? candidate : candidate?.text;
  if (typeof text !== "string") {
    throw new CappyError("input", `candidates[${index}]`, "is neither a string nor an object with a text");
  }
  return text;
}

/** A value for a message. */
export function shown(value: unknown): string {
  return typeof value === "string"
    ? JSON.stringify(value.slice(0, 80))
    : typeof value === "object" && value
      ? "an object"
      : String(value);
}

/** The option that `name` may be a misspelling of, and all options that there are. */
function closest(name: unknown, known: readonly string[]): string {
  const plain = (text: string) => text.toLowerCase().replace(/[_-]/g, "").slice(0, 40);
  const written = plain(String(name));
  const [best] = known
    .map((other) => ({ other, far: distance(written, plain(other)) }))
    .filter(({ other, far }) => far <= Math.max(written.length, other.length) / 2)
    .sort((a, b) => a.far - b.far);
  return `${best ? `did you mean ${best.other}? ` : ""}${known.slice(0, -1).join(", ")} and ${known.at(-1)} are known`;
}

/** The edit distance: how many letters have to be inserted, deleted or replaced to turn `a` into `b`. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < a.length; i += 1) {
    const row = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      row.push(Math.min(row[j]! + 1, above[j + 1]! + 1, above[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    above = row;
  }
  return above[b.length]!;
}
