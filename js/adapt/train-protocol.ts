import type { PlainSource } from "../loader/picked.js";
import type { EngineOptions } from "../engine.js";
import type { FromWorker, ToWorker } from "../protocol.js";
import type { PlainError } from "../thrown.js";
import type { AdaptHistory, AdaptOptions, AdaptPlan, AdaptProgress, Depth } from "../types.js";

/** What to train, without anything that cannot be sent to a worker. */
export interface Job {
  source: PlainSource;
  options: EngineOptions;
  /** The model's name for the adapter's config; `null` where others could not load it by its name. */
  base: string | null;
  /** JSON lines. */
  lessons: string;
  settings: Settings;
  /** The name to store it under. */
  keep: string | undefined;
}

/** The options that decide the result, as Rust takes them. */
export type Settings = Omit<AdaptOptions, "keep" | "signal" | "onPlan" | "onProgress"> & { depth: Depth };

/** A file in a message. */
export interface PlainFile {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The result of training. */
export interface Result {
  model: string;
  plan: AdaptPlan;
  history: AdaptHistory;
  files: PlainFile[];
}

/** Messages from the page to the worker that trains. */
export type ToTrainer =
  | { type: "train"; job: Job; customFetch: boolean }
  | { type: "abort" }
  | Extract<ToWorker, { type: "fetched" | "not-fetched" }>;

/** Messages from that worker to the page. */
export type FromTrainer =
  | { type: "plan"; plan: AdaptPlan }
  | { type: "step"; progress: AdaptProgress }
  | { type: "trained"; result: Result }
  | { type: "failed"; error: PlainError }
  | Extract<FromWorker, { type: "fetch" | "stop-fetch" }>;
