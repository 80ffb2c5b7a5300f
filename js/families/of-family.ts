/** Scoring with XLM-RoBERTa, BERT and DistilBERT. The rest of the package imports it for models that are no RoBERTa. */

import { Engine, type Listening, type Origin } from "../engine.js";
import { RemoteEngine } from "../remote.js";
import type { WorkerScript } from "../start-worker.js";
import type { LoadProgress } from "../types.js";
import * as module from "./family-wasm.js";

/** An engine that knows more families of models, and refuses the rest by name. */
export function loadOfFamily(
  { source, options, worker }: Origin,
  listening: Listening<LoadProgress>,
): Promise<Engine | RemoteEngine> {
  return worker
    ? RemoteEngine.load(familyWorker, source, options, listening)
    : Engine.load(module, source, options, listening);
}

const familyWorker: WorkerScript = {
  path: "families/family-worker.js",
  open: () => new Worker(new URL("./family-worker.js", import.meta.url), { type: "module", name: "cappy families" }),
};
