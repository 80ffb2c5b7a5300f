import { type Collection, onCollection, readCollection, writeCollection } from "../collection.js";
import type { Kept } from "./draft.js";

/** A collection in the form in which it is stored: without rows in which nothing is written. */
export function withoutBlankRows({ instruction, answers }: Collection): Collection {
  return { instruction, answers: answers.filter(({ text }) => text.trim() !== "") };
}

/** A text that is the same for equal collections. */
export function asText({ instruction, answers }: Collection): string {
  return JSON.stringify([instruction, answers.map(({ id, text }) => [id, text])]);
}

/**
 * The content of the panel after the stored collection was changed elsewhere: by the context menu, or by a panel in
 * another window. Changes of both sides since `base` are kept. Where both changed one text, ours stays.
 */
export function merge(base: Collection, ours: Collection, theirs: Collection): Collection {
  const blank = ours.answers.filter(({ text }) => text.trim() === "");
  if (asText(withoutBlankRows(ours)) === asText(base)) return { ...theirs, answers: [...theirs.answers, ...blank] };
  const was = textsOf(base);
  const their = textsOf(theirs);
  const answers = ours.answers.flatMap(({ id, text }) => {
    const touched = was.get(id) !== text;
    if (their.has(id)) return [{ id, text: touched ? text : their.get(id)! }];
    // They removed it; it stays where it is new here, or was changed here.
    return touched ? [{ id, text }] : [];
  });
  const here = textsOf(ours);
  const fresh = theirs.answers.filter(({ id }) => !here.has(id) && !was.has(id));
  const instruction = ours.instruction === base.instruction ? theirs.instruction : ours.instruction;
  return { instruction, answers: [...answers, ...fresh] };
}

/** How the collection is stored. */
export const KEPT_COLLECTION: Kept<Collection> = {
  read: readCollection,
  write: writeCollection,
  onChange: onCollection,
  tidied: withoutBlankRows,
  merged: merge,
  asText,
  empty: { instruction: "", answers: [] },
};

function textsOf({ answers }: Collection): Map<string, string> {
  return new Map(answers.map(({ id, text }) => [id, text]));
}
