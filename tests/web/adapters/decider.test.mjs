import assert from "node:assert/strict";
import { test } from "node:test";
import { cappyDecider } from "../../../dist/ai-sdk.js";
import { CappyError } from "../../../dist/index.js";
import { inputError } from "./ranker.mjs";

/** A decider that answers every question alike; `calls` has what it was asked, and `truncated` tokens are cut. */
function handDecider(truncated = 0) {
  const calls = [];
  return {
    calls,
    async decide(decision, options) {
      calls.push({ ...decision, options });
      if (options.signal?.aborted) throw new CappyError("aborted", "decide", "the caller stopped the work");
      const answers = Object.keys(decision.questions).map((name) => [name, { type: "boolean", probability: 0.75 }]);
      return { answers: Object.fromEntries(answers), truncated };
    },
  };
}

const text = (/** @type {string} */ text) => /** @type {const} */ ({ type: "text", text });
const json = (/** @type {any} */ value) => /** @type {const} */ ({ type: "json", value });
const file = (/** @type {string} */ mediaType, /** @type {any} */ data) =>
  /** @type {const} */ ({ type: "file", mediaType, data });
const QUESTIONS = /** @type {const} */ ({ ok: { type: "boolean", instructions: "Is it fine?" } });

/** What the decider is given as the state. */
async function stateOf(...state) {
  const decider = handDecider();
  await cappyDecider(decider).doDecide({ state, questions: QUESTIONS });
  return decider.calls[0].state;
}

test("cappyDecider says what it is", () => {
  const model = cappyDecider(handDecider());
  assert.equal(model.specificationVersion, "v4");
  assert.equal(model.provider, "cappy-web");
  assert.equal(model.modelId, "cappy");
  assert.deepEqual(model.supportedQuestionTypes, ["choice", "score", "boolean"]);
  assert.equal(cappyDecider(handDecider(), { modelId: "mine" }).modelId, "mine");
});

test("cappyDecider hands on one part as it is, and several as texts in their order", async () => {
  assert.equal(await stateOf(text("It rains.")), "It rains.");
  assert.deepEqual(await stateOf(json({ a: [1] })), { a: [1] });
  assert.equal(await stateOf(), "");
  assert.equal(await stateOf(text("Look:"), json({ a: 1, b: "x" }), text("Well?")), "Look:\n\na: 1\nb: x\n\nWell?");
});

test("cappyDecider reads files of text, and refuses others by their place", async () => {
  const bytes = new TextEncoder().encode("é\n");
  assert.equal(await stateOf(file("text/plain", { type: "data", data: bytes })), "é\n");
  assert.equal(await stateOf(file("text", { type: "data", data: Buffer.from(bytes).toString("base64") })), "é\n");
  assert.equal(await stateOf(file("application/ld+json; a=b", { type: "data", data: bytes })), "é\n");
  assert.equal(await stateOf(file("application/pdf", { type: "text", text: "read already" })), "read already");
  for (const [part, what] of /** @type {[any, RegExp][]} */ ([
    [file("image/png", { type: "data", data: bytes }), /^state\[1\]: is a file of type image\/png; texts and JSON/],
    [
      file("text/plain", { type: "url", url: new URL("https://host.invalid/") }),
      /^state\[1\]: is a file that is elsewh/,
    ],
    [file("text/plain", { type: "data", data: new Uint8Array([0xff]) }), /^state\[1\]: is no text in UTF-8/],
    [file("text/plain", { type: "data", data: "?" }), /^state\[1\]: is no text in UTF-8/],
  ])) {
    await assert.rejects(stateOf(text(""), part), { code: "input", message: what });
  }
});

test("cappyDecider refuses questions that cannot be answered, says why, and answers the others", async () => {
  const decider = handDecider();
  /** @type {any} */
  const questions = {
    box: { type: "box", instructions: "Where is it?" },
    ok: QUESTIONS.ok,
    level: { type: "score", criteria: ["only one"] },
    option: { type: "choice", criteria: { only: null } },
  };
  const { answers, warnings, response } = await cappyDecider(decider).doDecide({ state: [text("")], questions });
  const refusal = { type: "refusal" };
  assert.deepEqual(answers, {
    box: refusal,
    ok: { type: "boolean", probability: 0.75 },
    level: refusal,
    option: refusal,
  });
  assert.deepEqual(Object.keys(answers), ["box", "ok", "level", "option"]);
  assert.deepEqual(Object.keys(decider.calls[0].questions), ["ok"]);
  assert.deepEqual(
    warnings.map((/** @type {any} */ { type, message }) => `${type} ${message.split(";")[0]}`),
    [
      "other questions.box.type: is box, which is in pictures",
      "other questions.level.criteria: has 1",
      "other questions.option.criteria: has 1",
    ],
  );
  assert.deepEqual(response, { modelId: "cappy" });
  const none = await cappyDecider(decider).doDecide({ state: [text("")], questions: { box: questions.box } });
  assert.deepEqual(none.answers, { box: refusal });
  assert.equal(decider.calls.length, 1);
});

test("cappyDecider warns of a state that was cut, and of reasoning, and of nothing else", async () => {
  const warningsOf = async (truncated, options) =>
    (await cappyDecider(handDecider(truncated)).doDecide({ state: [text("")], questions: QUESTIONS, ...options }))
      .warnings;
  assert.deepEqual(await warningsOf(0, { reasoning: "none", maxOutputTokens: 5, headers: {} }), []);
  assert.deepEqual(await warningsOf(0, { reasoning: "provider-default" }), []);
  const [cut] = await warningsOf(7, {});
  assert.deepEqual(cut, { type: "other", message: "state: is too long: 7 tokens were cut" });
  /** @type {any[]} */
  const [reasoning] = await warningsOf(0, { reasoning: "high" });
  assert.deepEqual([reasoning.type, reasoning.feature], ["unsupported", "reasoning"]);
});

test("cappyDecider passes on signal and rendering, and refuses other options by name", async () => {
  const decider = handDecider();
  const { signal: abortSignal } = new AbortController();
  const rendering = { temperature: 0.5 };
  await cappyDecider(decider, { rendering }).doDecide({ state: [text("")], questions: QUESTIONS, abortSignal });
  assert.deepEqual(decider.calls[0].options, { signal: abortSignal, rendering });
  const aborted = { state: [text("")], questions: QUESTIONS, abortSignal: AbortSignal.abort() };
  await assert.rejects(cappyDecider(decider).doDecide(aborted), { code: "aborted" });
  assert.equal(decider.calls.length, 1);
  assert.throws(() => cappyDecider(decider, /** @type {any} */ ({ model: "x" })), inputError("model"));
});

test("a question may be called __proto__", async () => {
  const questions = Object.fromEntries([["__proto__", QUESTIONS.ok]]);
  const { answers } = await cappyDecider(handDecider()).doDecide({ state: [text("")], questions });
  assert.deepEqual(Object.keys(answers), ["__proto__"]);
});
