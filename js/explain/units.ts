/** Words and sentences of a text; the same as `src/explain/units.rs` finds. */

/** Where a unit stands in its text, in UTF-16 code units as everywhere in JavaScript. */
export interface Range {
  start: number;
  end: number;
}

/**
 * Blocks of scripts whose words no rule finds: Thai, Lao, Myanmar, Khmer, Han, Hiragana and Katakana. Browsers look
 * for their words in dictionaries, which differ; here each character is one.
 */
const WITHOUT_SPACES =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u30ff\u31f0-\u31ff\u3400-\u9fff\ua9e0-\uaa7f\uf900-\ufaff\uff66-\uff9f\u{20000}-\u{3ffff}]/u;

/** Letters and digits, and symbols that carry meaning: arrows to dingbats, and emoji. */
const MEANING = /[\p{Alphabetic}\p{N}\u2190-\u2bff\u{1f000}-\u{1fbff}]/u;

/** Dots and colons that do not stand between digits. Browsers differ in whether they join letters; here they separate them. */
const SPLITTING = /(?<!\p{N})[.:\u2024\ufe52\ufe55\uff0e\uff1a]|[.:\u2024\ufe52\ufe55\uff0e\uff1a](?!\p{N})/u;

/** The units of `text`, in order, without spaces around them. */
export function units(text: string, unit: "word" | "sentence"): Range[] {
  // One language for all, so that every page divides alike.
  const pieces = [...new Intl.Segmenter("en", { granularity: unit }).segment(text)].map(({ segment }) => segment);
  const parts = unit === "word" ? joined(pieces).flatMap(split) : pieces;
  let at = 0;
  return parts.flatMap((part) => {
    const start = at + part.length - trimStart(part).length;
    const end = at + trimEnd(part).length;
    at += part.length;
    return start < end && (unit === "sentence" || MEANING.test(part)) ? [{ start, end }] : [];
  });
}

/** The pieces with each run of a script without spaces as one. */
function joined(pieces: string[]): string[] {
  const all: string[] = [];
  for (const piece of pieces) {
    if (WITHOUT_SPACES.test(piece) && WITHOUT_SPACES.test(all.at(-1) ?? "")) all.push(all.pop() + piece);
    else all.push(piece);
  }
  return all;
}

/** A piece as its words and what stands between them; each character of a script without spaces is one. */
function split(piece: string): string[] {
  if (WITHOUT_SPACES.test(piece)) return [...new Intl.Segmenter("en").segment(piece)].map(({ segment }) => segment);
  return piece.split(new RegExp(`(${SPLITTING.source})`, "u"));
}

/** `text` without a unit, and without the spaces after it; at the end, without those before it. */
export function without(text: string, { start, end }: Range): string {
  const [before, after] = [text.slice(0, start), text.slice(end)];
  const rest = trimStart(after);
  return (rest.length < after.length ? before : trimEnd(before)) + rest;
}

// `trim` of texts takes other characters for spaces than Unicode does.
const trimStart = (text: string) => text.replace(/^\p{White_Space}+/u, "");
const trimEnd = (text: string) => text.replace(/\p{White_Space}+$/u, "");
