/** Stores opinions in a database of the extension's own, which pages and content scripts cannot read. */
import { changeIn, deleteDatabase, readFrom } from "../database.js";
import { type Opinion, opinionsIn } from "./opinions.js";

const DATABASE = "cappy-choices";
const KEY = "opinions";

/** The channel by which pages of the extension learn of changes. */
const CHANNEL = "cappy-choices";

/** The stored opinions, the oldest first. Reading does not create the database. */
export async function readOpinions(): Promise<Opinion[]> {
  return opinionsIn(await readFrom(DATABASE, KEY));
}

/** Changes the stored opinions in one transaction, so that concurrent changes are not lost. */
export async function changeOpinions(change: (opinions: Opinion[]) => Opinion[]): Promise<void> {
  await changeIn(DATABASE, KEY, (stored) => change(opinionsIn(stored)));
  notify();
}

/** Deletes all opinions. */
export async function deleteOpinions(): Promise<void> {
  await deleteDatabase(DATABASE);
  notify();
}

/** Calls `listener` after changes by any page, this one included. */
export function onOpinions(listener: () => void): void {
  new BroadcastChannel(CHANNEL).addEventListener("message", listener);
}

/** Posts from a channel of its own: a channel does not receive its own messages, but others of the same page do. */
function notify(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage("changed");
  channel.close();
}
