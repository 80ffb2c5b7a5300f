// What crosses between a page, its worker and WebAssembly: errors with their causes, no more texts than a batch
// can hold, and what a scorer says of itself only when that changes.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CappyError } from "../../target/modules/error.js";
import { plainError, Slower, toCappyError } from "../../target/modules/thrown.js";
import { startPackage } from "./harness.mjs";

let host;
before(async () => (host = await startPackage()));
after(() => host?.close());

/** `act` in a new page, in which nothing may go wrong unseen. */
async function inPage(options, act) {
  const page = await host.open(options);
  try {
    await act(page);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
  }
}

/** Every message from a worker, by its type. */
const COUNT_MESSAGES = `
  globalThis.messages = [];
  globalThis.Worker = class extends Worker {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", ({ data }) => messages.push(data.type));
    }
  };`;

/** How often an adapter and a device were requested. */
const COUNT_REQUESTS = `
  globalThis.requests = { adapters: 0, devices: 0 };
  const { requestAdapter } = GPU.prototype;
  GPU.prototype.requestAdapter = function (...args) {
    requests.adapters += 1;
    return requestAdapter.apply(this, args);
  };
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = function (...args) {
    requests.devices += 1;
    return requestDevice.apply(this, args);
  };`;

/** An error and its causes, in the parts that must be the same on both sides. */
function partsOf(error) {
  const { name, code, atFault, message, cause } = error;
  // A DOMException has a code of another kind.
  return { name, message, ...(atFault && { code, atFault }), ...(cause && { cause: partsOf(cause) }) };
}

test("an error with its causes is the same after it was sent", () => {
  const deep = new DOMException("the disk is full", "QuotaExceededError");
  const middle = new TypeError("could not be written", { cause: deep });
  const inner = new CappyError("io", "model.bin", "the browser's storage failed: with a colon", { cause: middle });
  const error = new CappyError("checkpoint", "a: b", "is broken.", { cause: inner });
  const sent = toCappyError(structuredClone(plainError(error)));
  assert.ok(sent instanceof CappyError && sent.cause instanceof CappyError);
  assert.deepEqual(partsOf(sent), partsOf(error));
  assert.equal(sent.what, "is broken.");
});

test("an error whose causes have no end can be sent", () => {
  const error = new CappyError("io", "a file", "is broken");
  error.cause = error;
  assert.equal(toCappyError(structuredClone(plainError(error))).message, "a file: is broken");
});

test("the measured time crosses as a number, from Rust and from workers", () => {
  const sent = toCappyError(structuredClone(plainError(new Slower(1234))));
  assert.ok(sent instanceof Slower);
  assert.equal(sent.micros, 1234);
  const fromRust = toCappyError({
    code: "adapter-too-small",
    atFault: "pace",
    what: "is no faster than elsewhere",
    micros: 1234,
  });
  assert.ok(fromRust instanceof Slower);
  assert.equal(fromRust.micros, 1234);
});

test("what the caller's own fetch throws is the same error with a worker and without", () =>
  inPage({}, async (page) => {
    const [inWorker, here] = await page.evaluate(async (source) => {
      // biome-ignore lint/security/noGlobalEval: the source is that of a function of this file
      const partsOf = eval(`(${source})`);
      const results = [];
      for (const worker of [true, false]) {
        const fetch = () => {
          throw new TypeError("not today", { cause: new RangeError("out of requests") });
        };
        const error = await cappy.Scorer.load("/m/", { fetch, worker, device: "gpu" }).catch((error) => error);
        results.push(partsOf(error));
      }
      return results;
    }, partsOf.toString());
    assert.equal(here.code, "network", here.message);
    const last = ({ cause, ...error }) => (cause ? last(cause) : error);
    assert.equal(last(here).message, "out of requests");
    assert.equal(last(inWorker).message, "out of requests");
    assert.deepEqual(
      [inWorker.code, inWorker.message, inWorker.cause.name],
      [here.code, here.message, here.cause.name],
    );
  }));

test("a worker sends what the scorer says of itself once, and not with every batch", () =>
  inPage({ prelude: COUNT_MESSAGES }, async (page) => {
    const { messages, losses } = await page.evaluate(async () => {
      const scorer = await cappy.Scorer.load("/m/", { device: "gpu", batchTokens: 32 });
      await scorer.score(instruction, candidates);
      await scorer.score(instruction, candidates);
      return { messages, losses: scorer.info().losses };
    });
    const count = (type) => messages.filter((each) => each === type).length;
    assert.equal(losses, 0);
    assert.ok(count("batch") > 10, messages.join(" "));
    assert.equal(count("info"), 1);
    assert.ok(messages.indexOf("info") < messages.indexOf("done"), "before the call ends that it belongs to");
  }));

test("WebAssembly gets about as many texts as a batch holds, and batches stay as full as they can be", () =>
  inPage({}, async (page) => {
    const batches = await page.evaluate(async () => {
      const { WasmScorer } = await import("/dist/wasm/cappy.js");
      const { scoreBatch } = WasmScorer.prototype;
      const batches = [];
      WasmScorer.prototype.scoreBatch = async function (instruction, texts, stop) {
        const scores = await scoreBatch.call(this, instruction, texts, stop);
        batches.push({ texts: texts.length, scored: scores.length });
        return scores;
      };
      const scorer = await cappy.Scorer.load("/m/", { device: "gpu", worker: false, batchTokens: 256 });
      await scorer.score(
        instruction,
        Array.from({ length: 300 }, (_, at) => candidates[at % candidates.length]),
      );
      WasmScorer.prototype.scoreBatch = scoreBatch;
      return batches;
    });
    assert.ok(batches.length > 5);
    assert.equal(
      batches.reduce((sum, { scored }) => sum + scored, 0),
      300,
    );
    for (const { texts, scored } of batches.slice(0, -1)) {
      assert.ok(texts > scored, "one more than fits was there, so the batch is full");
      assert.ok(texts < 10 * scored, `${texts} texts for a batch of ${scored}`);
    }
  }));

test("the package asks for the adapter once a load; what wgpu asks for is for its device", () =>
  inPage({ prelude: COUNT_REQUESTS, workerPrelude: COUNT_REQUESTS }, async (page) => {
    const load = (worker) =>
      page.evaluate(async (worker) => {
        globalThis.requests = { adapters: 0, devices: 0 };
        globalThis.scorer = await cappy.Scorer.load("/m/", { device: "gpu", worker });
        return requests;
      }, worker);
    assert.deepEqual(await load(true), { adapters: 1, devices: 0 });
    const inWorker = await page.workers()[0].evaluate(() => requests);
    assert.ok(inWorker.devices > 0);
    assert.equal(inWorker.adapters, inWorker.devices);
    const here = await load(false);
    assert.ok(here.devices > 0);
    assert.equal(here.adapters, 1 + here.devices);
  }));
