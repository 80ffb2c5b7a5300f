// The AI SDK 7 in Chromium: the real `ai`, bundled, decides and ranks through `cappy-web/ai-sdk` as the scorer itself does.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

import { openChromium, serve } from "./hosts.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder;
let site;
let host;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cappy-ai-7-"));
  await build({
    stdin: { contents: `export { experimental_decide, rerank } from "ai-7";`, resolveDir: root },
    outfile: join(folder, "ai.js"),
    bundle: true,
    format: "esm",
    platform: "browser",
    logLevel: "error",
  });
  site = await serve(root, { "/test/": folder });
  host = await openChromium(site);
});

after(async () => {
  await host?.close();
  await site?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const STATE = { message: "I was charged twice, please send the money back." };
const QUESTIONS = {
  team: {
    type: "choice",
    instructions: "Which team should handle this?",
    criteria: { billing: "Payments and refunds", support: null, sales: ["New", "customers"] },
  },
  urgency: {
    type: "score",
    instructions: { ask: "How severe is it?" },
    criteria: ["Cosmetic", "Annoying", "Blocking"],
  },
  refund: { type: "boolean", instructions: "Is a refund asked for?" },
};

test("experimental_decide and rerank of `ai` 7 answer as the scorer does", { timeout: 300_000 }, async () => {
  const got = await host.page.evaluate(
    async ({ state, questions }) => {
      const load = (/** @type {string} */ path) => import(path);
      const { Scorer } = await load("/dist/index.js");
      const { cappyDecider, cappyReranker } = await load("/dist/ai-sdk.js");
      const { experimental_decide, rerank } = await load("/test/ai.js");
      globalThis.AI_SDK_LOG_WARNINGS = false;
      const scorer = await Scorer.load("/models/cappy-mini/", { cache: false, device: "gpu" });
      const model = cappyDecider(scorer);
      const failure = (work) =>
        work.then(
          () => "nothing failed",
          ({ name, code, message, questionIds }) => ({ name, code, message, questionIds }),
        );

      const own = await scorer.decide({ state, questions });
      const decided = await experimental_decide({ model, state, questions });
      const parts = [
        { type: "text", text: "A message:" },
        { type: "json", value: state },
        { type: "file", mediaType: "text/plain", data: new TextEncoder().encode("It came by mail.") },
      ];
      const joined = await scorer.decide({
        state: `A message:\n\nmessage: ${state.message}\n\nIt came by mail.`,
        questions,
      });
      const inParts = await experimental_decide({ model, state: parts, questions });
      const long = await experimental_decide({ model, state: "word ".repeat(3000), questions });
      const picture = { type: "file", mediaType: "image/png", data: new Uint8Array([137, 80, 78, 71]) };
      const level = { type: "score", criteria: ["only one"] };
      const stop = new AbortController();
      const faults = {
        picture: await failure(experimental_decide({ model, state: [picture], questions })),
        box: await failure(experimental_decide({ model, state, questions: { at: { type: "box" } } })),
        level: await failure(experimental_decide({ model, state, questions: { ...questions, level } })),
      };
      const late = experimental_decide({ model, state: "word ".repeat(3000), questions, abortSignal: stop.signal });
      setTimeout(() => stop.abort());
      const aborted = await failure(late);

      const query = "Name the animal that barks.";
      const documents = ["cat", "a dog", "dog", "dog", "sofa", "the dog barks"];
      const ranked = await scorer.rank(query, documents, { topK: 4 });
      const rankings = [];
      for (const version of [3, 4]) {
        const reranker = cappyReranker(scorer, { version });
        const { ranking } = await rerank({ model: reranker, query, documents, topN: 4 });
        rankings.push(ranking.map(({ originalIndex: index, score, document: text }) => ({ index, score, text })));
      }
      scorer.dispose();
      return { own, decided, joined, inParts, long, faults, aborted, ranked, rankings };
    },
    { state: STATE, questions: QUESTIONS },
  );

  assert.deepEqual(got.decided.answers, got.own.answers);
  assert.deepEqual(got.decided.warnings, []);
  assert.equal(got.decided.response.modelId, "cappy");
  assert.deepEqual(got.inParts.answers, got.joined.answers);
  assert.notDeepEqual(got.inParts.answers, got.own.answers);
  assert.match(got.long.warnings[0].message, /^state: is too long: \d+ tokens were cut/);
  const { picture, box, level } = got.faults;
  const { aborted } = got;
  assert.match(picture.message, /^state\[0\]: is a file of type image\/png/);
  assert.equal(box.name, "AI_DecisionUnsupportedQuestionTypeError");
  assert.deepEqual([level.name, level.questionIds], ["AI_DecisionRefusalError", ["level"]]);
  assert.ok(aborted.code === "aborted" || aborted.name === "AbortError", JSON.stringify(aborted));
  for (const ranking of got.rankings)
    assert.deepEqual(
      ranking,
      got.ranked.map(({ index, score, text }) => ({ index, score, text })),
    );
});
