import type { DocumentInterface } from "@langchain/core/documents";
import type { Callbacks } from "@langchain/core/callbacks/manager";
import { BaseDocumentCompressor } from "@langchain/core/retrievers/document_compressors";
import { checkOptions } from "./options.js";
import { ADAPTER, checkTopN, eachText, rankTexts, type AdapterOptions, type Ranker } from "./ranker.js";

export type { AdapterOptions, Ranker } from "./ranker.js";

/** How to make a document compressor for LangChain. */
export interface CappyRerankOptions extends AdapterOptions {
  /** A loaded `Scorer`. */
  scorer: Ranker;
  /** How many of the best to keep, a whole number of at least 1. All without it. */
  topN?: number;
}

/**
 * A document compressor for LangChain.js that keeps the best documents, best first.
 *
 * The documents it returns are copies with `metadata.relevanceScore`, the model's raw logit: trained
 * towards 0..1, but not confined to it. Where tokens were cut because query and document together
 * were too long, `metadata.truncated` says how many. The documents given are left as they are.
 */
export class CappyRerank extends BaseDocumentCompressor {
  readonly #options: CappyRerankOptions;

  /** Throws `CappyError` with code `input` where `topN` is not a whole number from 1. */
  constructor(options: CappyRerankOptions) {
    super();
    checkOptions(options, { ...ADAPTER, scorer: "object", topN: "any" }, "CappyRerank");
    checkTopN(options.topN);
    this.#options = { ...options };
  }

  /**
   * Ranks documents by their `pageContent` against the query. LangChain hands a compressor no abort
   * signal; callbacks are not used.
   */
  override async compressDocuments(
    documents: DocumentInterface[],
    query: string,
    _callbacks?: Callbacks,
  ): Promise<DocumentInterface[]> {
    const { scorer, topN } = this.#options;
    const texts = eachText(documents, "must have a string in `pageContent`", (document) => document?.pageContent);
    const ranked = await rankTexts(scorer, { query, texts, topN }, this.#options);
    return ranked.map(({ index, score, truncated }) => {
      const document = documents[index] as DocumentInterface;
      const metadata = {
        ...document.metadata,
        relevanceScore: score,
        ...(truncated > 0 ? { truncated } : {}),
      };
      // Keeps the class, so that a `Document` stays one.
      const copy = Object.create(Object.getPrototypeOf(document)) as DocumentInterface;
      return Object.assign(copy, document, { metadata });
    });
  }
}
