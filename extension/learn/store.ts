/** Where opinions are kept: in a database of the extension's own, which pages and scripts in pages cannot read. */
import { changeIn, deleteDatabase, readFrom } from "../database.js";
import { type Opinion, opinionsIn } from "./opinions.js";

const DATABASE = "cappy-choices";
const KEY = "opinions";

/** The name by which pages of the extension tell each other of changes. */
const CHANNEL = "cappy-choices";

/** What is kept, the oldest first. Looking makes no database. */
export async function readOpinions(): Promise<Opinion[]> {
  return opinionsIn(await readFrom(DATABASE, KEY));
}

/** Changes what is kept, in one step, whoever else does meanwhile. */
export async function changeOpinions(change: (opinions: Opinion[]) => Opinion[]): Promise<void> {
  await changeIn(DATABASE, KEY, (kept) => change(opinionsIn(kept)));
  tell();
}

/** Deletes all of it. */
export async function deleteOpinions(): Promise<void> {
  await deleteDatabase(DATABASE);
  tell();
}

/** Calls `listener` after changes that other pages, and this one, have made. */
export function onOpinions(listener: () => void): void {
  new BroadcastChannel(CHANNEL).addEventListener("message", listener);
}

/** A channel that says something does not hear itself, but all others, also those of its own page. */
function tell(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage("changed");
  channel.close();
}
