/** Adaptations in the browser's storage: results, and the states of runs that can be resumed. */

import { CappyError } from "../error.js";
import { openBrowserStore, type PieceStore, safeName, storeError } from "../loader/store.js";
import type { Adapted, AdaptHistory, AdaptPlan, Depth, KeptAdaptation } from "../types.js";
import type { PlainFile } from "./train-protocol.js";

/** The folder for adaptations, beside those of models. Each adaptation has a folder in it. */
const FOLDER = "adaptations";

/** The item that says what is beside it. It is not called `meta.json`, which would make the folder a model's. */
const META = "adaptation.json";

/** Files are stored in pieces of so many bytes at the most. */
const PIECE = 32 * 1024 * 1024;

/** The state of a run that can be resumed. */
export interface State {
  /** What Rust needs to resume, besides the numbers. */
  kept: { batch_tokens: number; history: { steps: unknown[] } };
  numbers: PlainFile;
}

interface StoredFile {
  name: string;
  size: number;
  /** How the names of its pieces begin. */
  item: string;
}

interface Meta {
  name: string;
  model: string;
  depth: Depth;
  /** A fingerprint of everything that decides the result. */
  job: string;
  plan: AdaptPlan;
  state?: { kept: State["kept"]; file: StoredFile };
  result?: { history: AdaptHistory; files: StoredFile[] };
}

/** What is stored of one adaptation, for the one run that holds its lock. */
export class SavedAdaptation {
  readonly #folder: string[];
  #meta: Meta | null = null;
  #states = 0;

  private constructor(
    readonly store: PieceStore,
    readonly name: string,
  ) {
    this.#folder = [FOLDER, safeName(name)];
  }

  /** Runs `work` with what is stored under `name`, while a lock keeps others from writing it. Throws `io` where another run holds the lock. */
  static async hold<T>(name: string, work: (saved: SavedAdaptation) => Promise<T>): Promise<T> {
    const store = await openBrowserStore();
    if (!store) throw new CappyError("io", "keep", "cannot be: there is no storage here");
    return alone(name, async () => {
      const saved = new SavedAdaptation(store, name);
      saved.#meta = await readMeta(store, saved.#folder);
      return work(saved);
    });
  }

  /** The state of an earlier run of the same job; `undefined` where there is none. */
  async state(job: string): Promise<State | undefined> {
    const meta = this.#meta;
    if (meta?.job !== job || !meta.state) return undefined;
    const numbers = await readFile(this.store, this.#folder, meta.state.file);
    return numbers && { kept: meta.state.kept, numbers };
  }

  /** Stores a state in place of the one before. A result stays until there is another one. */
  async putState(about: Pick<Meta, "model" | "depth" | "job" | "plan">, { kept, numbers }: State): Promise<void> {
    // Under a name of its own, so that what `adaptation.json` refers to stays whole until it is replaced.
    this.#states += 1;
    const file = await this.#putFile(numbers, `state-${Date.now()}-${this.#states}`);
    await this.#replace({ ...about, name: this.name, state: { kept, file }, result: this.#meta?.result });
  }

  /** Stores the result, and deletes the state. */
  async putResult(
    about: Pick<Meta, "model" | "depth" | "job" | "plan">,
    history: AdaptHistory,
    files: PlainFile[],
  ): Promise<void> {
    const stored: StoredFile[] = [];
    for (const [at, file] of files.entries()) stored.push(await this.#putFile(file, `result-${Date.now()}-${at}`));
    await this.#replace({ ...about, name: this.name, result: { history, files: stored } });
  }

  async #putFile({ name, bytes }: PlainFile, item: string): Promise<StoredFile> {
    for (let at = 0; at < bytes.length; at += PIECE) {
      const path = [...this.#folder, `${item}.${at / PIECE}`];
      await guard(this.name, this.store.put(path, bytes.subarray(at, at + PIECE)));
    }
    return { name, size: bytes.length, item };
  }

  /** Replaces `adaptation.json`, and then deletes the files that it does not name. */
  async #replace(meta: Meta): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(meta));
    await guard(this.name, this.store.put([...this.#folder, META], bytes));
    this.#meta = meta;
    const files = [...(meta.state ? [meta.state.file] : []), ...(meta.result?.files ?? [])];
    const named = new Set(files.map(({ item }) => item));
    for (const { name } of await guard(this.name, this.store.list(this.#folder))) {
      const item = name.slice(0, name.lastIndexOf("."));
      if (name !== META && !named.has(item)) await guard(this.name, this.store.delete([...this.#folder, name]));
    }
  }
}

/** The adaptations that are stored. */
export async function keptAdaptations(): Promise<KeptAdaptation[]> {
  const store = await openBrowserStore();
  const found: KeptAdaptation[] = [];
  for (const entry of (await store?.list([FOLDER])) ?? []) {
    const folder = [FOLDER, entry.name];
    const meta = await readMeta(store!, folder);
    if (!meta) continue;
    const { name, model, depth, plan, state, result } = meta;
    const bytes = (await store!.list(folder)).reduce((sum, { size }) => sum + size, 0);
    const resumable = state ? { step: state.kept.history.steps.length, steps: plan.steps } : null;
    found.push({ name, model, depth, bytes, complete: result !== undefined, resumable });
  }
  return found;
}

/** Deletes what is stored under `name`. */
export async function deleteAdaptation(name: string): Promise<void> {
  const store = await openBrowserStore();
  if (store) await alone(name, () => guard(name, store.delete([FOLDER, safeName(name)])));
}

/** The result that is stored under `name`. Throws `not-found` where there is none. */
export async function readResult(name: string): Promise<Adapted> {
  const store = await openBrowserStore();
  const folder = [FOLDER, safeName(name)];
  const meta = store && (await readMeta(store, folder));
  if (!meta?.result) {
    const state = meta
      ? "was not finished; adapt again with the same lessons and options to go on"
      : "is not kept here";
    throw new CappyError("not-found", `the adaptation "${name}"`, state);
  }
  const files: File[] = [];
  for (const file of meta.result.files) {
    const read = await readFile(store!, folder, file);
    if (!read)
      throw new CappyError("io", `the adaptation "${name}"`, `${file.name} is damaged; delete it and adapt again`);
    files.push(new File([read.bytes], read.name));
  }
  const {
    model,
    depth,
    plan,
    result: { history },
  } = meta;
  return { name, model, depth, plan, history, files };
}

async function readMeta(store: PieceStore, folder: readonly string[]): Promise<Meta | null> {
  const bytes = await guard(folder.at(-1)!, store.get([...folder, META]));
  try {
    return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Meta);
  } catch {
    // The browser ended while it was written.
    return null;
  }
}

/** A file as it was stored; `undefined` where a piece of it is missing or short. */
async function readFile(
  store: PieceStore,
  folder: string[],
  { name, size, item }: StoredFile,
): Promise<PlainFile | undefined> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += PIECE) {
    const piece = await guard(name, store.get([...folder, `${item}.${at / PIECE}`]));
    if (piece?.length !== Math.min(PIECE, size - at)) return undefined;
    bytes.set(piece, at);
  }
  return { name, bytes };
}

async function guard<T>(file: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw storeError(file, error);
  }
}

/** Runs `work` while a lock keeps all tabs from working on what is stored under `name`. */
async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (!locks) return work();
  return locks.request(`cappy adaptation:${name}`, { ifAvailable: true }, (lock) => {
    if (!lock) throw new CappyError("io", `the adaptation "${name}"`, "is learning right now; stop that first");
    return work();
  }) as Promise<T>;
}
