// How the best is chosen among candidates that still arrive, and what becomes of their source: with a scorer by hand, without a model.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const { best } = await import("../../target/modules/best/best.js");
const { CappyError } = await import("../../target/modules/error.js");

/** A scorer by which a text's score is the number that it begins with; `asked` has what it scored. */
function handScorer() {
  const asked = [];
  async function* score([instruction], [text], { signal }) {
    asked.push([instruction, text]);
    await sleep(1);
    if (signal?.aborted) throw new CappyError("aborted", "score", "the caller stopped the work");
    if (text === "fails") throw new CappyError("not-finite", "candidates[0] with its instruction", "is NaN");
    const device = /** @type {const} */ ("cpu");
    yield [{ logits: [parseFloat(text)], device, tokens: text.length, truncated: 0 }];
  }
  return Object.assign(score, { asked });
}

/** A source of `candidates` that counts calls in `calls`; `faults` may replace what next and return do. */
function source(candidates, faults = {}) {
  const calls = { next: 0, return: 0 };
  const iterator = {
    async next() {
      calls.next += 1;
      if (calls.next > candidates.length) return (faults.atEnd ?? (() => ({ done: true, value: undefined })))();
      return { done: false, value: candidates[calls.next - 1] };
    },
    async return() {
      calls.return += 1;
      await faults.atReturn?.();
      return { done: true, value: undefined };
    },
  };
  return { calls, [Symbol.asyncIterator]: () => iterator };
}

const choose = (/** @type {any} */ candidates, /** @type {any} */ options = {}, scorer = handScorer()) =>
  best(scorer, "q", candidates, options);

const NUMBERS = ["0.2 a", "0.1 b", "0.5 c", "0.5 d", "0.4 e", "0.9 f"];

const STOPS = [
  [{}, { index: 5, scored: 6, stopped: "end" }, 7, 0],
  [{ enough: 0.5 }, { index: 2, scored: 3, stopped: "enough" }, 3, 1],
  [{ enough: 0.2 }, { index: 0, scored: 1, stopped: "enough" }, 1, 1],
  [{ patience: 1 }, { index: 0, scored: 2, stopped: "patience" }, 2, 1],
  [{ patience: 2 }, { index: 2, scored: 5, stopped: "patience" }, 5, 1],
  [{ patience: 3 }, { index: 5, scored: 6, stopped: "end" }, 7, 0],
  [{ atMost: 4 }, { index: 2, scored: 4, stopped: "at-most" }, 4, 1],
  [{ atMost: 6 }, { index: 5, scored: 6, stopped: "at-most" }, 6, 1],
  // Where several reasons hold at once, the first of these counts.
  [{ enough: 0.5, patience: 2, atMost: 3 }, { index: 2, scored: 3, stopped: "enough" }, 3, 1],
  [{ patience: 2, atMost: 5 }, { index: 2, scored: 5, stopped: "patience" }, 5, 1],
  [{ enough: undefined, patience: undefined, atMost: undefined }, { index: 5, scored: 6, stopped: "end" }, 7, 0],
];
for (const [options, expected, asked, returned] of STOPS) {
  test(`no more is asked for than ${JSON.stringify(options)} needs`, async () => {
    const from = source(NUMBERS);
    const { index, score, text, candidate, tokens, truncated, scored, stopped } = await choose(from, options);
    assert.deepEqual({ index, scored, stopped }, expected);
    assert.deepEqual({ text, candidate }, { text: NUMBERS[index], candidate: NUMBERS[index] });
    assert.deepEqual({ score, tokens, truncated }, { score: parseFloat(text), tokens: 5, truncated: 0 });
    assert.deepEqual(from.calls, { next: asked, return: returned });
  });
}

test("a list, any iterable, a generator and objects with a text are candidates", async () => {
  const objects = NUMBERS.map((text, id) => ({ text, id }));
  assert.equal((await choose(NUMBERS)).index, 5);
  assert.equal((await choose(new Set(NUMBERS))).index, 5);
  assert.equal((await choose(objects)).candidate, objects[5]);
  let ended = "";
  const generator = (function* () {
    try {
      yield* NUMBERS;
    } finally {
      ended += "yes";
    }
  })();
  assert.equal((await choose(generator, { atMost: 2 })).index, 0);
  assert.equal(ended, "yes");
});

test("without a candidate there is no best", async () => {
  assert.equal(await choose([]), undefined);
  const from = source([]);
  assert.equal(await choose(from, { atMost: 1 }), undefined);
  assert.deepEqual(from.calls, { next: 1, return: 0 });
});

test("the next candidate is asked for when the one before it is scored", async () => {
  const events = [];
  async function* samples() {
    for (const text of NUMBERS.slice(0, 3)) {
      events.push(`made ${text}`);
      yield text;
    }
  }
  const onScore = ({ text, score, index }) => events.push(`scored ${index} ${text} ${score}`);
  await choose(samples(), { onScore });
  assert.deepEqual(events, [
    "made 0.2 a",
    "scored 0 0.2 a 0.2",
    "made 0.1 b",
    "scored 1 0.1 b 0.1",
    "made 0.5 c",
    "scored 2 0.5 c 0.5",
  ]);
});

const FAULTS = [
  [{ enough: Number.NaN }, "enough: is not a number"],
  [{ enough: "0.5" }, 'enough: is "0.5"; it must be a number'],
  [{ patience: 0 }, "patience: is 0; it must be a whole number above 0"],
  [{ patience: 1.5 }, "patience: is 1.5"],
  [{ atMost: 0 }, "atMost: is 0; it must be a whole number above 0"],
  [{ atMost: Infinity }, "atMost: is Infinity"],
  [{ at_most: 3 }, "at_most: is no option of best; did you mean atMost?"],
  [{ signal: {} }, "signal: is an object; it must be a AbortSignal"],
  [{ onScore: 5 }, "onScore: is 5"],
  [null, "options: of best must be an object"],
];
test("options that cannot be met are refused by name, before the source is touched", async () => {
  for (const [options, expected] of FAULTS) {
    const from = source(NUMBERS);
    await assert.rejects(best(handScorer(), "q", from, /** @type {any} */ (options)), (/** @type {any} */ error) => {
      assert.equal(error.code, "input");
      assert.ok(error.message.startsWith(expected), error.message);
      return true;
    });
    assert.deepEqual(from.calls, { next: 0, return: 0 });
  }
  const refused = (/** @type {any} */ work, /** @type {RegExp} */ what) =>
    assert.rejects(work, { code: "input", message: what });
  await refused(best(handScorer(), /** @type {any} */ (5), NUMBERS, {}), /^instruction: is not a string/);
  for (const none of ["a string", 5, null, undefined, {}]) await refused(choose(none), /^candidates: are neither/);
});

test("a candidate without a text is named, and the source is closed", async () => {
  for (const bad of [{}, { text: 3 }, null, undefined, 5]) {
    const from = source(["0.1", "0.2", bad, "0.3"]);
    await assert.rejects(choose(from), { code: "input", message: /^candidates\[2\]: is neither a string/ });
    assert.deepEqual(from.calls, { next: 3, return: 1 });
  }
});

test("where scoring fails, the source is closed before the error comes", async () => {
  let closed = false;
  const from = source(["0.1", "fails"], { atReturn: () => sleep(5).then(() => (closed = true)) });
  await assert.rejects(choose(from), { code: "not-finite", message: /^candidates\[1\] with its instruction/ });
  assert.ok(closed);
});

test("what the source throws comes as it is, and by the rules of for await it is not closed then", async () => {
  const failure = new Error("the generator is out of words");
  const from = source(["0.1"], { atEnd: () => Promise.reject(failure) });
  await assert.rejects(choose(from), (error) => error === failure);
  assert.deepEqual(from.calls, { next: 2, return: 0 });
});

test("an error of closing is not lost, and hides no earlier one", async () => {
  const failure = new Error("could not be closed");
  const atReturn = () => Promise.reject(failure);
  await assert.rejects(choose(source(NUMBERS, { atReturn }), { atMost: 1 }), (error) => error === failure);
  await assert.rejects(choose(source(["fails"], { atReturn })), { code: "not-finite" });
});

test("an abort ends the wait for a source at once, which is closed", async () => {
  const stop = new AbortController();
  const from = source(["0.1"], { atEnd: () => new Promise(() => {}), atReturn: () => new Promise(() => {}) });
  const work = choose(from, { signal: stop.signal });
  while (from.calls.next < 2) await sleep(1);
  const reason = new Error("enough of it");
  stop.abort(reason);
  await assert.rejects(work, (/** @type {any} */ error) => error.code === "aborted" && error.cause === reason);
  assert.deepEqual(from.calls, { next: 2, return: 1 });
});

test("a source that fails after an abort disturbs nobody", async () => {
  const stop = new AbortController();
  const late = () => sleep(20).then(() => Promise.reject(new Error("too late")));
  const work = choose(source([], { atEnd: late, atReturn: late }), { signal: stop.signal });
  stop.abort();
  await assert.rejects(work, { code: "aborted" });
  // An unhandled rejection would fail the test.
  await sleep(40);
});

test("an abort while a candidate is scored closes the source, and waits for it", async () => {
  const stop = new AbortController();
  let closed = false;
  const from = source(NUMBERS, { atReturn: () => sleep(5).then(() => (closed = true)) });
  const scorer = handScorer();
  const work = choose(from, { signal: stop.signal }, scorer);
  while (scorer.asked.length === 0) await sleep(0);
  stop.abort();
  await assert.rejects(work, { code: "aborted" });
  assert.ok(closed);
  assert.deepEqual(from.calls, { next: 1, return: 1 });
});

test("an abort before the first candidate asks for none, and one while closing ends the wait", async () => {
  const from = source(NUMBERS);
  await assert.rejects(choose(from, { signal: AbortSignal.abort() }), { code: "aborted" });
  assert.deepEqual(from.calls, { next: 0, return: 1 });

  const stop = new AbortController();
  const slow = source(NUMBERS, { atReturn: () => new Promise(() => {}) });
  const work = choose(slow, { atMost: 1, signal: stop.signal });
  while (slow.calls.return < 1) await sleep(1);
  stop.abort();
  await assert.rejects(work, { code: "aborted" });
  assert.deepEqual(slow.calls, { next: 1, return: 1 });
});
