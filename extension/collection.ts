/** The instruction and answers that the user collects, for the side panel to rank. */
import * as v from "valibot";
import { onStored, readStored, store } from "./storage.js";

const Collection = v.object({
  instruction: v.fallback(v.string(), ""),
  answers: v.fallback(v.array(v.object({ id: v.string(), text: v.string() })), []),
});
export type Collection = v.InferOutput<typeof Collection>;

/** The collection. It is stored, so that closing the browser loses nothing. */
export async function readCollection(): Promise<Collection> {
  return v.parse(Collection, (await readStored("collection")) ?? {});
}

/** Replaces the collection. */
export async function writeCollection({ instruction, answers }: Collection): Promise<void> {
  await store("collection", { instruction, answers });
}

/** Calls `listener` when the collection changes. Returns a function that ends this. */
export function onCollection(listener: (collection: Collection) => void): () => void {
  return onStored((name, value) => {
    if (name === "collection") listener(v.parse(Collection, value ?? {}));
  });
}
