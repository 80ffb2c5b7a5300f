import { CappyError } from "./error.js";
import { deleteIn, modelsIn } from "./loader/manage.js";
import { BROWSER, openIn } from "./loader/open.js";
import { costOf } from "./loader/probe.js";
import { storageLeft } from "./loader/session.js";
import { plainSource } from "./loader/source.js";
import { checkOptions, SOURCE } from "./options.js";
import { asCappyError } from "./thrown.js";
import type { Cost, KeptModel, ModelSource, SourceOptions } from "./types.js";

/**
 * What loading `source` would cost, before it is downloaded. Nothing is stored by asking.
 *
 * @throws `not-found` where a file is missing, `network`, `unauthorized`, `checkpoint`, `config`, `input`
 */
export function probe(source?: ModelSource, options: SourceOptions = {}): Promise<Cost> {
  return asCappyError(async () => {
    checkOptions(options, SOURCE, "probe");
    // Only the first few bytes of files are read, and those cannot be checked by a sum.
    const model = await openIn(BROWSER, plainSource(source), { ...options, sha256: undefined }, {}, false);
    try {
      return await costOf(model, await storageLeft());
    } finally {
      model.close();
    }
  });
}

/** The models that are kept in this browser, whole or in part. */
export function keptModels(): Promise<KeptModel[]> {
  return asCappyError(async () => {
    const store = await BROWSER.openStore();
    return store ? modelsIn(store) : [];
  });
}

/**
 * Deletes what is kept of a model; nothing happens where there is none.
 *
 * @param model its name as `load` takes it or as `keptModels` gives it
 * @throws `io` while it is being downloaded, or when the storage fails
 */
export function deleteKept(model: string): Promise<void> {
  return asCappyError(async () => {
    if (typeof model !== "string" || !model) throw new CappyError("input", "model", "is not a name");
    const store = await BROWSER.openStore();
    if (store) await deleteIn(store, model);
  });
}
