/** The instruction and answers that the user collects, for the side panel to rank. */
import * as v from "valibot";
import { keep, onKept, readKept } from "./kept.js";

const Collection = v.object({
  instruction: v.fallback(v.string(), ""),
  answers: v.fallback(v.array(v.object({ id: v.string(), text: v.string() })), []),
});
export type Collection = v.InferOutput<typeof Collection>;

/** What is collected. It is kept, so that closing the browser loses nothing. */
export async function readCollection(): Promise<Collection> {
  return v.parse(Collection, (await readKept("collection")) ?? {});
}

/** Replaces what is collected. */
export async function writeCollection({ instruction, answers }: Collection): Promise<void> {
  await keep("collection", { instruction, answers });
}

/** Calls `listener` when the collection changes, until the function that it returns is called. */
export function onCollection(listener: (collection: Collection) => void): () => void {
  return onKept((name, value) => {
    if (name === "collection") listener(v.parse(Collection, value ?? {}));
  });
}
