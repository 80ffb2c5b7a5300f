import type { RerankingModelV3 } from "@ai-sdk/provider";
import { CappyError } from "./error.js";
import { checkOptions } from "./options.js";
import { ADAPTER, rankTexts, textsOf, type AdapterOptions, type Ranker } from "./ranker.js";
import type { Ranked } from "./types.js";

export {
  cappyDecider,
  type CappyDeciderOptions,
  type CappyDecisionCall,
  type CappyDecisionModel,
  type CappyDecisionResult,
  type CappyStatePart,
  type Decider,
} from "./decider.js";
export type { AdapterOptions, Ranker } from "./ranker.js";

/** How to make a reranking model for the AI SDK. */
export interface CappyRerankerOptions extends AdapterOptions {
  /** The name that the AI SDK shows in its results and traces; `cappy` unless given. */
  modelId?: string;
  /** The version of the AI SDK's interface. 3 by default, which `ai` 6 speaks and `ai` 7 accepts; `ai` 7 speaks 4. */
  version?: 3 | 4;
}

/** `RerankingModelV4` of `@ai-sdk/provider` 4, told by means of version 3, which has no such type. */
export type CappyRerankingModelV4 = Omit<RerankingModelV3, "specificationVersion"> & {
  /** The version of the interface. */
  readonly specificationVersion: "v4";
};

/**
 * A reranking model for the AI SDK's `rerank()`, over a loaded `Scorer`.
 *
 * Documents are texts or objects with a string in `text`; other fields are not read. A score is the
 * model's raw logit: trained towards 0..1, but not confined to it. Documents that were cut because
 * they are too long give a warning. `headers` and `providerOptions` are ignored, since no request
 * is sent.
 *
 * Calls throw `CappyError` with code `input` for a `topN` that is not a whole number from 1 or for a
 * document without text, by its name.
 */
export function cappyReranker(scorer: Ranker, options?: CappyRerankerOptions & { version?: 3 }): RerankingModelV3;
/** The same in version 4 of the interface. */
export function cappyReranker(scorer: Ranker, options: CappyRerankerOptions & { version: 4 }): CappyRerankingModelV4;
export function cappyReranker(
  scorer: Ranker,
  options: CappyRerankerOptions = {},
): RerankingModelV3 | CappyRerankingModelV4 {
  checkOptions(options, { ...ADAPTER, modelId: "string", version: "number" }, "cappyReranker");
  const { modelId = "cappy", version = 3 } = options;
  if (version !== 3 && version !== 4) throw new CappyError("input", "version", `is ${version}; 3 and 4 are known`);
  // A plain object without `this`: `ai` 7 wraps models of version 3 in a proxy.
  return {
    specificationVersion: `v${version}`,
    provider: "cappy-web",
    modelId,
    async doRerank({ documents, query, topN, abortSignal }: Parameters<RerankingModelV3["doRerank"]>[0]) {
      const texts = textsOf(documents.values);
      const ranked = await rankTexts(scorer, { query, texts, topN, signal: abortSignal }, options);
      return {
        ranking: ranked.map(({ index, score }) => ({ index, relevanceScore: score })),
        warnings: warningsFor(ranked),
        response: { modelId },
      };
    },
  } as RerankingModelV3 | CappyRerankingModelV4;
}

function warningsFor(ranked: readonly Ranked[]): { type: "other"; message: string }[] {
  const cut = ranked.filter(({ truncated }) => truncated > 0);
  return cut.map(({ index, truncated }) => ({
    type: "other",
    message: `documents[${index}] with its query is too long: ${truncated} tokens were cut`,
  }));
}
