// What examples in the documentation take for granted: what an example before them made, and what the reader has.
declare const Scorer: typeof import("cappy-web").Scorer;
declare const reranker: typeof import("cappy-web/rerank").reranker;
declare let scorer: import("cappy-web").Scorer;
declare const query: string;
declare const documents: string[];
declare const signal: AbortSignal;
declare const abortSignal: AbortSignal;
/** What a page of the reader's does without a ranking. */
declare function showPlainList(): undefined;
/** A language model of the reader's. */
declare function generate(prompt: string): Promise<string>;
/** A retriever of LangChain's, whichever it is. */
declare const baseRetriever: unknown;
// Not installed here: docs/adapters.md says that it was tried once by hand.
declare module "@langchain/classic/retrievers/contextual_compression" {
  export class ContextualCompressionRetriever {
    constructor(fields: { baseCompressor: unknown; baseRetriever: unknown });
    invoke(query: string): Promise<{ pageContent: string; metadata: Record<string, unknown> }[]>;
  }
}
