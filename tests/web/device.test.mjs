// Which of the GPU and the CPU computes under `device: "auto"`: the faster one, by a measurement that is
// remembered for the adapter; and the CPU where no GPU can be opened, whatever the reason.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { needsSoftwareAdapter } from "./browser.mjs";
import { startPackage } from "./harness.mjs";

/** For tests in which the CPU must be faster than the adapter. */
const onlySoftware = { skip: needsSoftwareAdapter };

let host;
before(async () => (host = await startPackage()));
after(() => host?.close());

/** A clock that makes all that is measured by it so many times faster. GPUs' own clocks are hidden. */
const faster = (times) => `
  const now = performance.now.bind(performance);
  performance.now = () => now() / ${times};
  const { has } = GPUSupportedFeatures.prototype;
  GPUSupportedFeatures.prototype.has = function (name) { return name !== "timestamp-query" && has.call(this, name); };`;

/** Makes the GPU slower than any CPU, so that no measurement on a busy machine ends otherwise. */
const slowGpu = { workerPrelude: faster(1 / 20) };

/** Notes which workers are started: the GPU's, the CPU's. Each loads its module. */
const WATCH = `
  globalThis.started = [];
  globalThis.Worker = class extends Worker {
    constructor(address, options) {
      super(address, options);
      started.push(/CPU/.test(options.name) ? "cpu" : "gpu");
    }
  };`;

/**
 * Loads a model in the page (the tiny one, or with `own` that of the package), scores once, and again when it is
 * settled what computes. Says what computed both, which workers were started, and what the console was told.
 * @param {import("playwright-core").Page} page
 * @param {import("../../dist/types.js").LoadOptions} options
 */
async function load(page, options = {}, own = false) {
  const got = await page.evaluate(
    async ({ source, options }) => {
      globalThis.started.length = 0;
      globalThis.warned = [];
      console.warn = (...texts) => warned.push(texts.join(" "));
      return failure(
        cappy.Scorer.load(source, options).then(async (scorer) => {
          const [{ score: firstScore, device: first }] = await scorer.rank(instruction, ["a dog"]);
          const { device, note } = await scorer.settled();
          const [{ score, device: answered }] = await scorer.rank(instruction, ["a dog"]);
          scorer.dispose();
          return { first, firstScore, score, device, answered, note, warned };
        }),
      );
    },
    { source: own ? undefined : "/m/", options },
  );
  const started = await page.evaluate(() => globalThis.started);
  if (got.value) assert.equal(got.value.answered, got.value.device);
  return { ...got.value, ...(got.code && { code: got.code, message: got.message }), started };
}

async function inPage(options, act) {
  const page = await host.open({ ...options, prelude: `${WATCH} ${options.prelude ?? ""}` });
  try {
    await act(page);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
  }
}

/** The same page once more, as after a reload: nothing but what the browser keeps is left. */
async function reload(page) {
  // A load does not wait until the browser has stored which device is faster.
  await page.waitForFunction(async () => {
    const { openBrowserStore } = await import("/modules/loader/store.js");
    const kept = await (await openBrowserStore()).list(["tuning"]);
    return kept.some(({ name, size }) => name.startsWith("pace_") && size > 0);
  });
  await page.reload();
  await page.waitForFunction(() => globalThis.cappy);
}

test("a software adapter is compared with the CPU once, and the faster one is remembered", onlySoftware, () =>
  inPage(slowGpu, async (page) => {
    const first = await load(page);
    assert.equal(first.device, "cpu", first.message);
    assert.match(
      first.note,
      /^computes on the CPU, which was measured to be faster than .+ \(\d+ ms for a fixed piece of work\)$/,
    );
    assert.deepEqual([first.first, first.started], ["cpu", ["cpu", "gpu"]]);
    assert.deepEqual(first.warned, []);
    await reload(page);
    const second = await load(page);
    assert.deepEqual([second.device, second.note, second.score], ["cpu", first.note, first.score]);
    assert.deepEqual(second.started, ["cpu"], "the GPU's module is not loaded any more");
    // With `cache: false` a stored verdict is not used, either.
    await reload(page);
    const fresh = await load(page, { cache: false });
    assert.deepEqual([fresh.device, fresh.started], ["cpu", ["cpu", "gpu"]]);
    const again = await load(page, { cache: false });
    assert.deepEqual([again.device, again.started], ["cpu", ["cpu"]], "the page itself remembers");
  }),
);

test("a GPU that no CPU can be as fast as takes over from the CPU", () =>
  inPage({ workerPrelude: faster(10_000) }, async (page) => {
    for (let i = 0; i < 2; i += 1) {
      const { first, firstScore, device, score, note, started, message } = await load(page);
      assert.deepEqual([first, device, started], ["cpu", "gpu", ["cpu", "gpu"]], message);
      // Each may be 0.002 from PyTorch's.
      assert.ok(Math.abs(score - firstScore) < 4e-3, `${score} on the GPU, ${firstScore} on the CPU`);
      assert.doesNotMatch(note, /CPU/);
    }
  }));

/**
 * A load that does not begin on the CPU: its weights are rounded otherwise there.
 * @type {import("../../dist/types.js").LoadOptions}
 */
const straight = { dtype: "q8" };

test("where a load does not begin on the CPU, a GPU as fast as that is not compared, and the CPU's module never loaded", () =>
  inPage({ workerPrelude: faster(10_000) }, async (page) => {
    for (let i = 0; i < 2; i += 1) {
      const { first, device, note, started, message } = await load(page, straight);
      assert.deepEqual([first, device, started], ["gpu", "gpu", ["gpu"]], message);
      assert.doesNotMatch(note, /CPU/);
    }
  }));

test("a slower GPU that beats the CPU computes, and is not compared again", onlySoftware, () =>
  // A software adapter by the true time, which makes far less than the 200 GFLOP/s from which on nothing is compared,
  // and a CPU whose work seems to take 200 times as long as it does.
  inPage({ workerPrelude: faster(1), cpuPrelude: faster(1 / 200) }, async (page) => {
    const first = await load(page);
    assert.deepEqual([first.device, first.started], ["gpu", ["cpu", "gpu", "gpu"]], first.message);
    await reload(page);
    const second = await load(page);
    assert.deepEqual([second.device, second.started, second.score], ["gpu", ["cpu", "gpu"], first.score]);
    const third = await load(page, straight);
    assert.deepEqual([third.device, third.started], ["gpu", ["gpu"]], third.message);
  }),
);

test("the package's own model is compared with the CPU, too, though another module runs it", onlySoftware, () =>
  inPage(slowGpu, async (page) => {
    const first = await load(page, {}, true);
    assert.deepEqual([first.device, first.started], ["cpu", ["cpu", "gpu"]], first.message);
    assert.match(first.note, /was measured to be faster/);
    assert.deepEqual(host.site.log.map((line) => /\/(\w+)_bg\.wasm/.exec(line)?.[1]).filter(Boolean), [
      "cappy_cpu",
      "cappy_families",
    ]);
    await reload(page);
    const second = await load(page, {}, true);
    assert.deepEqual([second.device, second.started, second.score], ["cpu", ["cpu"], first.score]);
    const gpu = await load(page, { device: "gpu" }, true);
    assert.ok(Math.abs(gpu.score - first.score) < 2e-3, `${gpu.score} on the GPU, ${first.score} on the CPU`);
  }),
);

test("a load that names a device, or an option of shaders, takes that device without a comparison", () =>
  inPage({}, async (page) => {
    /** @type {import("../../dist/types.js").LoadOptions[]} */
    const named = [{ device: "gpu" }, { dtype: "f32" }, { kernel: "medium" }];
    for (const options of named) {
      const { device, started, message } = await load(page, options);
      assert.deepEqual([device, started], ["gpu", ["gpu"]], message);
    }
    const { device, note, started } = await load(page, { device: "cpu" });
    assert.deepEqual([device, note, started], ["cpu", "", ["cpu"]]);
  }));

describe("a GPU that fails to open leads to the CPU, with the reason", () => {
  const CASES = {
    "adapter-too-small": {
      script: `
        const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "limits");
        const less = { get: (limits, name) => name === "maxStorageBufferBindingSize" ? 1 << 20 : limits[name] };
        Object.defineProperty(GPUAdapter.prototype, "limits", { get() { return new Proxy(get.call(this), less); } })`,
      says: /max_storage_buffer_binding_size 1048576/,
    },
    gpu: {
      script: `GPUAdapter.prototype.requestDevice = async () => { throw new DOMException("not today", "OperationError"); }`,
      says: /would not open a device/,
    },
    "no-webgpu": {
      script: `Object.defineProperty(Object.getPrototypeOf(navigator), "gpu", { get() {} })`,
      says: /WebGPU: is missing/,
    },
  };
  for (const [code, { script, says }] of Object.entries(CASES)) {
    test(code, () =>
      inPage({ prelude: code === "no-webgpu" ? script : "", workerPrelude: script }, async (page) => {
        const got = await load(page);
        assert.equal(got.device, "cpu", got.message);
        assert.match(got.note, says);
        assert.equal(got.warned.length, 1);
        assert.match(got.warned[0], says);
        assert.doesNotMatch(got.warned[0], /slow/);
        const asked = await load(page, { device: "gpu" });
        assert.equal(asked.code, code, asked.message);
      }),
    );
  }
});

test("what is wrong with the model is no reason to try the other device", () =>
  inPage({ workerPrelude: faster(10_000) }, async (page) => {
    host.site.status["/m/config.json"] = 404;
    for (const [options, device] of /** @type {const} */ ([
      [{}, "cpu"],
      [straight, "gpu"],
    ])) {
      const { code, started } = await load(page, options);
      assert.deepEqual([code, started], ["not-found", [device]]);
    }
  }));

test("the comparison asks for no file of the model, and what it decides asks for each once", onlySoftware, () =>
  inPage(slowGpu, async (page) => {
    host.site.log.length = 0;
    assert.equal((await load(page)).device, "cpu");
    const asked = host.site.log
      .filter((line) => line.includes("/m/"))
      .map((line) => line.split(" ").slice(0, 2).join(" "));
    assert.equal(new Set(asked).size, asked.length, asked.join("\n"));
  }),
);

test("what was measured holds for this version of the package alone", () => {
  const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
  const { version } = JSON.parse(read("package.json"));
  assert.match(read("js/tuning.ts"), new RegExp(`VERSION = "${version.replaceAll(".", "\\.")} "`));
  assert.match(read("Cargo.toml"), new RegExp(`^version = "${version.replaceAll(".", "\\.")}"`, "m"));
});
