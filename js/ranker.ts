import { CappyError, throwIfAborted } from "./error.js";
import type { AbortSignal } from "./globals.js";
import type { Candidate, Ranked, RankOptions } from "./types.js";

/** What the adapters need of a `Scorer`: candidates in, the same candidates out, best first. */
export interface Ranker {
  /** Scores every candidate as a response to `instruction`; in the order of `bestFirst`. */
  rank<C extends Candidate>(instruction: string, candidates: readonly C[], options?: RankOptions): Promise<Ranked<C>[]>;
}

/** The options of every adapter. */
export interface AdapterOptions {
  /**
   * Makes the instruction from the query, such as `(query) => "Which text answers: " + query`.
   * Without it the query is the instruction.
   */
  instruction?: (query: string) => string;
}

/** The same by the types that they take, for `checkOptions`. */
export const ADAPTER = { instruction: "function" } as const;

/** A request, in the form that all adapters share. */
export interface Request {
  /** What the documents are ranked against. */
  query: string;
  /** The documents' texts. */
  texts: readonly string[];
  /** How many of the best to keep; all without it. */
  topN?: number;
  /** Stops the work. */
  signal?: AbortSignal;
}

/** Ranks texts against a query. Checks the request; no texts are no work. */
export async function rankTexts(
  ranker: Ranker,
  { query, texts, topN, signal }: Request,
  options: AdapterOptions,
): Promise<Ranked<string>[]> {
  checkTopN(topN);
  if (typeof query !== "string") {
    throw new CappyError("input", "query", "must be a string");
  }
  throwIfAborted(signal, "rank");
  if (texts.length === 0) {
    return [];
  }
  const instruction = options.instruction ? options.instruction(query) : query;
  return ranker.rank(instruction, texts, { topK: topN, signal });
}

/** Throws `input` unless `topN` is absent or a whole number from 1. More than there are is fine. */
export function checkTopN(topN: number | undefined): void {
  if (topN !== undefined && !(Number.isSafeInteger(topN) && topN >= 1)) {
    throw new CappyError("input", "topN", `must be a whole number of at least 1, is ${String(topN)}`);
  }
}

/** The texts of documents that are strings or have a `text`. Throws `input` naming the first without. */
export function textsOf(documents: readonly unknown[]): string[] {
  return eachText(documents, "must be a string or have a string in `text`", (document) =>
    typeof document === "string" ? document : (document as { text?: unknown } | null | undefined)?.text,
  );
}

/** What `textOf` finds in each document. Throws `input` with `rule`, naming the first without a string. */
export function eachText<D>(documents: readonly D[], rule: string, textOf: (document: D) => unknown): string[] {
  if (!Array.isArray(documents)) {
    throw new CappyError("input", "documents", "must be an array");
  }
  // Unlike `map`, `Array.from` visits holes too.
  return Array.from(documents as readonly D[], (document, index) => {
    const text = textOf(document);
    if (typeof text !== "string") {
      throw new CappyError("input", `documents[${index}]`, rule);
    }
    return text;
  });
}
