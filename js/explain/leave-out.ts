/** A text without each of its words or sentences. */

import { CappyError } from "../error.js";
import { type Range, units, without } from "./units.js";

/** A text with more words than this is explained by sentences, unless words are asked for. */
const MANY_WORDS = 64;

/**
 * The text, then the text without each unit, and where the units are. Without `wanted` they are words where there
 * are few.
 *
 * @throws CappyError `input` naming the text (`name`) that has no units, or more than `atMost`
 */
export function leaveOut(
  text: string,
  name: string,
  { wanted, atMost = 512 }: { wanted?: "word" | "sentence"; atMost?: number },
): { unit: "word" | "sentence"; ranges: Range[]; texts: string[] } {
  let unit = wanted ?? "word";
  let ranges = units(text, unit);
  if (!wanted && ranges.length > MANY_WORDS) {
    unit = "sentence";
    ranges = units(text, unit);
  }
  if (ranges.length === 0) throw new CappyError("input", name, "has no words");
  if (!(ranges.length <= atMost)) {
    const advice = unit === "word" ? "ask for sentences, or raise atMost" : "raise atMost";
    const what = `has ${ranges.length} ${unit}s, and at most ${atMost} are left out one by one; ${advice}`;
    throw new CappyError("input", name, what);
  }
  return { unit, ranges, texts: [text, ...ranges.map((range) => without(text, range))] };
}
