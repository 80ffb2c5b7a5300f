import assert from "node:assert/strict";
import { test } from "node:test";
import { Document } from "@langchain/core/documents";
import { BaseDocumentCompressor } from "@langchain/core/retrievers/document_compressors";
import { CappyRerank } from "../../../dist/langchain.js";
import { badTopN, handRanker, inputError } from "./ranker.mjs";

const given = () => [
  new Document({ pageContent: "0.2", metadata: { source: "a" }, id: "1" }),
  new Document({ pageContent: "0.8!", metadata: { source: "b", relevanceScore: 99 } }),
  { pageContent: "0.2 plain", metadata: {} },
];

test("CappyRerank is a document compressor", () => {
  const compressor = new CappyRerank({ scorer: handRanker() });
  assert.ok(compressor instanceof BaseDocumentCompressor);
  assert.ok(BaseDocumentCompressor.isBaseDocumentCompressor(compressor));
});

test("CappyRerank returns documents best first, with the score beside the other metadata", async () => {
  const best = await new CappyRerank({ scorer: handRanker() }).compressDocuments(given(), "q");
  assert.deepEqual(
    best.map((d) => [d.pageContent, d.metadata, d.id]),
    [
      ["0.8!", { source: "b", relevanceScore: 0.8, truncated: 1 }, undefined],
      ["0.2", { source: "a", relevanceScore: 0.2 }, "1"],
      ["0.2 plain", { relevanceScore: 0.2 }, undefined],
    ],
  );
  assert.deepEqual(
    best.map((d) => d instanceof Document),
    [true, true, false],
  );
});

test("CappyRerank leaves the documents that it was given as they were", async () => {
  const documents = given();
  for (const document of documents) {
    Object.freeze(document.metadata);
    Object.freeze(document);
  }
  const best = await new CappyRerank({ scorer: handRanker(), topN: 1 }).compressDocuments(documents, "q");
  assert.equal(best.length, 1);
  assert.notEqual(best[0], documents[1]);
  assert.deepEqual(documents, given());
});

test("CappyRerank passes on instruction and topN, and does nothing without documents", async () => {
  const scorer = handRanker();
  const compressor = new CappyRerank({ scorer, topN: 2, instruction: (query) => `${query}?` });
  assert.deepEqual(await compressor.compressDocuments([], "q"), []);
  assert.equal(scorer.calls.length, 0);
  assert.equal((await compressor.compressDocuments(given(), "q")).length, 2);
  assert.equal(scorer.calls[0].instruction, "q?");
  assert.equal(scorer.calls[0].options.topK, 2);
});

test("CappyRerank refuses wrong values, by name", async () => {
  for (const topN of badTopN) {
    assert.throws(() => new CappyRerank({ scorer: handRanker(), topN }), inputError("topN"));
  }
  const compressor = new CappyRerank({ scorer: handRanker() });
  for (const bad of /** @type {any[]} */ ([{ metadata: {} }, null, undefined, "0.3", { text: "0.3" }])) {
    await assert.rejects(compressor.compressDocuments([...given(), bad], "q"), inputError("documents[3]"));
  }
});
