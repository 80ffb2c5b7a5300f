// Several workers on the CPU, in a page that is not isolated and under Node: the same scores as one worker's, one
// download of the model and of the module, and nothing lost where a worker dies.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startPackage } from "./harness.mjs";

let host;
/** @type {any} */
let page;

/** Keeps every worker, and may refuse new ones. */
const CATCH_WORKERS = `
  globalThis.workers = [];
  globalThis.Worker = class extends Worker {
    constructor(...args) {
      if (globalThis.refused) throw new Error("refused");
      super(...args);
      workers.push(this);
    }
  };`;

before(async () => {
  host = await startPackage({ unbundled: true });
  page = await host.open({ prelude: CATCH_WORKERS });
  await page.evaluate(async () => {
    globalThis.lots = Array(8)
      .fill(candidates)
      .flat()
      .map((text, i) => `${i} ${text}`);
    /** Loads cappy-mini on the CPU, and keeps only the workers that it starts. */
    globalThis.openMini = (options) => {
      workers.length = 0;
      return cappy.Scorer.load("/mini/", { device: "cpu", ...options });
    };
    const one = await globalThis.openMini({ threads: 1, cache: false });
    globalThis.expected = [...(await one.score(instruction, lots))];
    one.dispose();
  });
});
after(() => host?.close());

const requests = (name) => host.site.log.filter((line) => line.startsWith("GET ") && line.includes(name)).length;

for (const cache of [true, false]) {
  test(`two workers give what one gives, to the bit and in order, from one download, with cache: ${cache}`, async () => {
    host.site.log.length = 0;
    const got = await page.evaluate(async (cache) => {
      const scorer = await openMini({ threads: 2, cache });
      const single = await scorer.score(instruction, lots[5]);
      const alone = workers.length;
      const told = [];
      const onProgress = ({ done }) => told.push(done);
      const scores = [];
      for await (const { index, score } of scorer.stream(instruction, lots, { onProgress })) {
        if (index !== scores.length) throw new Error(`${index} after ${scores.length}`);
        scores.push(score);
      }
      const again = [...(await scorer.score(instruction, lots))];
      const { threads, cpuBytes } = scorer.info();
      scorer.dispose();
      return { single, alone, scores, again, told, threads, cpuBytes, workers: workers.length, expected };
    }, cache);
    assert.deepEqual([got.alone, got.workers, got.threads], [1, 2, 2]);
    assert.equal(got.single, got.expected[5]);
    assert.deepEqual(got.scores, got.expected);
    assert.deepEqual(got.again, got.expected);
    assert.deepEqual(
      got.told,
      got.told.toSorted((a, b) => a - b),
    );
    assert.equal(got.told.at(-1), got.expected.length);
    for (const name of ["/mini/model.safetensors", "/mini/tokenizer.json", "cappy_cpu_bg.wasm"]) {
      assert.ok(requests(name) <= 1, `${name} was asked for ${requests(name)} times`);
    }
    assert.deepEqual(page.complaints, []);
  });
}

test("a worker that dies amid a call is replaced, whichever it is, and no score is lost", async () => {
  const got = await page.evaluate(async () => {
    const { patience } = await import("/dist/remote.js");
    const { pingMs } = patience;
    // Silence of five seconds counts as death here: a machine that is busy holds up a worker that lives for less.
    patience.pingMs = 1000;
    const scorer = await openMini({ threads: 2 });
    await scorer.score(instruction, lots);
    const all = [];
    for (const victim of [workers[0], workers[1]]) {
      // It has received another share by then, and does not finish it.
      victim.addEventListener("message", ({ data }) => {
        if (data.type === "batch") victim.terminate();
      });
      all.push([...(await scorer.score(instruction, lots))]);
    }
    scorer.dispose();
    patience.pingMs = pingMs;
    return { all, expected, workers: workers.length };
  });
  assert.deepEqual(got.all, [got.expected, got.expected]);
  assert.equal(got.workers, 4);
});

test("where the browser refuses a second worker, the first does everything", async () => {
  const got = await page.evaluate(async () => {
    const scorer = await openMini({ threads: 2 });
    globalThis.refused = true;
    const scores = [...(await scorer.score(instruction, lots))];
    globalThis.refused = false;
    const { threads } = scorer.info();
    scorer.dispose();
    return { scores, threads, expected };
  });
  assert.deepEqual(got.scores, got.expected);
  assert.equal(got.threads, 1);
});

test("a stop and disposal end what all workers do", async () => {
  const got = await page.evaluate(async () => {
    const scorer = await openMini({ threads: 2 });
    await scorer.score(instruction, lots);
    const stopper = new AbortController();
    const stopped = failure(
      scorer.score(instruction, lots, { signal: stopper.signal, onProgress: () => stopper.abort() }),
    );
    const { code } = await stopped;
    const same = [...(await scorer.score(instruction, lots.slice(0, 3)))].every((score, i) => score === expected[i]);
    const disposed = failure(scorer.score(instruction, lots));
    scorer.dispose();
    return [code, same, (await disposed).code];
  });
  assert.deepEqual(got, ["aborted", true, "disposed"]);
});

test("by default there are as many workers as cores, as far as memory goes", async () => {
  const got = await page.evaluate(async () => {
    const told = [];
    for (const [cores, memory] of [
      [1, 8],
      [2, 8],
      [64, 8],
      [64, 0.25],
      [64, undefined],
    ]) {
      Object.defineProperty(navigator, "hardwareConcurrency", { value: cores, configurable: true });
      Object.defineProperty(navigator, "deviceMemory", { value: memory, configurable: true });
      const scorer = await openMini({});
      told.push(scorer.info().threads);
      scorer.dispose();
    }
    for (const name of ["hardwareConcurrency", "deviceMemory"]) Reflect.deleteProperty(navigator, name);
    return told;
  });
  assert.deepEqual(got, [1, 2, 8, 1, 8]);
  const { code, message } = await page.evaluate(() => failure(cappy.Scorer.load("/mini/", { threads: 1.5 })));
  assert.deepEqual([code, message], ["input", "threads: is 1.5; it must be a whole number above 0"]);
});

test("under Node threads share a list, and give what one gives", async () => {
  const { Scorer } = await import("../../dist/index.js");
  const model = fileURLToPath(new URL("../../models/cappy-mini", import.meta.url));
  const texts = Array.from({ length: 60 }, (_, i) => `${i} ${"a dog barks ".repeat((i * 7) % 9)}`);
  const scores = [];
  for (const threads of [1, 2]) {
    const scorer = await Scorer.load(model, { device: "cpu", threads });
    scores.push(await scorer.score("Which of these is an animal?", texts));
    scores.push(await scorer.score("Which of these is an animal?", texts));
    assert.equal(scorer.info().threads, threads);
    scorer.dispose();
  }
  for (const other of scores) assert.deepEqual(other, scores[0]);
});
