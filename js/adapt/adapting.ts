/** The part of the package for adapting, which the rest imports on demand. */

import { BUILDS, openBuild } from "../builds.js";
import type { Applied, Listening, Origin, ScoringEngine } from "../engine.js";
import { CappyError, messageOf } from "../error.js";
import { persist } from "../loader/loader.js";
import { sendable } from "../loader/picked.js";
import { checkOptions } from "../options.js";
import type { AdaptationSource, Adapted, AdaptOptions, Info, Lesson, LoadProgress } from "../types.js";
import { readResult } from "./saved-adaptations.js";
import type { Job, Settings } from "./train-protocol.js";
import { trainRemotely } from "./train-remotely.js";
import { train, type TrainingListeners } from "./train.js";

export { deleteAdaptation, keptAdaptations } from "./saved-adaptations.js";

/** How often each example is learned from by default. The smaller the part that is trained, the more often. */
const EPOCHS = { head: 30, lora: 10, full: 3 };

/** The options that are numbers, and which of them are whole. */
const NUMBERS: Record<string, "whole" | "any"> = {
  rank: "whole",
  alpha: "any",
  learningRate: "any",
  batch: "whole",
  epochs: "whole",
  size: "whole",
  heldOut: "any",
  patience: "whole",
  seed: "whole",
  memory: "any",
};

const OPTIONS = {
  ...Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, "number" as const])),
  depth: Object.keys(EPOCHS),
  keep: "string",
  signal: "signal",
  onPlan: "function",
  onProgress: "function",
} as const;

/** The largest checkpoint that a page can make, in bytes: it is in memory several times while it is made. */
const MOST_BYTES = 512 * 1024 * 1024;

/** As `Scorer.adapt`, for the scorer of this origin. */
export async function adapt(
  { source, options, worker }: Origin,
  info: Info,
  lessons: Iterable<Lesson>,
  asked: AdaptOptions,
  isolated: <P>(listener: (progress: P) => void) => (progress: P) => void,
): Promise<Adapted> {
  checkOptions(asked, OPTIONS, "adapt");
  const { keep, signal, onPlan: plan, onProgress: progress, ...wanted } = asked;
  const [onPlan, onProgress] = [plan && isolated(plan), progress && isolated(progress)];
  const settings = settingsOf(wanted, info);
  if (keep === "") throw new CappyError("input", "keep", "is not a name");
  if (keep !== undefined) persist();
  const { adaptation: _, ...loading } = options;
  const base = typeof source === "string" && /^[\w.-]+\/[\w.-]+$/.test(source) ? source : null;
  const job: Job = { source, options: loading, base, lessons: linesOf(lessons), settings, keep };
  const { files, ...rest } = await (worker ? trainRemotely : train)(job, { signal, onPlan, onProgress });
  const { depth } = settings;
  const name = keep ?? `${depth}, ${rest.history.steps.length} steps`;
  return { name, depth, ...rest, files: files.map(({ name, bytes }) => new File([bytes], name)) };
}

/** Loads a model with an adaptation applied. */
export async function loadAdapted(
  origin: Origin,
  adaptation: AdaptationSource,
  listening: Listening<LoadProgress>,
): Promise<ScoringEngine> {
  const options = { ...origin.options, adaptation: await appliedOf(adaptation) };
  return openBuild(BUILDS.adapted, origin, options, listening);
}

async function appliedOf(adaptation: AdaptationSource): Promise<Applied> {
  const { name, files } =
    typeof adaptation === "string"
      ? await readResult(adaptation)
      : Symbol.iterator in adaptation
        ? { name: "picked files", files: [...adaptation] }
        : adaptation;
  const has = (wanted: string) => files.some((file) => file.name === wanted);
  const isAdapter = has("adapter_model.safetensors");
  if (!isAdapter && !has("model.safetensors")) {
    const what = "has neither adapter_model.safetensors nor model.safetensors";
    throw new CappyError("input", `the adaptation "${name}"`, what);
  }
  return { name, files: sendable(files), isAdapter };
}

/** The options with their defaults. Here only what Rust does not check is checked. */
function settingsOf(wanted: Omit<AdaptOptions, "keep" | keyof TrainingListeners>, { parameters }: Info): Settings {
  const { depth = "head", epochs, size, ...rest } = wanted;
  for (const [option, value] of Object.entries({ epochs, size, ...rest })) {
    const kind = NUMBERS[option];
    const fits = kind === "whole" ? Number.isSafeInteger(value) : Number.isFinite(value);
    if (value !== undefined && !(fits && value >= 0)) {
      throw new CappyError(
        "input",
        option,
        `is ${String(value)}; it must be a ${kind === "whole" ? "whole " : ""}number, 0 or more`,
      );
    }
  }
  if (depth === "full" && 4 * parameters > MOST_BYTES) {
    const what = `would make a checkpoint of ${Math.ceil((4 * parameters) / 2 ** 20)} MiB; a page can hold 512. Take lora or head, or adapt natively`;
    throw new CappyError("input", "depth full", what);
  }
  const often = size === undefined ? { epochs: epochs ?? EPOCHS[depth] } : { size };
  const given = Object.entries({ ...rest, ...often }).filter(([, value]) => value !== undefined);
  return { depth, ...Object.fromEntries(given) };
}

function linesOf(lessons: Iterable<Lesson>): string {
  if (typeof lessons !== "object" || lessons === null || !(Symbol.iterator in lessons)) {
    throw new CappyError("input", "lessons", "are not a list");
  }
  return Array.from(lessons, (lesson, index) => {
    try {
      return JSON.stringify(lesson) ?? "null";
    } catch (cause) {
      throw new CappyError("input", `lessons[${index}]`, messageOf(cause), { cause });
    }
  }).join("\n");
}
