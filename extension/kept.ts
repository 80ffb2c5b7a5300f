/**
 * What is kept: the settings, what is collected, the last ranking. Only the background reads and writes it,
 * in a database of its own, and the extension's pages ask it to. `chrome.storage.local` is not used, because
 * content scripts can read and write all of that, in Firefox always, and they run in processes that hostile
 * pages share.
 */
import * as v from "valibot";
import { type Answer, type KeptName, KeptValue, type ToBackground, ToPages, VERSION } from "./messages.js";
import { isOurPage } from "./engine/trust.js";

/** Reads and writes what is kept. */
export interface Keeper {
  /** What is kept under this name; `null` where nothing is. */
  read(name: KeptName): Promise<unknown>;
  /** Puts these fields in the place of those that are kept under this name. */
  keep(name: KeptName, fields: object): Promise<void>;
  /** Deletes all of it. */
  forget(): Promise<void>;
  /** Calls `listener` after changes, until the function that it returns is called. */
  onChange(listener: (name: KeptName, value: unknown) => void): () => void;
}

/** For pages: asks the background. */
let keeper: Keeper = {
  async read(name) {
    return v.parse(KeptValue, await ask({ v: VERSION, to: "background", type: "kept", name })).value;
  },
  async keep(name, fields) {
    await ask({ v: VERSION, to: "background", type: "keep", name, fields: { ...fields } });
  },
  async forget() {
    await ask({ v: VERSION, to: "background", type: "forget" });
  },
  onChange(listener) {
    const heard = (raw: unknown, sender: chrome.runtime.MessageSender) => {
      if (!isOurPage(sender)) return;
      const { success, output } = v.safeParse(ToPages, raw);
      if (success && output.type === "kept") listener(output.name, output.value);
    };
    chrome.runtime.onMessage.addListener(heard);
    return () => chrome.runtime.onMessage.removeListener(heard);
  },
};

/** Takes another keeper: the background's own, where messages to the background would not arrive. */
export function keepBy(other: Keeper): void {
  keeper = other;
}

/** What is kept under this name; `null` where nothing is. */
export function readKept(name: KeptName): Promise<unknown> {
  return keeper.read(name);
}

/** Puts these fields in the place of those that are kept under this name; the others stay. */
export function keep(name: KeptName, fields: object): Promise<void> {
  return keeper.keep(name, fields);
}

/** Deletes all that is kept. */
export function forgetKept(): Promise<void> {
  return keeper.forget();
}

/** Calls `listener` with what is kept after each change, until the function that it returns is called. */
export function onKept(listener: (name: KeptName, value: unknown) => void): () => void {
  return keeper.onChange(listener);
}

async function ask(message: ToBackground): Promise<unknown> {
  const answer: Answer | undefined = await chrome.runtime.sendMessage(message);
  if (!answer?.ok) throw new Error(answer?.message ?? "The background does not answer");
  return answer;
}
