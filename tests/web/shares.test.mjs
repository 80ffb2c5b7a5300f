// How pairs are shared out over the workers of the CPU: with workers by hand, without a model.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const { Shares } = await import("../../target/modules/cpu/shares.js");
const { CpuWorkers } = await import("../../target/modules/cpu/workers.js");
const { RemoteEngine } = await import("../../target/modules/remote.js");
const { CappyError } = await import("../../target/modules/error.js");

/** All shares in the order in which they are taken. */
function taken(costs, workers, batch) {
  const shares = new Shares(costs, workers, batch);
  const all = [];
  for (let share = shares.take(); share.length > 0; share = shares.take()) all.push(share);
  return all;
}

const costOf = (costs, share) => share.reduce((sum, pair) => sum + costs[pair], 0);

test("a list is dealt out whole: longest first, and in shares that become smaller", () => {
  const costs = Array.from({ length: 40 }, (_, i) => 10 + ((i * 37) % 90));
  const all = taken(costs, 2, 4096);
  assert.deepEqual(
    all.flat().toSorted((a, b) => a - b),
    costs.map((_, i) => i),
  );
  const dealt = all.flat().map((pair) => costs[pair]);
  assert.deepEqual(
    dealt,
    dealt.toSorted((a, b) => b - a),
  );
  const sizes = all.map((share) => costOf(costs, share));
  const sum = costOf(costs, all.flat());
  assert.ok(sizes[0] > sum / 5 && sizes[0] <= sum / 4, `${sizes} of ${sum}`);
  assert.equal(all.at(-1).length, 1);
});

test("two workers that come for more when they are done end within the time of one pair of each other", () => {
  for (const speed of [1, 2, 5]) {
    const costs = Array.from({ length: 64 }, (_, i) => 20 + ((i * 29) % 130));
    const shares = new Shares(costs, 2, 512);
    const ends = [0, 0];
    for (;;) {
      const worker = ends[0] <= ends[1] ? 0 : 1;
      const share = shares.take();
      if (share.length === 0) break;
      ends[worker] += costOf(costs, share) / (worker === 0 ? 1 : speed);
    }
    const apart = Math.abs(ends[0] - ends[1]);
    const mean = costOf(costs, [...costs.keys()]) / costs.length;
    assert.ok(apart <= mean, `one of them waits for ${apart} tokens' time`);
  }
});

test("what comes before the last batches of a long list comes in order, a batch at a time", () => {
  const costs = Array.from({ length: 100 }, (_, i) => 50 + (i % 3));
  const all = taken(costs, 2, 200);
  const last = all.findIndex((share, i) => i > 0 && share[0] !== all[i - 1].at(-1) + 1);
  const inOrder = all.slice(0, last).flat();
  assert.deepEqual(
    inOrder,
    inOrder.map((_, i) => i),
  );
  assert.ok(inOrder.length > 70, `${inOrder.length}`);
  for (const share of all) assert.ok(costOf(costs, share) <= 200);
});

test("a share that is given back is dealt out again", () => {
  const shares = new Shares([5, 5, 5], 2, 100);
  const first = shares.take();
  shares.putBack(first);
  shares.putBack([]);
  assert.deepEqual(shares.take(), first);
});

/** A worker's engine by hand: the score of a text is the number that it is. */
function handEngine(faults = {}) {
  const engine = {
    scored: [],
    disposed: false,
    shared: { model: { source: undefined, options: { checkFreshness: false } } },
    info: () => ({ batchTokens: 512, maxTokens: 512, cpuBytes: 1000, threads: 1, device: "cpu" }),
    dispose: () => (engine.disposed = true),
    async score(instructions, texts, { signal, onProgress }) {
      for (const [first, text] of texts.entries()) {
        const instruction = instructions[instructions.length === 1 ? 0 : first];
        await sleep(1);
        if (signal?.aborted) throw new CappyError("aborted", "scoring", "was stopped");
        await faults[text]?.();
        engine.scored.push(`${instruction} ${text}`);
        onProgress({ first, scores: [{ logits: [Number(text)], tokens: 1, truncated: 0 }] });
      }
    },
  };
  return engine;
}

/** `CpuWorkers` over such engines; those after the first are started when `start` says so. */
function crew(engines, threads = engines.length, start = async () => {}) {
  const [first, ...others] = engines;
  RemoteEngine.load = async (_, __, options) => {
    assert.deepEqual([options.share, options.checkFreshness], [false, false]);
    await start();
    const next = others.shift();
    if (!next) throw new CappyError("worker", "cpu-worker.js", "could not be started");
    return next;
  };
  return new CpuWorkers(first, undefined, { threads, checkFreshness: true });
}

// Long, so that several workers are worth it.
const QUESTION = "q".repeat(400);
const TEXTS = Array.from({ length: 30 }, (_, i) => String(i));

/** Scores `texts`, and gives the scores as they came. */
async function scored(workers, texts, { instructions = [QUESTION], signal } = /** @type {any} */ ({})) {
  const got = [];
  const onProgress = ({ first, scores }) => {
    assert.equal(first, got.length);
    got.push(...scores.map(({ logits }) => logits[0]));
  };
  const error = await workers.score(instructions, texts, { signal, onProgress }).catch((error) => error);
  return { got, error };
}

test("scores come in the order of the texts, whoever computes them, each once", async () => {
  const engines = [handEngine(), handEngine(), handEngine()];
  const workers = crew(engines);
  const instructions = TEXTS.map((text) => `${QUESTION}${text}`);
  const { got, error } = await scored(workers, TEXTS, { instructions });
  assert.equal(error, undefined);
  assert.deepEqual(got, TEXTS.map(Number));
  const all = engines.flatMap(({ scored }) => scored);
  assert.deepEqual(all.toSorted(), TEXTS.map((text) => `${QUESTION}${text} ${text}`).toSorted());
  for (const { scored } of engines) assert.ok(scored.length > 3, "a worker had next to nothing to do");
  assert.deepEqual([workers.info().threads, workers.info().cpuBytes], [3, 3000]);
});

test("no worker is started for a single pair, nor for a few short ones", async () => {
  let started = 0;
  const workers = crew([handEngine(), handEngine()], 2, async () => void (started += 1));
  assert.deepEqual((await scored(workers, ["1"], { instructions: [QUESTION.repeat(10)] })).got, [1]);
  assert.deepEqual((await scored(workers, ["1", "2", "3"], { instructions: ["q"] })).got, [1, 2, 3]);
  assert.equal(started, 0);
  await scored(workers, TEXTS);
  await scored(workers, TEXTS);
  assert.equal(started, 1);
});

test("single pairs at the same time go to different workers", async () => {
  const engines = [handEngine(), handEngine()];
  const workers = crew(engines);
  await scored(workers, TEXTS);
  const before = engines.map(({ scored }) => scored.length);
  await Promise.all(TEXTS.slice(0, 8).map((text) => scored(workers, [text])));
  assert.deepEqual(
    engines.map(({ scored }, i) => scored.length - before[i]),
    [4, 4],
  );
});

test("the first pair that cannot be scored is the error, once all before it have come", async () => {
  const refuse = (text) => async () => {
    throw new CappyError("not-finite", "pair 0", `is NaN at ${text}`);
  };
  for (let i = 0; i < 5; i += 1) {
    const faults = { 7: refuse("7"), 12: refuse("12") };
    const { got, error } = await scored(crew([handEngine(faults), handEngine(faults)]), TEXTS);
    assert.deepEqual(got, [0, 1, 2, 3, 4, 5, 6]);
    assert.equal(error.what, "is NaN at 7");
  }
});

test("a worker that fails is let go, and the others do its share", async () => {
  for (const at of ["0", "15", "29"]) {
    const dies = async () => {
      // Late, when the others may have nothing left to do.
      await sleep(60);
      throw new CappyError("worker", "worker.js", "died 3 times within a minute");
    };
    const engines = [handEngine(), handEngine({ [at]: dies })];
    const workers = crew(engines);
    const { got, error } = await scored(workers, TEXTS);
    assert.equal(error, undefined);
    assert.deepEqual(got, TEXTS.map(Number));
    if (!engines[1].disposed) continue;
    assert.equal(workers.info().threads, 1);
    assert.deepEqual((await scored(workers, TEXTS)).got, TEXTS.map(Number));
  }
});

test("where the first worker fails, the call does, and nothing more is done for it", async () => {
  const dies = async () => {
    throw new CappyError("worker", "worker.js", "died 3 times within a minute");
  };
  const faults = Object.fromEntries(TEXTS.map((text) => [text, dies]));
  const other = handEngine();
  const { error } = await scored(crew([handEngine(faults), other]), TEXTS);
  assert.equal(error.code, "worker");
  const { length } = other.scored;
  await sleep(20);
  assert.ok(other.scored.length <= length + 1);
});

test("a worker that cannot be started is done without, and not tried again", async () => {
  let started = 0;
  const workers = crew([handEngine()], 3, async () => void (started += 1));
  assert.deepEqual((await scored(workers, TEXTS)).got, TEXTS.map(Number));
  assert.deepEqual((await scored(workers, TEXTS)).got, TEXTS.map(Number));
  assert.equal(started, 2);
  assert.equal(workers.info().threads, 1);
});

test("a stop ends a call on all workers, and disposal ends them", async () => {
  const engines = [handEngine(), handEngine()];
  const workers = crew(engines);
  await scored(workers, TEXTS);
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 5);
  const { got, error } = await scored(workers, TEXTS, { signal: stop.signal });
  assert.equal(error.code, "aborted");
  assert.ok(got.length < TEXTS.length);
  workers.dispose();
  assert.ok(engines.every(({ disposed }) => disposed));
  assert.equal((await scored(workers, TEXTS)).error.code, "disposed");
});

test("what would have to be downloaded once more is one worker's, unless more are asked for", async () => {
  const first = /** @type {any} */ ({ ...handEngine(), shared: {} });
  assert.equal(new CpuWorkers(first, "owner/large", {}).info().threads, 1);
  assert.equal(new CpuWorkers(first, "owner/large", { threads: 2 }).info().threads, 2);
});
