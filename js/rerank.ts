import type { AbortSignal } from "./globals.js";
import { checkOptions } from "./options.js";
import { ADAPTER, rankTexts, textsOf, type AdapterOptions, type Ranker } from "./ranker.js";
import type { Candidate } from "./types.js";

export type { AdapterOptions, Ranker } from "./ranker.js";

/** A rerank request with the names of Cohere's TypeScript SDK. */
export interface RerankRequest {
  /**
   * The name of a model, as calls to Cohere must have it. It is not used: the scorer's own model ranks,
   * whose scores are its own, too.
   */
  model?: string;
  /** What the documents are ranked against. */
  query: string;
  /** The documents: texts, or objects with a `text`. */
  documents: readonly Candidate[];
  /** How many of the best to keep, a whole number of at least 1. All without it. */
  topN?: number;
  /** Put each document's text into its result. False by default. */
  returnDocuments?: boolean;
  /** Stops the work between submissions to the GPU. */
  signal?: AbortSignal;
}

/** One document's place in the answer. */
export interface RerankResult {
  /** Its place among the documents as given, from 0. */
  index: number;
  /** The model's raw logit. Trained towards 0..1, but not confined to it: it may lie a little outside. */
  relevanceScore: number;
  /** Tokens that were cut because query and document together were too long. */
  truncated: number;
  /** Its text, where `returnDocuments` asked for it. */
  document?: { text: string };
}

/** The answer to a rerank request. */
export interface RerankResponse {
  /** Best first; documents with equal scores in the order given. */
  results: RerankResult[];
}

/** Something that reranks. */
export interface Reranker {
  /**
   * Ranks documents against a query. Throws `CappyError` with code `input` for an option that it does
   * not know, a `topN` that is not a whole number from 1, or a document without text, by its name.
   */
  rerank(request: RerankRequest): Promise<RerankResponse>;
}

const KNOWN = {
  query: "any",
  documents: "any",
  topN: "any",
  model: "string",
  returnDocuments: "boolean",
  signal: "signal",
} as const;

/** A reranker with the shape of Cohere's and Jina's, over a loaded `Scorer`. */
export function reranker(scorer: Ranker, options: AdapterOptions = {}): Reranker {
  checkOptions(options, ADAPTER, "reranker");
  return {
    async rerank(request) {
      // Were a `top_n` ignored, the answer would hold more than was asked for.
      checkOptions(request, KNOWN, "rerank");
      const { query, documents, topN, returnDocuments, signal } = request;
      const texts = textsOf(documents);
      const ranked = await rankTexts(scorer, { query, texts, topN, signal }, options);
      return {
        results: ranked.map(({ index, score, text, truncated }) => ({
          index,
          relevanceScore: score,
          truncated,
          ...(returnDocuments ? { document: { text } } : {}),
        })),
      };
    },
  };
}
