import type { EngineOptions, Shared, TextScore } from "./engine.js";
import type { PlainSource } from "./loader/picked.js";
import type { PlainCause, PlainError } from "./thrown.js";
import type { Info, LoadProgress } from "./types.js";

/** Messages from the page to a worker that scores. */
export type ToWorker =
  | { type: "load"; id: number; source: PlainSource; options: EngineOptions; customFetch: boolean }
  | { type: "score"; id: number; instructions: string[]; texts: string[] }
  | { type: "race"; id: number; rival: number }
  | { type: "abort"; id: number }
  | { type: "ping" }
  | { type: "fetched"; id: number; response: PlainResponse }
  | { type: "not-fetched"; id: number; cause: PlainCause };

/** Messages from a worker that scores to the page. */
export type FromWorker =
  | { type: "progress"; id: number; progress: LoadProgress }
  /** Comes before the message of whatever has changed it. */
  | { type: "info"; info: PlainInfo }
  | { type: "shared"; shared: Shared }
  | { type: "batch"; id: number; scores: TextScore[] }
  | { type: "done"; id: number }
  | { type: "failed"; id: number; error: PlainError }
  | { type: "pong" }
  | { type: "fetch"; id: number; url: string; init: PlainRequest }
  | { type: "stop-fetch"; id: number };

/** What an engine says of itself. */
export type PlainInfo = Omit<Info, "worker">;

/** The part of a `RequestInit` that the loader uses. */
export interface PlainRequest {
  method?: string;
  cache?: RequestCache;
  headers: [string, string][];
}

/** A `Response` in a message; its body is a stream where streams can be sent. */
export interface PlainResponse {
  url: string;
  status: number;
  headers: [string, string][];
  body: ReadableStream<Uint8Array> | ArrayBuffer | null;
}
