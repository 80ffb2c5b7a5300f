import type { AbortSignal, Fetch, File, URL } from "./globals.js";

/**
 * How weights are held. `f16` and `f32` say how kernels read numbers of two bytes; `q8` and `q4` round
 * the matrices to 8 or 4 bits while they load, where they do not come so. Arithmetic is f32 always.
 */
export type Dtype = "auto" | "f16" | "f32" | "q8" | "q4";

/**
 * Where to compute. `auto` takes the CPU where no GPU can be used. Where either may be faster it measures both,
 * takes the faster one, and remembers that for the adapter. `info().note` has the reason. Small models are loaded
 * on the CPU first, which gives scores while the GPU is made ready, and move to the GPU when it has passed its
 * self-test: `Scorer.settled` waits for that. `gpu` waits for the GPU.
 */
export type Device = "auto" | "gpu" | "cpu";

/** How the CPU holds weights: `i16` is about as fine as f16, `i8` takes half of the memory. `auto` is `i16`. */
export type CpuWeights = "auto" | "i16" | "i8";

/**
 * Where a model comes from: a hub id (`owner/name`, `owner/name@revision`), the URL of a folder, or
 * files from a picker or a drop. Without one, cappy-small, which comes with this package.
 */
export type ModelSource = string | URL | Iterable<File>;

/** How model files are fetched and kept. */
export interface SourceOptions {
  /** The hub; `https://huggingface.co` unless another is named. */
  endpoint?: string;
  /** The revision of a hub id; `main` unless given here or after an `@`. */
  revision?: string;
  /** Sent with every request, such as `{ Authorization: "Bearer …" }`. */
  headers?: Record<string, string>;
  /** Used in place of the global `fetch`. It runs in the calling thread also when a worker loads the model. */
  fetch?: Fetch;
  /** Keep downloads in this browser, and use what is kept. True by default. */
  cache?: boolean;
  /** Ask the server whether a kept file has changed. True by default. */
  checkFreshness?: boolean;
  /**
   * The expected SHA-256 of files by name, in hexadecimal. It is checked before a byte is used. A file that is
   * missing is an error, and no file without a sum replaces it.
   */
  sha256?: Record<string, string>;
  /**
   * The address of a copy of this package's folder `dist`. Workers, WebAssembly modules and the small
   * model are then taken from there, and not from beside the script that the package is in.
   */
  assets?: string | URL;
}

/** How to load a model. */
export interface LoadOptions extends SourceOptions {
  /** Stops loading, in every phase. */
  signal?: AbortSignal;
  /** Called with how far loading is, every 100 ms at most. Progress never goes back. */
  onProgress?: (progress: LoadProgress) => void;
  /** Where to compute; `auto` by default. The part of this package for the CPU is loaded only when it is needed. */
  device?: Device;
  /** How the CPU holds weights, where it computes. */
  cpuWeights?: CpuWeights;
  /** How weights are held; `auto` takes them as they are stored, and f16 where the adapter has it and it proves right. */
  dtype?: Dtype;
  /** The most tokens of one batch. Scores do not depend on it. */
  batchTokens?: number;
  /**
   * The most workers that share out the pairs of a call where the CPU computes, each with a copy of the model. By
   * default as many as there are cores, up to 8, as long as the copies fit into a quarter of the device's memory.
   * Scores do not depend on it.
   */
  threads?: number;
  /** The matmul kernel that runs everything, in place of those that measuring finds fastest: `large`, `medium`, `half_large`, `half_medium`, `broadcast`, `rows`, `lanes`, `subgroup`. */
  kernel?: string;
  /** Run in a worker, so that the page or Node's event loop stays free. True by default, where there are workers. */
  worker?: boolean;
  /** What adaptation changes of the model, as `Scorer.apply` takes it. */
  adaptation?: AdaptationSource;
}

/** How far loading is. */
export interface LoadProgress {
  /** `download`: bytes come from the network or the cache; `load`: weights go to the GPU. */
  phase: "download" | "load";
  /** What is loaded, as `info().model` will say: a hub id, an address, `cappy-small`. */
  model: string;
  /** The file that is downloaded; empty while weights go to the GPU. */
  file: string;
  /** Bytes done of this phase, over all files. */
  bytes: number;
  /** Bytes of this phase in all. */
  total: number;
}

/** A candidate: its text, or an object that has one and comes back as it went in. */
export type Candidate = string | { readonly text: string };

/** One ranked candidate. */
export interface Ranked<C extends Candidate = string> {
  /** Its place among the candidates as given, from 0. */
  index: number;
  /** The raw logit; nominally 0..1. */
  score: number;
  /** Its text. */
  text: string;
  /** The candidate as it went in. */
  candidate: C;
  /** What computed the score. All results of one call come from one device. */
  device: "gpu" | "cpu";
  /** Tokens of instruction and candidate as they were scored, special tokens included. */
  tokens: number;
  /** Tokens that were cut because instruction and candidate together were too long. */
  truncated: number;
}

/** A candidate that has just been scored, with its place in the order as given. */
export type Scored<C extends Candidate = string> = Ranked<C>;

/** How to score. */
export interface ScoreOptions {
  /** Stops the work between submissions to the GPU. */
  signal?: AbortSignal;
  /** Called with how many candidates are done: after the first batch, every 100 ms at most, and at the end. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

/** How to rank. */
export interface RankOptions extends ScoreOptions {
  /** How many of the best to keep. All without it. */
  topK?: number;
}

/** The adapter that a scorer runs on, as far as the browser tells. */
export interface AdapterInfo {
  /** The chip's maker, such as `nvidia`; empty where the browser hides it. */
  vendor: string;
  /** The chip's family. */
  architecture: string;
  /** A longer name. */
  description: string;
  /** Whether shaders run on a CPU. */
  software: boolean;
  /** Whether it has `shader-f16`. */
  f16: boolean;
  /** Invocations of its smallest subgroups; 0 where it has none. */
  subgroupSize: number;
  /** Invocations of its largest ones. */
  subgroupMaxSize: number;
  /** Whether shaders may say for which size of subgroups they are compiled: WebGPU's `subgroup-size-control`. */
  subgroupSizeControl: boolean;
  /** The largest storage binding in bytes. */
  maxBindingBytes: number;
}

/** What was loaded and how it runs. */
export interface Info {
  /** Where the model came from. */
  model: string;
  /** What was applied to it; empty for a model as it is. */
  adaptation: string;
  /** The format of its weights: `safetensors`, `torch zip`. */
  format: string;
  /** How many numbers its weights are. */
  parameters: number;
  /** Bytes of its weights where they came from. */
  fileBytes: number;
  /** Bytes of GPU memory in use, weights and activations. */
  gpuBytes: number;
  /** Bytes of weights in the page's memory, where the CPU computes: in all its workers, also those not started yet. */
  cpuBytes: number;
  /** The most workers that share out the pairs of a call; 1 where the GPU computes. */
  threads: number;
  /** What computes. */
  device: "gpu" | "cpu";
  /** The longest pair in tokens. */
  maxTokens: number;
  /** The names of its outputs; one for a scorer. */
  labels: string[];
  /** What its output means, for people. */
  output: string;
  /** How kernels read numbers of two bytes. */
  dtype: "f16" | "f32";
  /** How matrices are held. */
  weights: "f16" | "q8" | "q4";
  /** Why this device and this `dtype` were chosen, where the options do not say so. */
  note: string;
  /** The most tokens of one batch. */
  batchTokens: number;
  /** The matmul kernels that run, by name. */
  kernels: string;
  /** Seconds that it took to find them by measuring; 0 where they are remembered from an earlier load. */
  tuningSeconds: number;
  /** The adapter it runs on. */
  adapter: AdapterInfo;
  /** Whether it runs in a worker. */
  worker: boolean;
  /** How often the GPU device was lost and rebuilt. */
  losses: number;
}

/** What loading a model would cost. */
export interface Cost {
  /** The model as it was named. */
  model: string;
  /** Bytes of all files that loading reads. */
  bytes: number;
  /** Bytes of them that are not kept here yet. */
  download: number;
  /** Bytes of GPU memory that the weights will take, held as they are stored. */
  gpuBytes: number;
  /**
   * About how many it is with each `dtype`; what is downloaded stays the same. `null` where
   * `config.json` does not tell the model's shape.
   */
  gpuBytesAs: Record<"f16" | "q8" | "q4", number> | null;
  /**
   * About how many bytes of the page's memory the weights will take where the CPU computes, in all its workers
   * together; `null` as above.
   */
  cpuBytes: number | null;
  /** The file with the weights. */
  weights: string;
  /** Bytes of storage that the browser still grants; `null` where it does not say. */
  quota: number | null;
}

/** A model that is kept in this browser. */
export interface KeptModel {
  /** Its name, to load it by and to delete it by. */
  model: string;
  /** Bytes that are kept. */
  bytes: number;
  /** Whether every file of it is complete. */
  complete: boolean;
}

/**
 * Something to learn from, of one of three kinds, which differ in their fields: a pair and the score that it ought
 * to get; a task with right answers, and maybe generated ones; answers that are better than others. Other fields
 * are ignored.
 */
export type Lesson =
  | { readonly instruction: string; readonly response: string; readonly label: number }
  | {
      readonly instruction: string;
      readonly references: string | readonly string[];
      readonly samples?: readonly string[];
    }
  | {
      readonly instruction: string;
      readonly chosen: string | readonly string[];
      readonly rejected: string | readonly string[];
    };

/** Which part of a model is trained: the head alone, adapters of low rank and the head, or everything. */
export type Depth = "head" | "lora" | "full";

/** How to adapt a model. */
export interface AdaptOptions {
  /** Which part is trained. `head` by default: the encoder stays as it is, and training takes seconds. */
  depth?: Depth;
  /** The rank of `lora`; 8 by default. */
  rank?: number;
  /** What `lora` adds is multiplied by `alpha / rank`. Twice the rank by default. */
  alpha?: number;
  /** The highest learning rate; 1e-3 for `head`, 5e-4 for `lora`, 5e-5 for `full` by default. */
  learningRate?: number;
  /** Examples of one step; 16 by default. */
  batch?: number;
  /** How often each example is learned from; 30 for `head`, 10 for `lora`, 3 for `full` by default. */
  epochs?: number;
  /** In place of `epochs`: how many examples to learn from, repetitions included. The Cappy paper takes 102,400. */
  size?: number;
  /** The share of instructions that is held out for measuring; 0.1 by default. */
  heldOut?: number;
  /** Training ends early after so many checks of the held-out part without an improvement; 3 by default, 0 for never. */
  patience?: number;
  /** The same seed, lessons and options give the same weights on one adapter; 0 by default. */
  seed?: number;
  /** The most bytes of GPU memory that training may take; 8 GiB by default. */
  memory?: number;
  /**
   * A name under which the browser keeps the state of training, every few seconds, and the result. The same call
   * again resumes where training was stopped.
   */
  keep?: string;
  /** Stops the work. */
  signal?: AbortSignal;
  /** Called with what training will take, before it begins. */
  onPlan?: (plan: AdaptPlan) => void;
  /** Called for every step, also for those of an earlier call that this one resumes. */
  onProgress?: (progress: AdaptProgress) => void;
}

/** What training will take. */
export interface AdaptPlan {
  /** Optimizer steps. */
  steps: number;
  /** Examples in all steps together. */
  examples: number;
  /** Examples of the held-out part. */
  heldOut: number;
  /** Bytes of GPU memory, besides the scorer's own. */
  gpuBytes: number;
  /** Tokens that go through the encoder at once. */
  batchTokens: number;
  /** Whether each layer's forward pass is computed twice, to save memory. */
  recompute: boolean;
}

/** One step of training. */
export interface AdaptStep {
  /** Its number, from 1. */
  step: number;
  /** The mean squared error of its examples, before it. */
  loss: number;
  /** The norm of its gradients. */
  norm: number;
  /** Its learning rate. */
  learningRate: number;
  /** The mean squared error of the held-out part after it, where that was looked at. */
  heldOut: number | null;
}

/** How far training is. */
export interface AdaptProgress extends AdaptStep {
  /** Steps in all, unless it ends early. */
  steps: number;
}

/** How training went. */
export interface AdaptHistory {
  /** The held-out part's error before the first step; `null` without such a part. */
  heldOutBefore: number | null;
  /** Every step. */
  steps: AdaptStep[];
  /** The step whose weights are the result, where there is a held-out part; 0 is the model as it was. */
  best: number | null;
  /** Whether it ended early. */
  stoppedEarly: boolean;
}

/** What a model has learned. */
export interface Adapted {
  /** Its name: the one that it is kept under, or else its depth and steps. */
  name: string;
  /** The model that it was made for. */
  model: string;
  /** Which part was trained. */
  depth: Depth;
  /**
   * The adapter as `peft` has it (`adapter_model.safetensors`, `adapter_config.json`); for `full` the
   * checkpoint as `transformers` has it.
   */
  files: File[];
  /** What training took. */
  plan: AdaptPlan;
  /** How it went. */
  history: AdaptHistory;
}

/** An adaptation to apply to a model: the result of `adapt`, the files of an adapter, or the name that one is kept under. */
export type AdaptationSource = Adapted | Iterable<File> | string;

/** An adaptation that is kept in this browser. */
export interface KeptAdaptation {
  /** Its name, to apply it by and to delete it by. */
  name: string;
  /** The model that it was made for. */
  model: string;
  /** Which part was trained. */
  depth: Depth;
  /** Bytes that are kept. */
  bytes: number;
  /** Whether it has a result that can be applied. */
  complete: boolean;
  /** The steps taken of a run that can be resumed; `null` where there is none. */
  resumable: { step: number; steps: number } | null;
}
