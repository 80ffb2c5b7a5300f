/**
 * The one place where the records of `STORED` are read and written. Importing this
 * module makes it the store that `storage.ts` uses.
 */
import { changeIn, deleteDatabase, readFrom } from "../database.js";
import { type Store, useStore } from "../storage.js";
import { STORED, type StoredName, type ToPages, VERSION } from "../messages.js";

const DATABASE = "cappy-kept";

const listeners = new Set<(name: StoredName, value: unknown) => void>();

/** Changes wait for each other, so that listeners are called in the order of the changes. */
let queue: Promise<void> = Promise.resolve();

function queued(work: () => Promise<void>): Promise<void> {
  const result = queue.then(work);
  queue = result.catch(() => {});
  return result;
}

export const store: Store = {
  async read(name) {
    await queue;
    return (await readFrom(DATABASE, name)) ?? null;
  },
  write: (name, fields) =>
    queued(async () => {
      notify(name, await changeIn(DATABASE, name, (before) => ({ ...(before as object | undefined), ...fields })));
    }),
  deleteAll: () =>
    queued(async () => {
      await deleteDatabase(DATABASE);
      for (const name of STORED) notify(name, null);
    }),
  onChange(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

function notify(name: StoredName, value: unknown): void {
  for (const listener of listeners) listener(name, value);
  const message: ToPages = { v: VERSION, to: "pages", type: "stored", name, value };
  // It fails where no page is open.
  chrome.runtime.sendMessage(message).catch(() => {});
}

useStore(store);
