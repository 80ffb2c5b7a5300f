/** Training on this thread, from a job to its result. */

import { CappyError, throwIfAborted } from "../error.js";
import { adapterInfo } from "../gpu.js";
import type { ModelFiles } from "../loader/files.js";
import { openFileAtHand } from "../loader/files.js";
import { fingerprint } from "../loader/store.js";
import { kernelFor, openWatched, withKernel } from "../opening.js";
import { isToEnd, uninterrupted } from "../thread.js";
import { toCappyError } from "../thrown.js";
import { rememberedTuning } from "../tuning.js";
import type { AdaptHistory, AdaptPlan, AdaptProgress, AdaptStep } from "../types.js";
import { SavedAdaptation, type State } from "./saved-adaptations.js";
import type { Job, PlainFile, Result } from "./train-protocol.js";
import { Sha256, startWasm, WasmAdaptation } from "./adapt-wasm.js";

/** The state is saved no more often than this, and so rarely that saving takes a tenth of the time at most. */
const SAVE_MS = 3_000;
const SAVE_SHARE = 10;

/** How a caller follows training, and stops it. */
export interface TrainingListeners {
  signal?: AbortSignal;
  onPlan?: (plan: AdaptPlan) => void;
  onProgress?: (progress: AdaptProgress) => void;
}

/** Trains. With `job.keep` it resumes what is saved of the same job, and saves the state now and then. */
export function train(job: Job, listeners: TrainingListeners): Promise<Result> {
  if (job.keep === undefined) return run(job, listeners, undefined);
  return SavedAdaptation.hold(job.keep, (saved) => run(job, listeners, saved));
}

async function run(job: Job, listeners: TrainingListeners, saved: SavedAdaptation | undefined): Promise<Result> {
  const { signal } = listeners;
  throwIfAborted(signal, "adapting");
  const [adapter] = await Promise.all([uninterrupted(adapterInfo), startWasm(job.options.assets)]);
  const files = await openWatched(job.source, job.options, { signal }, () => new Sha256());
  const mark = fingerprint(JSON.stringify([files.description, job.lessons, job.settings]));
  const state = await saved?.state(mark);
  let plan: AdaptPlan | undefined;
  let adaptation: WasmAdaptation | undefined;
  try {
    const kernel = kernelFor(adapter, job.options.kernel);
    // The tuning that scoring uses, because another choice of kernels would sum in another order.
    const tuning = kernel === undefined ? await rememberedTuning(adapter) : undefined;
    const planned = (found: RustPlan) => listeners.onPlan?.((plan = planOf(found)));
    adaptation = await withKernel(kernel, adapter, (subgroups) =>
      WasmAdaptation.load(
        files,
        job.lessons,
        job.settings,
        job.options.dtype ?? "auto",
        state?.kept.batch_tokens ?? job.options.batchTokens,
        kernel,
        tuning,
        subgroups,
        planned,
        () => {},
      ),
    );
    plan ??= planOf(adaptation.plan() as RustPlan);
    const about = { model: files.description, depth: job.settings.depth, job: mark, plan };
    if (state) await resume(adaptation, state);
    await takeSteps(
      adaptation,
      plan,
      listeners,
      saved && (async () => saved.putState(about, await stateOf(adaptation!))),
    );
    const history = historyOf(adaptation.history() as RustHistory);
    const made = await filesOf(adaptation, job);
    await saved?.putResult(about, history, made);
    return { model: files.description, plan, history, files: made };
  } catch (thrown) {
    throwIfAborted(signal, "adapting");
    throw files.failure() ?? byLesson(toCappyError(thrown));
  } finally {
    files.close();
    try {
      adaptation?.free();
    } catch {
      // After a panic it still counts as in use; its memory goes with the page or the worker.
    }
  }
}

/** Takes every step that is left, and calls `save` now and then. */
async function takeSteps(
  adaptation: WasmAdaptation,
  plan: AdaptPlan,
  { signal, onProgress }: TrainingListeners,
  save: (() => Promise<void>) | undefined,
): Promise<void> {
  const report = (step: RustStep) => onProgress?.({ ...stepOf(step), steps: plan.steps });
  const before = (adaptation.history() as RustHistory).steps;
  before.forEach(report);
  let taken = before.length;
  let savedAt = taken;
  let next = performance.now() + SAVE_MS;
  const saveNow = async () => {
    if (!save || taken === savedAt) return;
    const began = performance.now();
    await save();
    savedAt = taken;
    const now = performance.now();
    next = now + Math.max(SAVE_MS, SAVE_SHARE * (now - began));
  };
  try {
    for (;;) {
      const stop = () => signal?.aborted === true || isToEnd();
      const step = await uninterrupted(() => adaptation.step(stop) as Promise<RustStep | null>);
      if (!step) return;
      taken = step.step;
      report(step);
      if (performance.now() >= next) await saveNow();
    }
  } catch (error) {
    // A step that was stopped has not changed the weights.
    if (signal?.aborted) await saveNow();
    throw error;
  }
}

async function stateOf(adaptation: WasmAdaptation): Promise<State> {
  let kept: unknown;
  const numbers = await fileOf("model.safetensors", async (write) => {
    kept = await adaptation.writeState(write);
  });
  return { kept: kept as State["kept"], numbers };
}

/** Resumes from `state`, unless the model has changed since: then the state does not fit, and training begins anew. */
async function resume(adaptation: WasmAdaptation, { kept, numbers }: State): Promise<void> {
  const folder: ModelFiles = {
    description: "the kept state",
    open: async (name) =>
      name === numbers.name
        ? openFileAtHand(name, numbers.bytes.length, async (start, end) => numbers.bytes.slice(start, end))
        : null,
  };
  try {
    await uninterrupted(() => adaptation.resume(kept, folder));
  } catch (thrown) {
    const error = toCappyError(thrown);
    if (!(error.code === "input" && error.atFault === "the kept state")) throw error;
  }
}

/** The files of the result. */
async function filesOf(adaptation: WasmAdaptation, { settings: { depth }, base }: Job): Promise<PlainFile[]> {
  if (depth === "full") {
    const weights = await fileOf("model.safetensors", (write) => adaptation.writeCheckpoint(write));
    const beside = (await adaptation.smallFiles()) as [string, Uint8Array<ArrayBuffer>][];
    return [weights, ...beside.map(([name, bytes]) => ({ name, bytes }))];
  }
  const weights = await fileOf("adapter_model.safetensors", (write) => adaptation.writeAdapter(write));
  // An adapter of the head alone has no settings, and none that `peft` knows.
  if (depth === "head") return [weights];
  return [
    weights,
    { name: "adapter_config.json", bytes: new TextEncoder().encode(adaptation.adapterConfig(base ?? undefined)) },
  ];
}

/** One file of the pieces that Rust writes. */
async function fileOf(
  name: string,
  make: (write: (piece: Uint8Array<ArrayBuffer>) => void) => Promise<void>,
): Promise<PlainFile> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  await uninterrupted(() => make((piece) => pieces.push(piece)));
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return { name, bytes };
}

/** Names the lesson at fault by its place in the list. Rust gets lessons as lines, and counts them from 1. */
function byLesson(error: CappyError): CappyError {
  const [, line] = /^lessons: line (\d+)$/.exec(error.atFault) ?? [];
  if (!line) return error;
  return new CappyError(error.code, `lessons[${Number(line) - 1}]`, error.what, { cause: error });
}

interface RustPlan {
  steps: number;
  examples: number;
  held_out: number;
  gpu_bytes: number;
  batch_tokens: number;
  recompute: boolean;
}

interface RustStep {
  step: number;
  loss: number;
  norm: number;
  learning_rate: number;
  held_out: number | null;
}

interface RustHistory {
  held_out_before: number | null;
  steps: RustStep[];
  best: number | null;
  stopped_early: boolean;
}

function planOf({ steps, examples, held_out, gpu_bytes, batch_tokens, recompute }: RustPlan): AdaptPlan {
  return { steps, examples, heldOut: held_out, gpuBytes: gpu_bytes, batchTokens: batch_tokens, recompute };
}

function stepOf({ step, loss, norm, learning_rate, held_out }: RustStep): AdaptStep {
  return { step, loss, norm, learningRate: learning_rate, heldOut: held_out };
}

function historyOf({ held_out_before, steps, best, stopped_early }: RustHistory): AdaptHistory {
  return { heldOutBefore: held_out_before, steps: steps.map(stepOf), best, stoppedEarly: stopped_early };
}
