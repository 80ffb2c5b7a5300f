/** Everything that the extension stores in this browser, to be listed and to be deleted. */
import type { KeptModel } from "cappy-web";
import { readCollection } from "../collection.js";
import { readDecision } from "../decision.js";
import type { EngineClient } from "../engine/client.js";
import { deleteStored, readStored } from "../storage.js";
import { lessonsOf } from "../learn/opinions.js";
import { deleteOpinions, readOpinions } from "../learn/store.js";
import { readSettings } from "../settings.js";
import { counted, inBytes } from "../ui/words.js";
import { type Folder, pickedFolders } from "./folders.js";
import { bytesIn, entries } from "./opfs.js";

/** The package's folder in the storage, and the folder in it with measurements of adapters. */
const PACKAGE = "cappy";
const TUNING = "tuning";

/** What is stored. */
export interface Stored {
  settings: boolean;
  instruction: boolean;
  answers: number;
  ranking: boolean;
  decision: boolean;
  lessons: number;
  /** Names of models that have learned from them. */
  taught: string[];
  models: KeptModel[];
  /** Why the models cannot be listed; empty if they can. */
  problem: string;
  folders: Folder[];
  tuningBytes: number;
  /** Sites for which the extension has a permission, as match patterns. */
  origins: string[];
  /** Bytes that the browser counts, and those it grants; `undefined` where it does not say. */
  usage: number | undefined;
  quota: number | undefined;
}

/** Lists what is stored, and stores nothing by doing so. */
export async function takeStock(): Promise<Stored> {
  const { instruction, answers } = await readCollection();
  const { text, question, options } = await readDecision();
  const { usage, quota } = await navigator.storage.estimate();
  const cappy = await packageFolder();
  let problem = "";
  // A broken storage cannot be listed, but it can be deleted.
  const models = await (cappy || (await caches.has(PACKAGE)) ? storedModels() : Promise.resolve([])).catch(
    (error: unknown) => {
      problem = String(error);
      return [];
    },
  );
  const tuning = cappy && (await entries(cappy)).find(({ name }) => name === TUNING);
  return {
    settings: (await readStored("settings")) !== null,
    instruction: instruction !== "",
    answers: answers.length,
    ranking: (await readStored("ranking")) !== null,
    decision: text + question + options !== "",
    lessons: lessonsOf(await readOpinions()).length,
    taught: (await readSettings()).taught.map(({ model }) => model),
    models,
    problem,
    folders: await pickedFolders(),
    tuningBytes: tuning instanceof FileSystemDirectoryHandle ? await bytesIn(tuning) : 0,
    origins: await grantedOrigins(),
    usage,
    quota,
  };
}

/** What is stored, as short phrases. */
export function inPhrases({
  settings,
  instruction,
  answers,
  ranking,
  decision,
  lessons,
  taught,
  models,
  problem,
  folders,
  tuningBytes,
  origins,
}: Stored): string[] {
  const modelBytes = [...models, ...folders].reduce((sum, { bytes }) => sum + bytes, 0);
  const count = models.length + folders.length;
  return [
    settings ? "the settings" : "",
    instruction ? "the instruction" : "",
    answers > 0 ? counted(answers, "answer") : "",
    ranking ? "the last ranking" : "",
    decision ? "the text and the question to decide" : "",
    lessons > 0 ? counted(lessons, "lesson") : "",
    taught.length > 0 ? `what ${counted(taught.length, "model")} learned` : "",
    count > 0 ? `${counted(count, "model")} (${inBytes(modelBytes)})` : "",
    problem ? "models that cannot be listed" : "",
    tuningBytes > 0 ? "measurements of this graphics adapter" : "",
    origins.length > 0 ? `the permission for ${counted(origins.length, "site address", "site addresses")}` : "",
  ].filter(Boolean);
}

/** Deletes everything that is stored, and gives permissions back. */
export async function deleteAll(engine: EngineClient): Promise<void> {
  // A loaded model has files open, and would store measurements later.
  await engine.unload();
  // Content scripts first, because they would start the engine again.
  await chrome.scripting?.unregisterContentScripts();
  await chrome.permissions.remove({ permissions: ["scripting"], origins: await grantedOrigins() });
  const root = await navigator.storage.getDirectory();
  for (const { name } of await entries(root)) await root.removeEntry(name, { recursive: true });
  for (const name of await caches.keys()) await caches.delete(name);
  await deleteOpinions();
  await deleteStored();
}

async function storedModels(): Promise<KeptModel[]> {
  const { keptModels } = await import("cappy-web");
  return keptModels();
}

/** The package's folder, if there is one. Asking the package itself would create it. */
async function packageFolder(): Promise<FileSystemDirectoryHandle | undefined> {
  const found = (await entries(await navigator.storage.getDirectory())).find(({ name }) => name === PACKAGE);
  return found instanceof FileSystemDirectoryHandle ? found : undefined;
}

async function grantedOrigins(): Promise<string[]> {
  return (await chrome.permissions.getAll()).origins ?? [];
}
