import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { cappyReranker } from "../../../dist/ai-sdk.js";
import { badTopN, handRanker, inputError } from "./ranker.mjs";

/** @param {...any} values @returns {any} */
const texts = (...values) => ({ type: "text", values });

test("cappyReranker says what it is", () => {
  const model = cappyReranker(handRanker());
  assert.equal(model.specificationVersion, "v3");
  assert.equal(model.provider, "cappy-web");
  assert.equal(model.modelId, "cappy");
  assert.equal(cappyReranker(handRanker(), { modelId: "mine" }).modelId, "mine");
  assert.equal(cappyReranker(handRanker(), { version: 3 }).specificationVersion, "v3");
  assert.equal(cappyReranker(handRanker(), { version: 4 }).specificationVersion, "v4");
  assert.throws(() => cappyReranker(handRanker(), /** @type {any} */ ({ version: 5 })), inputError("version"));
});

test("cappyReranker ranks texts, and objects with a text", async () => {
  const model = cappyReranker(handRanker());
  const { ranking } = await model.doRerank({ query: "q", documents: texts("0.1", "0.5", "0.1 x") });
  assert.deepEqual(ranking, [
    { index: 1, relevanceScore: 0.5 },
    { index: 0, relevanceScore: 0.1 },
    { index: 2, relevanceScore: 0.1 },
  ]);
  /** @type {any} */
  const documents = { type: "object", values: [{ text: "0.1", id: 1 }, { text: "0.7" }] };
  const objects = await model.doRerank({ query: "q", documents, topN: 1 });
  assert.deepEqual(objects.ranking, [{ index: 1, relevanceScore: 0.7 }]);
  assert.deepEqual(objects.response, { modelId: "cappy" });
});

test("cappyReranker warns of documents that were cut, and of no others", async () => {
  const { warnings } = await cappyReranker(handRanker()).doRerank({ query: "q", documents: texts("0.1", "0.5!!!") });
  assert.equal(warnings.length, 1);
  assert.equal(warnings[0].type, "other");
  assert.match(warnings[0].message, /^documents\[1\] .*3 tokens/);
});

test("works through the proxy that `ai` 7 puts around models of version 3", async () => {
  const proxy = new Proxy(cappyReranker(handRanker()), {
    get: (target, key) => (key === "specificationVersion" ? "v4" : target[key]),
  });
  const { ranking } = await proxy.doRerank({ query: "q", documents: texts("0.1", "0.5") });
  assert.equal(ranking[0].index, 1);
});

test("cappyReranker passes on instruction, topN and signal", async () => {
  const ranker = handRanker();
  const { signal: abortSignal } = new AbortController();
  const model = cappyReranker(ranker, { instruction: (query) => `${query}?` });
  await model.doRerank({ query: "q", documents: texts("1"), topN: 1, abortSignal });
  assert.equal(ranker.calls[0].instruction, "q?");
  assert.equal(ranker.calls[0].options.topK, 1);
  assert.equal(ranker.calls[0].options.signal, abortSignal);
});

test("cappyReranker refuses wrong values, by name", async () => {
  /** @type {any} */
  const model = cappyReranker(handRanker());
  for (const topN of badTopN) {
    await assert.rejects(model.doRerank({ query: "q", documents: texts("1"), topN }), inputError("topN"));
  }
  const documents = { type: "object", values: [{ text: "1" }, { title: "no text" }] };
  await assert.rejects(model.doRerank({ query: "q", documents }), inputError("documents[1]"));
  await assert.rejects(model.doRerank({ query: "q", documents: texts("1"), abortSignal: AbortSignal.abort() }), {
    code: "aborted",
  });
  assert.deepEqual((await model.doRerank({ query: "q", documents: texts() })).ranking, []);
});

test("imports no package when it runs", async () => {
  for (const file of ["ai-sdk.js", "rerank.js", "ranker.js", "shared.js"]) {
    const source = await readFile(new URL(`../../../dist/${file}`, import.meta.url), "utf8");
    const imported = [...source.matchAll(/(?:from|import)\s*\(?["']([^"']+)["']/g)].map((m) => m[1]);
    assert.deepEqual(
      imported.filter((name) => !name.startsWith("./")),
      [],
      file,
    );
  }
});
