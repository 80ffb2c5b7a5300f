/** The part of the package that teaches. The rest of the extension uses it only through this module. */
import type { Lesson as AnyLesson, Scorer } from "cappy-web";
import type { Taught } from "../messages.js";

/** What a model learns from thumbs, in the form of the lines that `cappy adapt --train` reads. */
export type Lesson = AnyLesson &
  (
    | { instruction: string; response: string; label: number }
    | { instruction: string; chosen: string[]; rejected: string[] }
  );

/** How far teaching is. */
interface Step {
  step: number;
  steps: number;
  /** The mean squared error of the step's examples. */
  loss: number;
  /** That of the held-out part, where it was looked at. */
  heldOut: number | null;
}

/**
 * Teaches a scorer's model, which always begins as it came, stores what its head has learned under the name
 * `keep`, and returns how it went. The scorer itself scores as before.
 */
export async function adapt(
  scorer: Scorer,
  lessons: readonly Lesson[],
  options: { heldOut: number; keep: string; signal: AbortSignal; onProgress: (step: Step) => void },
): Promise<Pick<Taught, "steps" | "before" | "after">> {
  const { history } = await scorer.adapt(lessons, { depth: "head", seed: 0, ...options });
  const { heldOutBefore: before, steps, best } = history;
  // 0 is the model as it was.
  const after = best === null ? null : best === 0 ? before : steps[best - 1]!.heldOut;
  return { steps: steps.length, before, after };
}

/** Deletes what was learned and is stored under names that begin with `prefix`, except under the name `but`. */
export async function forgetAdaptations(prefix: string, but = ""): Promise<void> {
  const { keptAdaptations, deleteAdaptation } = await import("cappy-web");
  for (const { name } of await keptAdaptations()) {
    if (name.startsWith(prefix) && name !== but) await deleteAdaptation(name);
  }
}
