import { CappyError } from "../error.js";
import { openBrowserStore, type PieceStore, safeName, storeError } from "../loader/store.js";
import type { Adapted, AdaptHistory, AdaptPlan, Depth, KeptAdaptation } from "../types.js";
import type { PlainFile } from "./train-protocol.js";

/** Where adaptations are kept: in a folder beside the models, one folder each. */
const FOLDER = "adaptations";

/** The item that tells what is beside it. Not `meta.json`, which would make it a model. */
const META = "adaptation.json";

/** Files are kept in pieces of so many bytes at the most. */
const PIECE = 32 * 1024 * 1024;

/** A run that can be gone on with. */
export interface State {
  /** What Rust wants back. */
  kept: { batch_tokens: number; history: { steps: unknown[] } };
  numbers: PlainFile;
}

interface KeptFile {
  name: string;
  size: number;
  /** What its pieces' names begin with. */
  item: string;
}

interface Meta {
  name: string;
  model: string;
  depth: Depth;
  /** Of everything that decides what comes out. */
  job: string;
  plan: AdaptPlan;
  state?: { kept: State["kept"]; file: KeptFile };
  result?: { history: AdaptHistory; files: KeptFile[] };
}

/** What is kept of one adaptation. Only its holder writes to it. */
export class Keep {
  readonly #folder: string[];
  #meta: Meta | null = null;
  #turn = 0;

  private constructor(
    readonly store: PieceStore,
    readonly name: string,
  ) {
    this.#folder = [FOLDER, safeName(name)];
  }

  /** What is kept under `name`, to be written by nobody else until `work` is over. Throws `io` where that is so already. */
  static async hold<T>(name: string, work: (keep: Keep) => Promise<T>): Promise<T> {
    const store = await openBrowserStore();
    if (!store) throw new CappyError("io", "keep", "cannot be: there is no storage here");
    return alone(name, async () => {
      const keep = new Keep(store, name);
      keep.#meta = await readMeta(store, keep.#folder);
      return work(keep);
    });
  }

  /** How far a run of this job was; nothing where there is none. */
  async state(job: string): Promise<State | undefined> {
    const meta = this.#meta;
    if (meta?.job !== job || !meta.state) return undefined;
    const numbers = await readFile(this.store, this.#folder, meta.state.file);
    return numbers && { kept: meta.state.kept, numbers };
  }

  /** Keeps how far it is, in place of what was kept before. A result stays until there is another one. */
  async putState(about: Pick<Meta, "model" | "depth" | "job" | "plan">, { kept, numbers }: State): Promise<void> {
    // Never over what the present `adaptation.json` tells of.
    this.#turn += 1;
    const file = await this.#putFile(numbers, `state-${Date.now()}-${this.#turn}`);
    await this.#replace({ ...about, name: this.name, state: { kept, file }, result: this.#meta?.result });
  }

  /** Keeps the result; a state is of no use any more. */
  async putResult(
    about: Pick<Meta, "model" | "depth" | "job" | "plan">,
    history: AdaptHistory,
    files: PlainFile[],
  ): Promise<void> {
    const kept: KeptFile[] = [];
    for (const [at, file] of files.entries()) kept.push(await this.#putFile(file, `result-${Date.now()}-${at}`));
    await this.#replace({ ...about, name: this.name, result: { history, files: kept } });
  }

  async #putFile({ name, bytes }: PlainFile, item: string): Promise<KeptFile> {
    for (let at = 0; at < bytes.length; at += PIECE) {
      const path = [...this.#folder, `${item}.${at / PIECE}`];
      await guard(this.name, this.store.put(path, bytes.subarray(at, at + PIECE)));
    }
    return { name, size: bytes.length, item };
  }

  /** From here on `meta` counts; what it does not name is deleted. */
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

/** The adaptations that are kept. */
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

/** Deletes what is kept under `name`. */
export async function deleteAdaptation(name: string): Promise<void> {
  const store = await openBrowserStore();
  if (store) await alone(name, () => guard(name, store.delete([FOLDER, safeName(name)])));
}

/** The result that is kept under `name`. Throws `not-found` where there is none. */
export async function readResult(name: string): Promise<Adapted> {
  const store = await openBrowserStore();
  const folder = [FOLDER, safeName(name)];
  const meta = store && (await readMeta(store, folder));
  if (!meta?.result) {
    const state = meta ? "was not finished; adapt again with the same lessons and options to go on" : "is not kept here";
    throw new CappyError("not-found", `the adaptation "${name}"`, state);
  }
  const files: File[] = [];
  for (const file of meta.result.files) {
    const read = await readFile(store!, folder, file);
    if (!read) throw new CappyError("io", `the adaptation "${name}"`, `${file.name} is damaged; delete it and adapt again`);
    files.push(new File([read.bytes], read.name));
  }
  const { model, depth, plan, result: { history } } = meta;
  return { name, model, depth, plan, history, files };
}

async function readMeta(store: PieceStore, folder: readonly string[]): Promise<Meta | null> {
  const bytes = await guard(folder.at(-1)!, store.get([...folder, META]));
  try {
    return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Meta);
  } catch {
    // Cut off while it was written.
    return null;
  }
}

/** A file as it was put; nothing where a piece of it is missing or short. */
async function readFile(store: PieceStore, folder: string[], { name, size, item }: KeptFile): Promise<PlainFile | undefined> {
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

/** Runs `work` while nobody else, in any tab, works on what is kept under `name`. */
async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (!locks) return work();
  return locks.request(`cappy adaptation:${name}`, { ifAvailable: true }, (lock) => {
    if (!lock) throw new CappyError("io", `the adaptation "${name}"`, "is learning right now; stop that first");
    return work();
  }) as Promise<T>;
}
