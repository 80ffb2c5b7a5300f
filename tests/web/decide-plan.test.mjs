// How decisions become pairs and scores become answers: the same cases as natively, without a model.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const { answerOf, planned, probabilities } = await import("../../target/modules/decide/plan.js");
const { defaultRendering, renderingOver } = await import("../../target/modules/decide/rendering.js");

const cappy = defaultRendering(1, true);
const cases = JSON.parse(readFileSync(new URL("../fixtures/decide/pairs.json", import.meta.url), "utf8"));

for (const { name, decision, pairs } of cases) {
  test(`questions become the same pairs as natively: ${name}`, () => {
    const found = planned(decision, cappy).flatMap(({ instruction, options }) =>
      options.map(({ response }) => [instruction, response]),
    );
    assert.deepEqual(found, pairs);
  });
}

/** A decision of one question. */
const asking = (/** @type {any} */ question) => ({ state: "s", questions: { q: question } });

const FAULTS = [
  [null, "decision: is not an object"],
  [{ questions: {} }, "state: is missing"],
  [{ state: "" }, "questions: are missing"],
  [{ state: "", questions: {} }, "questions: are none"],
  [{ state: () => {}, questions: { q: { type: "boolean", instructions: "?" } } }, "state: is neither a text nor JSON"],
  [{ state: Number.NaN, questions: { q: { type: "boolean", instructions: "?" } } }, "state: is neither a text nor"],
  [asking(5), "questions.q: is not an object"],
  [asking({ type: "box" }), "questions.q.type: is box, which is in pictures"],
  [asking({ instructions: "?" }), "questions.q.type: is none of choice, score and boolean"],
  [asking({ type: "choice" }), "questions.q.criteria: is not an object of options"],
  [asking({ type: "choice", criteria: {} }), "questions.q.criteria: has 0; a choice has 2 to 256 options"],
  [asking({ type: "score", criteria: ["only"] }), "questions.q.criteria: has 1; a score has 2 to 256 levels"],
  [asking({ type: "boolean", criteria: { true: null } }), "questions.q.instructions: is missing, and criteria"],
  [asking({ type: "boolean", instructions: "?", criterion: 1 }), "questions.q: unknown field `criterion`"],
];

test("each fault of a decision is named", () => {
  for (const [decision, expected] of FAULTS) {
    assert.throws(
      () => planned(/** @type {any} */ (decision), cappy),
      (/** @type {any} */ error) => error.code === "input" && error.message.startsWith(expected),
      String(expected),
    );
  }
});

test("the faults of a rendering are named", () => {
  for (const [given, expected] of [
    [5, "decide.json: is not a JSON object"],
    [{ temperature: 0 }, "decide.json: temperature: is not a number above 0"],
    [{ temperature: "1" }, "decide.json: temperature: is neither a number nor an object"],
    [{ temperature: { choice: 1, score: 2 } }, "decide.json: temperature: is neither a number nor an object"],
    [{ temperature: { choice: 1, score: -2, boolean: 1 } }, "decide.json: temperature: is not a number above 0"],
    [{ instruction: "x" }, "decide.json: instruction: has no {state}"],
    [{ response: "x" }, "decide.json: response: has no {option}"],
    [{ described: "{name}" }, "decide.json: described: lacks"],
    [{ yes: "no" }, "decide.json: yes: is the same as no"],
    [{ instructions: "" }, "decide.json: unknown field `instructions`"],
  ]) {
    assert.throws(
      () => renderingOver(cappy, given, "decide.json", "config"),
      (/** @type {any} */ error) => error.code === "config" && error.message.startsWith(expected),
      String(expected),
    );
  }
  assert.deepEqual(renderingOver(cappy, { temperature: 2 }, "", "config"), { ...cappy, temperature: 2 });
});

test("probabilities sum to 1, and the order of scores changes no bit", () => {
  const scores = Array.from({ length: 97 }, (_, i) => Math.fround(Math.sin(i * 0.37)));
  const forward = probabilities(scores, 0.13);
  // One other order could give the same sum by chance.
  for (let turn = 1; turn < scores.length; turn += 1) {
    const turned = probabilities([...scores.slice(turn), ...scores.slice(0, turn)].reverse(), 0.13).reverse();
    assert.deepEqual([...turned.slice(-turn), ...turned.slice(0, -turn)], forward, `${turn}`);
  }
  assert.ok(Math.abs(forward.reduce((sum, p) => sum + p, 0) - 1) < 1e-9);
  assert.deepEqual(probabilities([0.7, 0.7], 0.01), [0.5, 0.5]);
});

test("of equal options the first by name is chosen, whatever their order", () => {
  for (const criteria of [
    { b: null, a: null },
    { a: null, b: null },
  ]) {
    const [question] = planned(asking({ type: "choice", criteria }), cappy);
    assert.equal(/** @type {any} */ (answerOf(question, [0.5, 0.5], 0.2)).choice, "a");
  }
});
