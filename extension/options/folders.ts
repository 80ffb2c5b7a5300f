/** Models from folders on this device: their files are copied into the extension's own storage. */
import { PICKED } from "../engine/folder.js";
import { coded } from "../ui/errors.js";
import { bytesIn, entries } from "./opfs.js";

/** The file that is copied last: a folder without it was not copied completely. */
const CONFIG = "config.json";
const TOKENIZERS = [["tokenizer.json"], ["vocab.json", "merges.txt"], ["vocab.txt"], ["sentencepiece.bpe.model"]];
const WEIGHTS = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/** Other files beside these that say how to read them, such as `tokenizer_config.json`, and their largest size in bytes. */
const BESIDE = /^(?!.*\.index\.json$).*\.(json|txt|model)$/;
const MOST_BESIDE = 32_000_000;

/** A model that was copied. */
export interface Folder {
  name: string;
  bytes: number;
  complete: boolean;
}

/** The files to copy of those that were chosen, and the files that are missing. */
export interface Plan {
  name: string;
  files: File[];
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
 * Which of the chosen files make up a model. Only the model's own folder counts, not folders below it, which may hold
 * other models: earlier checkpoints, or other forms of this one. `dropped` is the name of a folder that was dropped.
 */
export async function planOf(chosen: readonly File[], dropped?: string): Promise<Plan> {
  const home = homeIn(chosen);
  const here = new Map(chosen.filter((file) => folderOf(file) === home).map((file) => [file.name, file]));
  const wanted = [CONFIG];
  const missing = here.has(CONFIG) ? [] : [CONFIG];
  const tokenizer = TOKENIZERS.find((names) => names.every((name) => here.has(name)));
  if (tokenizer) wanted.push(...tokenizer);
  else missing.push("tokenizer.json");
  const weights = WEIGHTS.find((name) => here.has(name));
  if (weights) wanted.push(weights);
  else missing.push("model.safetensors or pytorch_model.bin");
  if (weights?.endsWith(".json")) {
    const shards = await shardsIn(here.get(weights)!);
    wanted.push(...shards.filter((name) => here.has(name)));
    missing.push(...shards.filter((name) => !here.has(name)));
  }
  for (const { name, size } of here.values()) {
    if (BESIDE.test(name) && size <= MOST_BESIDE && !wanted.includes(name)) wanted.push(name);
  }
  const files = wanted.flatMap((name) => here.get(name) ?? []);
  return {
    name: safe(dropped ?? home.split("/").at(-1)!),
    files,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
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
    for (const file of [...files].sort((a, b) => Number(a.name === CONFIG) - Number(b.name === CONFIG))) {
      const out = await (await folder.getFileHandle(file.name, { create: true })).createWritable();
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
  return file.webkitRelativePath.split("/").slice(0, -1).join("/");
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
