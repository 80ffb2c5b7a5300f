// How a scorer that begins on the CPU moves to the GPU: in a page whose GPU seems fast, so that it is taken.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startPackage } from "./harness.mjs";

/** A clock that makes the GPU seem faster than any CPU. Its own clock is hidden. */
const FAST = `
  const now = performance.now.bind(performance);
  performance.now = () => now() / 300;
  const { has } = GPUSupportedFeatures.prototype;
  GPUSupportedFeatures.prototype.has = function (name) { return name !== "timestamp-query" && has.call(this, name); };`;

/** Calls `gpuStarted`, where the page has such a function, when the GPU's worker is started. */
const TELL = `
  globalThis.Worker = class extends Worker {
    constructor(address, options) {
      super(address, options);
      if (!/CPU/.test(options.name)) globalThis.gpuStarted?.();
    }
  };`;

/** As far as scores of the two devices may be apart: each may be 0.002 from PyTorch's. */
const BOUND = 4e-3;

let host;
/** @type {any} */
let page;
before(async () => {
  host = await startPackage();
  page = await host.open({ prelude: TELL, workerPrelude: FAST });
  await page.evaluate(() => {
    globalThis.lots = Array(4)
      .fill(candidates)
      .flat()
      .map((text, i) => `${i} ${text}`);
    /** Loads cappy-mini. */
    globalThis.openMini = (options) => cappy.Scorer.load("/mini/", options);
  });
});
after(() => host?.close());

/** The names of workers that are there, once there are as many as that. */
async function workersLeft(count) {
  const names = () => page.workers().map((worker) => worker.url().split("/").at(-1));
  for (let i = 0; i < 600 && page.workers().length !== count; i += 1) await page.waitForTimeout(50);
  return names();
}

test("a call that is under way ends on the CPU, the next is the GPU's, and the CPU's workers end", async () => {
  host.site.log.length = 0;
  const got = await page.evaluate(async () => {
    globalThis.scorer = await openMini({ threads: 2 });
    const before = scorer.info();
    const told = [];
    let settled = false;
    const settling = scorer.settled().then((info) => {
      settled = true;
      return info;
    });
    const devices = new Set();
    const first = [];
    // As slow as a caller may be: the GPU is there long before this ends.
    for await (const { score, device } of scorer.stream(instruction, lots)) {
      devices.add(device);
      first.push(score);
      if (first.length === 1) await settling;
      told.push(settled);
    }
    const second = await scorer.rank(instruction, lots);
    const now = [...new Set(second.map(({ device }) => device))];
    const far = Math.max(...second.map(({ index, score }) => Math.abs(score - first[index])));
    const { device, note, threads, model } = await settling;
    return { before, devices: [...devices], told: told.at(-1), now, far, device, note, threads, model };
  });
  assert.deepEqual([got.before.device, got.before.note], ["cpu", "computes on the CPU until the GPU is ready"]);
  assert.deepEqual([got.devices, got.told, got.now], [["cpu"], true, ["gpu"]]);
  assert.deepEqual([got.device, got.threads, got.model], ["gpu", 1, got.before.model]);
  assert.ok(got.far < BOUND, `${got.far}`);
  assert.deepEqual(await workersLeft(1), ["worker.js"]);
  const asked = host.site.log.filter((line) => line.startsWith("GET /mini/model.safetensors"));
  assert.equal(asked.length, 1, asked.join("\n"));
  await page.evaluate(() => scorer.dispose());
});

test("candidates that arrive one by one are all scored where the first one was", async () => {
  const got = await page.evaluate(async () => {
    const scorer = await openMini();
    const devices = [];
    async function* samples() {
      yield "a cat";
      await scorer.settled();
      yield* ["a dog", "a fish"];
    }
    await scorer.best(instruction, samples(), { onScore: ({ device }) => devices.push(device) });
    const [{ device }] = await scorer.rank(instruction, ["a dog"]);
    scorer.dispose();
    return { devices, device };
  });
  assert.deepEqual(got, { devices: ["cpu", "cpu", "cpu"], device: "gpu" });
});

test("what is disposed of before it has moved leaves nothing behind", async () => {
  const code = await page.evaluate(async () => {
    const opening = new Promise((resolve) => {
      globalThis.gpuStarted = () => resolve(undefined);
    });
    const scorer = await openMini();
    // Opening the GPU has begun, and cannot have ended yet.
    await opening;
    const settling = failure(scorer.settled());
    scorer.dispose();
    return (await settling).code;
  });
  assert.equal(code, "disposed");
  assert.deepEqual(await workersLeft(0), []);
});

test("a model too large to begin with on the CPU waits for the GPU", async () => {
  const got = await page.evaluate(async () => {
    const { Scorer } = cappy;
    // As a server that says so of the file would have it.
    const fetching = async (url, init) => {
      const response = await fetch(url, init);
      if (init.method !== "HEAD" || !url.endsWith("model.safetensors")) return response;
      return new Response(null, { headers: { "content-length": String(65 * 2 ** 20), etag: '"large"' } });
    };
    const all = [];
    const counting = (url, init) => {
      all.push(`${init.method ?? "GET"} ${url.split("/").at(-1)}`);
      return fetching(url, init);
    };
    const { code, message } = await failure(Scorer.load("/large/../mini/", { fetch: counting, cache: false }));
    return { code, message, all };
  });
  // The file is not as large as that, so the GPU's load fails for it, and the CPU's has downloaded nothing of it.
  assert.ok(got.code !== "input", got.message);
  assert.equal(got.all.filter((line) => line === "HEAD model.safetensors").length, 2, got.all.join("\n"));
  assert.deepEqual(page.complaints, []);
});
