// Compiled, never run: the published declarations against the real packages' types. `dist/` must be
// built first, since the imports go through package.json's `exports`.
import type { RerankingModelV3 } from "@ai-sdk/provider";
import { Document, type DocumentInterface } from "@langchain/core/documents";
import { BaseRetriever } from "@langchain/core/retrievers";
import type { BaseDocumentCompressor } from "@langchain/core/retrievers/document_compressors";
import type { Scorer } from "cappy-web";
import { cappyReranker } from "cappy-web/ai-sdk";
import { CappyRerank } from "cappy-web/langchain";
import { reranker } from "cappy-web/rerank";

declare const scorer: Scorer;

// The AI SDK's model, with both kinds of documents it may send.
const model: RerankingModelV3 = cappyReranker(scorer, { modelId: "m", instruction: (query) => query });
const answer = await model.doRerank({ query: "q", documents: { type: "text", values: ["a"] }, topN: 1 });
answer.ranking[0]!.relevanceScore satisfies number;
await model.doRerank({ query: "q", documents: { type: "object", values: [{ text: "a" }] } });
// @ts-expect-error A model needs a scorer.
cappyReranker();
// @ts-expect-error A scorer can rank.
cappyReranker({ score: async () => 1 });

// LangChain's compressor, used as a retriever around another one uses it.
const compressor: BaseDocumentCompressor = new CappyRerank({ scorer, topN: 2 });
class Compressed extends BaseRetriever {
  lc_namespace = ["test"];
  constructor(
    readonly base: BaseRetriever,
    readonly by: BaseDocumentCompressor,
  ) {
    super();
  }
  override async _getRelevantDocuments(
    query: string,
    runManager?: Parameters<BaseRetriever["_getRelevantDocuments"]>[1],
  ): Promise<DocumentInterface[]> {
    const found = await this.base.invoke(query, { callbacks: runManager?.getChild("base") });
    return this.by.compressDocuments(found, query, runManager?.getChild("compressor"));
  }
}
declare const base: BaseRetriever;
const documents: DocumentInterface[] = await new Compressed(base, compressor).invoke("q");
await compressor.compressDocuments([new Document({ pageContent: "a" }), ...documents], "q");
// @ts-expect-error A compressor needs a scorer.
new CappyRerank({ topN: 2 });

// The shape of Cohere's TypeScript SDK.
const { results } = await reranker(scorer).rerank({
  query: "q",
  documents: ["a", { text: "b" }],
  topN: 1,
  returnDocuments: true,
  signal: AbortSignal.abort(),
});
results satisfies { index: number; relevanceScore: number; document?: { text: string } }[];
// @ts-expect-error The name is topN.
await reranker(scorer).rerank({ query: "q", documents: [], top_n: 1 });
// @ts-expect-error A document has a text.
await reranker(scorer).rerank({ query: "q", documents: [{ title: "a" }] });
