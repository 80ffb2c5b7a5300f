import type { KeptModel } from "../types.js";
import { alone, FileCache, type Meta, readMeta } from "./file-cache.js";
import { MOST, shardsIn, WEIGHTS } from "./probe.js";
import { locate } from "./source.js";
import { type PieceStore, safeName, TUNING } from "./store.js";
import { pieceLength } from "./stream.js";

/** A cached file: what `meta.json` says of it, and which pieces are cached. */
interface CachedPieces {
  meta: Meta;
  have: boolean[];
}

/** The models in `store`, also those of which only a part is there. */
export async function modelsIn(store: PieceStore): Promise<KeptModel[]> {
  const models: KeptModel[] = [];
  for (const { name: folder } of await store.list([])) {
    if (folder === TUNING) continue;
    const files = await filesIn(store, folder);
    const [first] = files;
    if (!first) continue;
    const bytes = files.reduce((sum, file) => sum + bytesOf(file), 0);
    models.push({ model: first.meta.model, bytes, complete: await isComplete(store, files) });
  }
  return models;
}

/** Deletes everything that is cached of a model. Throws `io` while one of its files is being downloaded. */
export async function deleteIn(store: PieceStore, model: string): Promise<void> {
  // The same names as for loading: "/models/mine" is cached by its whole address.
  const { name } = locate(model, {});
  const folder = safeName(name);
  for (const { meta } of await filesIn(store, folder)) {
    await alone(meta, () => new FileCache(store, meta.model, meta.file).delete(), { ifAvailable: true });
  }
  await store.delete([folder]);
}

async function filesIn(store: PieceStore, folder: string): Promise<CachedPieces[]> {
  const files: CachedPieces[] = [];
  for (const { name } of await store.list([folder])) {
    const meta = await readMeta(store, [folder, name]);
    if (meta) files.push({ meta, have: await new FileCache(store, meta.model, meta.file).pieces(asRemote(meta)) });
  }
  return files;
}

/** Whether the model can be loaded from the cache alone. */
async function isComplete(store: PieceStore, files: CachedPieces[]): Promise<boolean> {
  const byName = new Map(files.map((file) => [file.meta.file, file]));
  const whole = (name: string) => {
    const file = byName.get(name);
    return file !== undefined && file.meta.size !== null && file.have.every(Boolean);
  };
  if (!files.every(({ have }) => have.every(Boolean)) || !whole("config.json")) return false;
  const weights = WEIGHTS.find(whole);
  if (!weights?.endsWith(".json")) return weights !== undefined;
  const { meta, have } = byName.get(weights)!;
  if (meta.size! > MOST) return false;
  const fileCache = new FileCache(store, meta.model, meta.file);
  const parts = await Promise.all(have.map((_, i) => fileCache.get(asRemote(meta), i)));
  try {
    const index = JSON.parse(await new Blob(parts as BlobPart[]).text());
    return shardsIn(weights, index).every(whole);
  } catch {
    return false;
  }
}

function bytesOf({ meta, have }: CachedPieces): number {
  return have.reduce((sum, there, i) => sum + (there ? pieceLength(i, meta.size!) : 0), 0);
}

function asRemote(meta: Meta) {
  return { ...meta, size: meta.size ?? 0 };
}
