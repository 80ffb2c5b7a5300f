import type { Collection } from "../collection.js";

/** The form in which a collection is kept: rows in which nothing is written are not. */
export function kept({ instruction, answers }: Collection): Collection {
  return { instruction, answers: answers.filter(({ text }) => text.trim() !== "") };
}

/** A text that is the same for equal collections. */
export function asText({ instruction, answers }: Collection): string {
  return JSON.stringify([instruction, answers.map(({ id, text }) => [id, text])]);
}

/**
 * What stands in the panel after somebody else changed what is kept: the context menu, or a panel
 * in another window. Changes of both sides since `base` stay; where both changed one text, ours does.
 */
export function merge(base: Collection, ours: Collection, theirs: Collection): Collection {
  const blank = ours.answers.filter(({ text }) => text.trim() === "");
  if (asText(kept(ours)) === asText(base)) return { ...theirs, answers: [...theirs.answers, ...blank] };
  const was = textsOf(base);
  const their = textsOf(theirs);
  const answers = ours.answers.flatMap(({ id, text }) => {
    const touched = was.get(id) !== text;
    if (their.has(id)) return [{ id, text: touched ? text : their.get(id)! }];
    // They removed it, unless it is new here or was written in.
    return touched ? [{ id, text }] : [];
  });
  const here = textsOf(ours);
  const fresh = theirs.answers.filter(({ id }) => !here.has(id) && !was.has(id));
  const instruction = ours.instruction === base.instruction ? theirs.instruction : ours.instruction;
  return { instruction, answers: [...answers, ...fresh] };
}

function textsOf({ answers }: Collection): Map<string, string> {
  return new Map(answers.map(({ id, text }) => [id, text]));
}
