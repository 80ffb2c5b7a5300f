import type { CappyErrorCode } from "./error.js";
import type { EngineOptions, TextScore } from "./engine.js";
import type { PlainSource } from "./loader/picked.js";
import type { Info, LoadProgress } from "./types.js";

/** What the page tells the worker. */
export type ToWorker =
  | { type: "load"; id: number; source: PlainSource; options: EngineOptions; customFetch: boolean }
  | { type: "score"; id: number; instruction: string; texts: string[] }
  | { type: "abort"; id: number }
  | { type: "ping" }
  | { type: "fetched"; id: number; response: PlainResponse }
  | { type: "not-fetched"; id: number; message: string };

/** What the worker tells the page. */
export type FromWorker =
  | { type: "progress"; id: number; progress: LoadProgress }
  | { type: "batch"; id: number; first: number; scores: TextScore[]; info: PlainInfo }
  | { type: "done"; id: number; info: PlainInfo }
  | { type: "failed"; id: number; error: PlainError; info: PlainInfo | undefined }
  | { type: "pong" }
  | { type: "fetch"; id: number; url: string; init: PlainRequest }
  | { type: "stop-fetch"; id: number };

/** What an engine says of itself. */
export type PlainInfo = Omit<Info, "worker">;

/** A `CappyError` in a message. */
export interface PlainError {
  code: CappyErrorCode;
  atFault: string;
  message: string;
}

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
