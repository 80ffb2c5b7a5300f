import { CappyError } from "../error.js";
import type { Cost, KeptModel, ModelSource, SourceOptions } from "../types.js";
import { deleteIn, modelsIn } from "./manage.js";
import { BROWSER, openIn, type OpenedModel } from "./open.js";
import { costOf } from "./probe.js";
import { type LoadContext, storageLeft } from "./session.js";

export type { OpenedModel } from "./open.js";
export type { FileProgress } from "./progress.js";
export { type Hasher, type LoadContext, persist } from "./session.js";

/**
 * Opens the folder that `source` names. Nothing is read yet but, of each file when it is opened, its size.
 *
 * @throws `input` for a source or option that makes no sense, `aborted`
 */
export function openModel(
  source: ModelSource | undefined,
  options: SourceOptions,
  context: LoadContext,
): Promise<OpenedModel> {
  return openIn(BROWSER, source, options, context);
}

/**
 * What loading `source` would cost, before it is downloaded. Nothing is kept by asking.
 *
 * @throws `not-found` where a file is missing, `network`, `unauthorized`, `checkpoint`, `config`, `input`
 */
export async function probe(source?: ModelSource, options: SourceOptions = {}): Promise<Cost> {
  // Only the first few bytes are looked at, so there is nothing to check a sum of.
  const model = await openIn(BROWSER, source, { ...options, sha256: undefined }, {}, false);
  try {
    return await costOf(model, await storageLeft());
  } finally {
    model.close();
  }
}

/** The models that are kept in this browser, whole or in part. */
export async function keptModels(): Promise<KeptModel[]> {
  const store = await BROWSER.openStore();
  return store ? modelsIn(store) : [];
}

/**
 * Deletes what is kept of a model; nothing happens where there is none.
 *
 * @param model its name as `load` takes it or as `keptModels` gives it
 * @throws `io` while it is being downloaded, or when the storage fails
 */
export async function deleteKept(model: string): Promise<void> {
  if (!model) throw new CappyError("input", "model", "no name was given");
  const store = await BROWSER.openStore();
  if (store) await deleteIn(store, model);
}
