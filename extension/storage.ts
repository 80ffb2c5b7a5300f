/**
 * What the extension stores: the settings, the collection, the last ranking, the text and question to decide. Only the
 * background reads and writes its database; the extension's pages send it messages. `chrome.storage.local` is not used,
 * because content scripts can read and write all of it (in Firefox always), and they run in processes that hostile
 * pages share.
 */
import * as v from "valibot";
import { type Answer, type StoredName, StoredValue, type ToBackground, ToPages, VERSION } from "./messages.js";
import { isOurPage } from "./engine/trust.js";

/** Reads and writes what is stored. */
export interface Store {
  /** What is stored under this name; `null` where nothing is. */
  read(name: StoredName): Promise<unknown>;
  /** Replaces these fields of what is stored under this name. */
  write(name: StoredName, fields: object): Promise<void>;
  /** Deletes all of it. */
  deleteAll(): Promise<void>;
  /** Calls `listener` after changes. Returns a function that ends this. */
  onChange(listener: (name: StoredName, value: unknown) => void): () => void;
}

/** The store of pages, which asks the background. */
let current: Store = {
  async read(name) {
    return v.parse(StoredValue, await ask({ v: VERSION, to: "background", type: "read-stored", name })).value;
  },
  async write(name, fields) {
    await ask({ v: VERSION, to: "background", type: "store", name, fields: { ...fields } });
  },
  async deleteAll() {
    await ask({ v: VERSION, to: "background", type: "delete-stored" });
  },
  onChange(listener) {
    const receive = (raw: unknown, sender: chrome.runtime.MessageSender) => {
      if (!isOurPage(sender)) return;
      const { success, output } = v.safeParse(ToPages, raw);
      if (success && output.type === "stored") listener(output.name, output.value);
    };
    chrome.runtime.onMessage.addListener(receive);
    return () => chrome.runtime.onMessage.removeListener(receive);
  },
};

/** Uses another store: the background has its own, because messages to itself do not arrive. */
export function useStore(other: Store): void {
  current = other;
}

/** What is stored under this name; `null` where nothing is. */
export function readStored(name: StoredName): Promise<unknown> {
  return current.read(name);
}

/** Replaces these fields of what is stored under this name. The other fields stay. */
export function store(name: StoredName, fields: object): Promise<void> {
  return current.write(name, fields);
}

/** Deletes everything that is stored. */
export function deleteStored(): Promise<void> {
  return current.deleteAll();
}

/** Calls `listener` with what is stored after each change. Returns a function that ends this. */
export function onStored(listener: (name: StoredName, value: unknown) => void): () => void {
  return current.onChange(listener);
}

async function ask(message: ToBackground): Promise<unknown> {
  const answer: Answer | undefined = await chrome.runtime.sendMessage(message);
  if (!answer?.ok) throw new Error(answer?.message ?? "The background does not answer");
  return answer;
}
