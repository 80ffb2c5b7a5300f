import assert from "node:assert/strict";
import { test } from "node:test";
import { reranker } from "../../../dist/rerank.js";
import { badTopN, handRanker, inputError } from "./ranker.mjs";

const documents = ["0.2 b", { text: "0.9 a", id: 7 }, "0.2 c!!", "-0.1 d"];

test("results come best first, equal scores in the order given, with indices of the input", async () => {
  const { results } = await reranker(handRanker()).rerank({ query: "q", documents });
  assert.deepEqual(results, [
    { index: 1, relevanceScore: 0.9, truncated: 0 },
    { index: 0, relevanceScore: 0.2, truncated: 0 },
    { index: 2, relevanceScore: 0.2, truncated: 2 },
    { index: 3, relevanceScore: -0.1, truncated: 0 },
  ]);
});

test("topN keeps the best, also when there are fewer", async () => {
  const { rerank } = reranker(handRanker());
  assert.deepEqual(
    (await rerank({ query: "q", documents, topN: 2 })).results.map((r) => r.index),
    [1, 0],
  );
  assert.equal((await rerank({ query: "q", documents, topN: 99 })).results.length, 4);
});

test("returnDocuments puts the text into the result", async () => {
  const { results } = await reranker(handRanker()).rerank({ query: "q", documents, returnDocuments: true });
  assert.deepEqual(
    results.map((r) => r.document),
    [{ text: "0.9 a" }, { text: "0.2 b" }, { text: "0.2 c!!" }, { text: "-0.1 d" }],
  );
});

test("the query is the instruction, unless `instruction` wraps it", async () => {
  const ranker = handRanker();
  await reranker(ranker).rerank({ query: "q", documents });
  await reranker(ranker, { instruction: (query) => `Answer: ${query}` }).rerank({ query: "q", documents });
  assert.deepEqual(
    ranker.calls.map((c) => c.instruction),
    ["q", "Answer: q"],
  );
  assert.deepEqual(ranker.calls[0].candidates, ["0.2 b", "0.9 a", "0.2 c!!", "-0.1 d"]);
});

test("without documents there is no work, but a wrong request is still refused", async () => {
  const ranker = handRanker();
  const { rerank } = reranker(ranker);
  assert.deepEqual(await rerank({ query: "q", documents: [] }), { results: [] });
  await assert.rejects(rerank({ query: "q", documents: [], topN: 0 }), inputError("topN"));
  assert.equal(ranker.calls.length, 0);
});

test("a topN that makes no sense is refused by name", async () => {
  const ranker = handRanker();
  for (const topN of badTopN) {
    await assert.rejects(reranker(ranker).rerank({ query: "q", documents, topN }), inputError("topN"), String(topN));
  }
  assert.equal(ranker.calls.length, 0);
});

test("a document without text is refused by its place", async () => {
  for (const bad of [{}, { text: 3 }, null, undefined, 5, { pageContent: "x" }]) {
    /** @type {any} */
    const request = { query: "q", documents: ["0 a", "0 b", "0 c", bad] };
    await assert.rejects(reranker(handRanker()).rerank(request), inputError("documents[3]"));
  }
  const holes = ["0 a", "0 b", "0 c"];
  delete holes[1];
  await assert.rejects(reranker(handRanker()).rerank({ query: "q", documents: holes }), inputError("documents[1]"));
});

test("what is not an array, not a query or not an option is refused by name", async () => {
  /** @type {{ rerank(request: any): Promise<unknown> }} */
  const { rerank } = reranker(handRanker());
  await assert.rejects(rerank({ query: "q", documents: "0 a" }), inputError("documents"));
  await assert.rejects(rerank({ documents }), inputError("query"));
  await assert.rejects(rerank({ query: "q", documents, top_n: 1 }), inputError("top_n"));
});

test("the signal goes to the scorer, and an aborted one stops before it", async () => {
  const ranker = handRanker();
  const { signal } = new AbortController();
  await reranker(ranker).rerank({ query: "q", documents, signal });
  assert.equal(ranker.calls[0].options.signal, signal);
  for (const some of [documents, []]) {
    /** @type {any} */
    const request = { query: "q", documents: some, signal: AbortSignal.abort() };
    await assert.rejects(reranker(ranker).rerank(request), { name: "CappyError", code: "aborted" });
  }
  assert.equal(ranker.calls.length, 1);
});

test("an error of the scorer is passed on as it is", async () => {
  const error = new Error("gone");
  const broken = { rank: () => Promise.reject(error) };
  await assert.rejects(reranker(broken).rerank({ query: "q", documents }), (e) => e === error);
});
