/** How the kernels read the f16 numbers in GPU memory. Arithmetic is f32 either way. */
export type Dtype = "auto" | "f16" | "f32";

/**
 * Where a model comes from: a hub id (`owner/name`, `owner/name@revision`), the URL of a folder, or
 * files from a picker or a drop. Without one, the small model that comes with this package.
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
  /** In place of the global `fetch`. With a worker, requests come back to the calling thread. */
  fetch?: typeof fetch;
  /** Keep downloads in this browser and use what is kept. True unless said otherwise. */
  cache?: boolean;
  /** Ask the server whether a kept file has changed. True unless said otherwise. */
  checkFreshness?: boolean;
  /** Expected SHA-256 of files by name, in hexadecimal. Checked before a byte is used. */
  sha256?: Record<string, string>;
}

/** How to load a model. */
export interface LoadOptions extends SourceOptions {
  /** Stops loading, in every phase. */
  signal?: AbortSignal;
  /** Told how far loading is. */
  onProgress?: (progress: LoadProgress) => void;
  /** How kernels read numbers; `auto` takes f16 where the adapter has it and it proves right. */
  dtype?: Dtype;
  /** The most tokens computed at once. Scores do not depend on it. */
  batchTokens?: number;
  /** The matmul kernel that runs everything, in place of those that measuring finds fastest: `large`, `medium`, `rows`, `lanes`. */
  kernel?: string;
  /** Run in a worker, so that the page stays smooth. True unless said otherwise, where workers exist. */
  worker?: boolean;
}

/** How far loading is. */
export interface LoadProgress {
  /** `download`: bytes come from the network, or from what is kept; `load`: weights go to the GPU. */
  phase: "download" | "load";
  /** The file in question; empty while weights go to the GPU. */
  file: string;
  /** Bytes done of this phase, over all files. */
  bytes: number;
  /** Bytes of this phase in all. Grows while files are found one after the other. */
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
  /** Told after every batch how many candidates are done. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

/** How to rank. */
export interface RankOptions extends ScoreOptions {
  /** Keep the best so many. */
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
  /** The largest storage binding in bytes. */
  maxBindingBytes: number;
}

/** What was loaded and how it runs. */
export interface Info {
  /** Where the model came from. */
  model: string;
  /** The format of its weights: `safetensors`, `torch zip`. */
  format: string;
  /** How many numbers its weights are. */
  parameters: number;
  /** Bytes of its weights where they came from. */
  fileBytes: number;
  /** Bytes of GPU memory in use, weights and activations. */
  gpuBytes: number;
  /** The longest pair in tokens. */
  maxTokens: number;
  /** The names of its outputs; one for a scorer. */
  labels: string[];
  /** The path taken, `f16` or `f32`. */
  dtype: "f16" | "f32";
  /** Why this path and not the other one, where that needs saying. */
  note: string;
  /** The most tokens computed at once. */
  batchTokens: number;
  /** The matmul kernels that run, by name. */
  kernels: string;
  /** Seconds that finding them by measuring took; 0 where they are remembered from an earlier load. */
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
  /** Bytes of GPU memory that the weights will take. */
  gpuBytes: number;
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
