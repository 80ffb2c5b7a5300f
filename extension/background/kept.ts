/** The one place where settings, what is collected and the last ranking are read and written. Used from the moment it is imported. */
import { changeIn, deleteDatabase, readFrom } from "../database.js";
import { keepBy, type Keeper } from "../kept.js";
import { KEPT, type KeptName, type ToPages, VERSION } from "../messages.js";

const DATABASE = "cappy-kept";

const listeners = new Set<(name: KeptName, value: unknown) => void>();

/** One after the other, so that everybody hears of changes in their order. */
let turn: Promise<void> = Promise.resolve();

function inTurn(work: () => Promise<void>): Promise<void> {
  const mine = turn.then(work);
  turn = mine.catch(() => {});
  return mine;
}

export const kept: Keeper = {
  async read(name) {
    await turn;
    return (await readFrom(DATABASE, name)) ?? null;
  },
  keep: (name, fields) => inTurn(async () => {
    tell(name, await changeIn(DATABASE, name, (before) => ({ ...(before as object | undefined), ...fields })));
  }),
  forget: () => inTurn(async () => {
    await deleteDatabase(DATABASE);
    for (const name of KEPT) tell(name, null);
  }),
  onChange(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

function tell(name: KeptName, value: unknown): void {
  for (const listener of listeners) listener(name, value);
  const message: ToPages = { v: VERSION, to: "pages", type: "kept", name, value };
  // It fails where no page is open.
  chrome.runtime.sendMessage(message).catch(() => {});
}

keepBy(kept);
