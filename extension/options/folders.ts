/** Models from folders on this device: their files are copied into the extension's own storage. */
import { PICKED, pathOf } from "../engine/folder.js";
import { coded } from "../ui/errors.js";
import { bytesIn, entries } from "./opfs.js";

/** The file that is copied last: a folder without it was not copied completely. */
const CONFIG = "config.json";
const TOKENIZERS = [["tokenizer.json"], ["vocab.json", "merges.txt"], ["vocab.txt"], ["sentencepiece.bpe.model"]];
/** Any of these, in this order. */
const WEIGHTS = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/** Other files beside these that say how to read them, such as `tokenizer_config.json`, and their largest size in bytes. */
const BESIDE = /^(?!.*\.index\.json$)[^/]*\.(json|txt|model)$/;
const MOST_BESIDE = 32_000_000;

/** Modules of sentence-transformers' chains whose settings are in a folder of their own. */
const MODULES = /^sentence_transformers\.(.*\.)?(Pooling|Dense|LayerNorm)$/;

/** The name of a folder that a module may have. */
const FOLDER = /^\w[\w.-]*$/;

/** A model that was copied. */
export interface Folder {
  name: string;
  bytes: number;
  complete: boolean;
}

/** A file to copy, and its path in the model's folder. */
export interface Part {
  path: string;
  file: File;
}

/** The files to copy of those that were chosen, and the files that are missing. */
export interface Plan {
  name: string;
  files: Part[];
  bytes: number;
  missing: string[];
}

/** The models that were copied, completely or in part. */
export async function pickedFolders(): Promise<Folder[]> {
  const root = await navigator.storage.getDirectory();
  const picked = (await entries(root)).find(({ name }) => name === PICKED);
  if (!(picked instanceof FileSystemDirectoryHandle)) return [];
  const folders: Folder[] = [];
  for (const folder of await entries(picked)) {
    if (!(folder instanceof FileSystemDirectoryHandle)) continue;
    const names = (await entries(folder)).map(({ name }) => name);
    folders.push({ name: folder.name, bytes: await bytesIn(folder), complete: names.includes(CONFIG) });
  }
  return folders;
}

/**
 * Which of the chosen files make up a model. Of the folders below the model's own only those of its modules count, and
 * no others, which may hold other models: earlier checkpoints, or other forms of this one.
 */
export async function planOf(chosen: readonly File[]): Promise<Plan> {
  const home = homeIn(chosen);
  const here = filesBelow(home, chosen);
  const wanted = [CONFIG];
  const missing = here.has(CONFIG) ? [] : [CONFIG];
  const tokenizer = TOKENIZERS.find((names) => names.every((name) => here.has(name)));
  if (tokenizer) wanted.push(...tokenizer);
  else missing.push("tokenizer.json");
  const weights = await weightsIn("", here);
  if (weights.length === 0) missing.push("model.safetensors or pytorch_model.bin");
  for (const { path, type } of await modulesIn(here.get("modules.json"))) {
    const settings = `${path}/${CONFIG}`;
    if (here.has(settings)) wanted.push(settings);
    else if (MODULES.test(type)) missing.push(settings);
    // Where they are missing, the model's own file may have them, as `cappy convert` writes it.
    weights.push(...(await weightsIn(`${path}/`, here)));
  }
  wanted.push(...weights);
  missing.push(...weights.filter((path) => !here.has(path)));
  for (const [path, { size }] of here) {
    if (BESIDE.test(path) && size <= MOST_BESIDE && !wanted.includes(path)) wanted.push(path);
  }
  const files = wanted.filter((path) => here.has(path)).map((path) => ({ path, file: here.get(path)! }));
  return {
    name: safe(home.split("/").at(-1)!),
    files,
    bytes: files.reduce((sum, { file }) => sum + file.size, 0),
    missing,
  };
}

/** The model's own folder: the one that was chosen, or else the only one below it that holds a model. */
function homeIn(chosen: readonly File[]): string {
  const depth = (folder: string) => folder.split("/").length;
  const homes = [...new Set(chosen.filter(({ name }) => name === CONFIG).map(folderOf))].sort(
    (a, b) => depth(a) - depth(b),
  );
  const [first, second] = homes;
  if (first === undefined) return folderOf(chosen[0]!);
  if (second !== undefined && depth(first) > 1 && depth(second) === depth(first)) {
    throw coded("input", `the folder holds several models: ${homes.join(", ")}. Choose the folder of one of them`);
  }
  return first;
}

/** `name` with only those characters that the storage and the settings allow. */
export function safe(name: string): string {
  return (
    name
      .replace(/[^\w.-]+/g, "-")
      .replace(/^[.-]+|-+$/g, "")
      .slice(0, 100) || "model"
  );
}

/**
 * Copies a model's files, in place of a folder of the same name. When copying fails or is stopped, nothing of it is
 * left.
 */
export async function copyFolder(
  { name, files, bytes }: Plan,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (bytes: number) => void },
): Promise<void> {
  const space = await navigator.storage.estimate();
  const left = (space.quota ?? Infinity) - (space.usage ?? 0);
  if (bytes > left) throw coded("quota", `${name} has ${bytes} bytes, and the browser grants ${left}`);
  await deleteFolder(name);
  const root = await navigator.storage.getDirectory();
  const picked = await root.getDirectoryHandle(PICKED, { create: true });
  const folder = await picked.getDirectoryHandle(name, { create: true });
  let done = 0;
  const count = () =>
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, out) {
        done += chunk.length;
        onProgress(done);
        out.enqueue(chunk);
      },
    });
  try {
    for (const { path, file } of [...files].sort((a, b) => Number(a.path === CONFIG) - Number(b.path === CONFIG))) {
      const [name, module] = path.split("/").reverse();
      const into = module ? await folder.getDirectoryHandle(module, { create: true }) : folder;
      const out = await (await into.getFileHandle(name!, { create: true })).createWritable();
      await file.stream().pipeThrough(count()).pipeTo(out, { signal });
    }
  } catch (error) {
    await picked.removeEntry(name, { recursive: true });
    throw signal.aborted ? error : inWords(error, name);
  }
}

/** Deletes a copied model; nothing happens where there is none. */
export async function deleteFolder(name: string): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const picked = (await entries(root)).find((entry) => entry.name === PICKED);
  if (!(picked instanceof FileSystemDirectoryHandle)) return;
  if ((await entries(picked)).some((entry) => entry.name === name)) await picked.removeEntry(name, { recursive: true });
}

function folderOf(file: File): string {
  return pathOf(file).split("/").slice(0, -1).join("/");
}

/** The files in a folder and below it, by their paths in it. */
function filesBelow(home: string, chosen: readonly File[]): Map<string, File> {
  const start = home && `${home}/`;
  const below = chosen.filter((file) => pathOf(file).startsWith(start));
  return new Map(below.map((file) => [pathOf(file).slice(start.length), file]));
}

/** The modules that a list of them names, and the folders that they have in the model's. */
async function modulesIn(list: File | undefined): Promise<{ path: string; type: string }[]> {
  if (!list || list.size > MOST_BESIDE) return [];
  let modules: unknown;
  try {
    modules = JSON.parse(await list.text());
  } catch {
    throw coded("config", `${list.name} is not JSON`);
  }
  if (!Array.isArray(modules)) return [];
  const named = modules.map(({ path, type }: { path?: unknown; type?: unknown }) => ({
    path: String(path ?? ""),
    type: String(type ?? ""),
  }));
  // The transformer's folder is the model's own: its path is empty.
  return named.filter(({ path }) => FOLDER.test(path));
}

/** The files of weights in a folder of the model's, whose path ends with a slash; also those that an index names and that are not there. */
async function weightsIn(folder: string, here: Map<string, File>): Promise<string[]> {
  const first = WEIGHTS.map((name) => folder + name).find((path) => here.has(path));
  if (!first?.endsWith(".json")) return first ? [first] : [];
  return [first, ...(await shardsIn(here.get(first)!)).map((name) => folder + name)];
}

/** The files of weights that an index names. */
async function shardsIn(index: File): Promise<string[]> {
  try {
    const { weight_map: map } = JSON.parse(await index.text()) as { weight_map: Record<string, string> };
    return [...new Set(Object.values(map))];
  } catch {
    throw coded("checkpoint", `${index.name} is not an index of weights`);
  }
}

function inWords(error: unknown, name: string): Error {
  const message = error instanceof Error ? error.message : String(error);
  const full = error instanceof DOMException && error.name === "QuotaExceededError";
  return coded(full ? "quota" : "io", `${name}: ${message}`);
}
