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

/** The units of `text`, in order, without spaces around them. */
export function units(text: string, unit: "word" | "sentence"): Range[] {
  // One language for all, so that every page divides alike.
  const pieces = [...new Intl.Segmenter("en", { granularity: unit }).segment(text)];
  return pieces.flatMap(({ segment, index }) => (unit === "word" ? words(segment, index) : sentence(segment, index)));
}

function sentence(segment: string, index: number): Range[] {
  const start = index + segment.length - trimStart(segment).length;
  const end = index + trimEnd(segment).length;
  return start < end ? [{ start, end }] : [];
}

/** The words between two boundaries: one, or none, or each character of a script without spaces. */
function words(segment: string, at: number): Range[] {
  if (!MEANING.test(segment)) return [];
  if (!WITHOUT_SPACES.test(segment)) return [{ start: at, end: at + segment.length }];
  const characters = [...new Intl.Segmenter("en").segment(segment)];
  return characters.map(({ segment: c, index }) => ({ start: at + index, end: at + index + c.length }));
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
