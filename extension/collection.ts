/** The instruction and answers that the user collects, for the side panel to rank. */
import * as v from "valibot";

const COLLECTION = "collection";

const Collection = v.object({
  instruction: v.fallback(v.string(), ""),
  answers: v.fallback(v.array(v.object({ id: v.string(), text: v.string() })), []),
});
export type Collection = v.InferOutput<typeof Collection>;

/** What is collected. It is kept in `chrome.storage.local`, so that closing the browser loses nothing. */
export async function readCollection(): Promise<Collection> {
  const kept = await chrome.storage.local.get(COLLECTION);
  return v.parse(Collection, kept[COLLECTION] ?? {});
}

/** Replaces what is collected. */
export async function writeCollection(collection: Collection): Promise<void> {
  await chrome.storage.local.set({ [COLLECTION]: collection });
}

/** Calls `listener` when the collection changes, until the function that it returns is called. */
export function onCollection(listener: (collection: Collection) => void): () => void {
  const heard = (changes: Record<string, chrome.storage.StorageChange>, area: string) => {
    if (area === "local" && COLLECTION in changes) listener(v.parse(Collection, changes[COLLECTION]!.newValue ?? {}));
  };
  chrome.storage.onChanged.addListener(heard);
  return () => chrome.storage.onChanged.removeListener(heard);
}
