import type { RerankingModelV3 } from "@ai-sdk/provider";
import { checkOptions } from "./options.js";
import { ADAPTER, rankTexts, textsOf, type AdapterOptions, type Ranker } from "./ranker.js";
import type { Ranked } from "./types.js";

export type { AdapterOptions, Ranker } from "./ranker.js";

/** How to make a reranking model for the AI SDK. */
export interface CappyRerankerOptions extends AdapterOptions {
  /** The name that the AI SDK shows in its results and traces; `cappy` unless given. */
  modelId?: string;
}

/**
 * A reranking model for the AI SDK's `rerank()`, over a loaded `Scorer`. It implements version 3 of
 * the interface, which `ai` 6 speaks and `ai` 7 accepts.
 *
 * Documents are texts or objects with a string in `text`; other fields are not read. A score is the
 * model's raw logit: trained towards 0..1, but not confined to it. Documents that were cut because
 * they are too long give a warning. `headers` and `providerOptions` are ignored, since no request
 * is sent.
 *
 * Calls throw `CappyError` with code `input` for a `topN` that is not a whole number from 1 or for a
 * document without text, by its name.
 */
export function cappyReranker(scorer: Ranker, options: CappyRerankerOptions = {}): RerankingModelV3 {
  checkOptions(options, { ...ADAPTER, modelId: "string" }, "cappyReranker");
  const modelId = options.modelId ?? "cappy";
  // A plain object without `this`: `ai` 7 wraps models of version 3 in a proxy.
  return {
    specificationVersion: "v3",
    provider: "cappy-web",
    modelId,
    async doRerank({ documents, query, topN, abortSignal }) {
      const texts = textsOf(documents.values);
      const ranked = await rankTexts(scorer, { query, texts, topN, signal: abortSignal }, options);
      return {
        ranking: ranked.map(({ index, score }) => ({ index, relevanceScore: score })),
        warnings: warningsFor(ranked),
        response: { modelId },
      };
    },
  };
}

function warningsFor(ranked: readonly Ranked[]): { type: "other"; message: string }[] {
  const cut = ranked.filter(({ truncated }) => truncated > 0);
  return cut.map(({ index, truncated }) => ({
    type: "other",
    message: `documents[${index}] with its query is too long: ${truncated} tokens were cut`,
  }));
}
