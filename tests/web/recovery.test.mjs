// What happens when the GPU, its process or the worker goes away, or was never there.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { needsSoftwareAdapter } from "./browser.mjs";
import { POLICY, startPackage } from "./harness.mjs";

let host;
before(async () => (host = await startPackage({ unbundled: true })));
after(() => host?.close());

/** Runs before the package: keeps every device, may destroy new ones, and may withhold adapters. */
const CATCH_DEVICES = `
  globalThis.devices = [];
  globalThis.doomed = globalThis.withheld = false;
  const ask = GPU.prototype.requestAdapter;
  GPU.prototype.requestAdapter = async function (...args) {
    return withheld ? null : ask.apply(this, args);
  };
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await request.apply(this, args);
    devices.push(device);
    if (doomed) setTimeout(() => device.destroy(), 20);
    return device;
  };`;

/** Keeps every worker. */
const CATCH_WORKERS = `
  globalThis.workers = [];
  globalThis.Worker = class extends Worker {
    constructor(...args) {
      super(...args);
      workers.push(this);
    }
  };`;

/** `act` in a new page; afterwards nothing may have gone wrong there unseen. */
async function inPage(options, act, from = host) {
  const page = await from.open(options);
  try {
    await act(page);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
  }
}

/**
 * Loads, and makes a list that takes two seconds or more, whatever the machine: what breaks something while it is
 * scored has to come from the test to the page before it ends.
 */
const load = (page, options) =>
  page.evaluate(async (options) => {
    globalThis.lots = Array(6).fill(candidates).flat();
    globalThis.scorer = await cappy.Scorer.load("/m/", { device: "gpu", batchTokens: 32, ...options });
    for (;;) {
      const begin = performance.now();
      globalThis.expected = await scorer.score(instruction, lots);
      if (performance.now() - begin > 2000) break;
      lots = [...lots, ...lots];
    }
  }, options);

/** Scores, and breaks something when some are done. Whether the scores are as before, and what info says. */
const scoreWhile = async (page, breaking) => {
  await page.evaluate(() => {
    globalThis.begun = false;
    globalThis.scoring = failure(
      scorer.score(instruction, lots, {
        onProgress: ({ done }) => done > 0 && (globalThis.begun = true),
      }),
    );
  });
  await page.waitForFunction(() => globalThis.begun, null, { polling: 2 });
  await breaking();
  return page.evaluate(async () => {
    const { value, code, message } = await scoring;
    const same = value?.length === expected.length && value.every((score, i) => score === expected[i]);
    return { same, code, message, losses: (await failure((async () => scorer.info())())).value?.losses };
  });
};

for (const worker of [false, true]) {
  test(`a lost device is replaced, with worker: ${worker}`, () =>
    inPage({ prelude: CATCH_DEVICES, workerPrelude: CATCH_DEVICES }, async (page) => {
      await load(page, { worker });
      const where = worker ? page.workers()[0] : page;
      const got = await scoreWhile(page, () => where.evaluate(() => devices.at(-1).destroy()));
      assert.deepEqual(got, { same: true, code: undefined, message: undefined, losses: 1 });
      assert.equal(await where.evaluate(() => devices.length), 2);
      assert.equal(
        await page.evaluate(() => scorer.score(instruction, lots[0]).then((score) => score === expected[0])),
        true,
      );

      await where.evaluate(() => {
        doomed = true;
        devices.at(-1).destroy();
      });
      const end = await page.evaluate(() => failure(scorer.score(instruction, lots)));
      assert.equal(end.code, "device-lost", end.message);
      assert.match(end.message, /3 times within a minute/);
      assert.ok((await page.evaluate(() => scorer.info().losses)) >= 3);

      await where.evaluate(() => (withheld = true));
      const without = await page.evaluate(() => failure(scorer.score(instruction, lots)));
      assert.equal(without.code, "device-lost");
      assert.match(without.message, /gives no adapter now/);
      // Such a scorer is no lost cause: the next call tries again.
      await where.evaluate(() => (doomed = withheld = false));
      assert.equal(
        await page.evaluate(() => scorer.score(instruction, lots[0]).then((score) => score === expected[0])),
        true,
      );
    }));
}

test("a worker that dies is replaced, whether it says so or not", () =>
  inPage({ prelude: CATCH_WORKERS }, async (page) => {
    await page.evaluate(async () => {
      const { patience } = await import("/dist/remote.js");
      // Silence of three seconds counts as death: a machine that is busy holds up a worker that lives for less.
      patience.pingMs = 600;
    });
    await load(page, {});
    const silent = await scoreWhile(page, () => page.evaluate(() => workers.at(-1).terminate()));
    assert.deepEqual(silent, { same: true, code: undefined, message: undefined, losses: 0 });
    // While the model is loaded anew, another call comes, and one is stopped.
    const loud = await scoreWhile(page, async () => {
      await page
        .workers()
        .at(-1)
        .evaluate(
          () =>
            void setTimeout(() => {
              throw new Error("loud");
            }),
        );
      await page.waitForFunction(() => workers.length === 3);
      const [code, same] = await page.evaluate(async () => {
        const stopper = new AbortController();
        const stopped = failure(scorer.score(instruction, lots, { signal: stopper.signal }));
        const score = scorer.score(instruction, lots[0]);
        stopper.abort();
        return [(await stopped).code, (await score) === expected[0]];
      });
      assert.deepEqual([code, same], ["aborted", true]);
    });
    assert.deepEqual(loud, { same: true, code: undefined, message: undefined, losses: 0 });
    assert.equal(await page.evaluate(() => workers.length), 3);
    const third = await scoreWhile(page, () => page.evaluate(() => workers.at(-1).terminate()));
    assert.equal(third.code, "worker");
    assert.match(third.message, /^worker\.js: died 3 times within a minute, the last time because it went silent/);
    assert.equal(
      await page.evaluate(() => scorer.score(instruction, lots[0]).then((score) => score === expected[0])),
      true,
    );
    page.complaints = page.complaints.filter((what) => !what.includes("loud"));
  }));

test("a worker that cannot be loaded is an error at once", async () => {
  const begin = () => {
    const at = performance.now();
    return failure(cappy.Scorer.load("/m/", { device: "gpu" })).then((result) => ({
      ...result,
      late: performance.now() - at,
    }));
  };
  const check = ({ code, message, late }) => {
    assert.equal(code, "worker", message);
    assert.match(message, /^worker\.js: could not be (loaded|started).*worker: false/s);
    // A worker that is silent counts as dead after twenty seconds.
    assert.ok(late < 10_000, `${late} ms`);
  };
  await inPage({}, async (page) => {
    host.site.status["/dist/worker.js"] = 404;
    check(await page.evaluate(begin));
    page.complaints = [];
  });
  await inPage({ workerPrelude: 'import "/nowhere.js"' }, async (page) => {
    check(await page.evaluate(begin));
  });
  await inPage({ policy: POLICY.replace("worker-src 'self'", "worker-src 'none'") }, async (page) => {
    check(await page.evaluate(begin));
  });
});

describe("a load without what it needs fails by name", () => {
  const CASES = {
    "no-webgpu": {
      script: `Object.defineProperty(Object.getPrototypeOf(navigator), "gpu", { get() {} })`,
      says: /^WebGPU: is missing/,
    },
    "no-adapter": {
      script: "GPU.prototype.requestAdapter = async () => null",
      says: /^WebGPU: finds no graphics adapter/,
    },
    "adapter-too-small": {
      script: `
        const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "limits");
        const less = { get: (limits, name) => name === "maxStorageBufferBindingSize" ? 1 << 20 : limits[name] };
        Object.defineProperty(GPUAdapter.prototype, "limits", { get() { return new Proxy(get.call(this), less); } })`,
      says: /max_storage_buffer_binding_size 1048576/,
    },
  };
  for (const [code, { script, says }] of Object.entries(CASES)) {
    test(code, () =>
      inPage({ prelude: script, workerPrelude: script }, async (page) => {
        for (const worker of [true, false]) {
          const got = await page.evaluate(
            (worker) => failure(cappy.Scorer.load("/m/", { worker, device: "gpu" })),
            worker,
          );
          assert.equal(got.code, code, got.message);
          assert.match(got.message, says);
        }
      }),
    );
  }

  // Chromium's software adapter has no f16; GPUs have it.
  test("dtype f16 fails where the adapter has none", { skip: needsSoftwareAdapter }, () =>
    inPage({}, async (page) => {
      const got = await page.evaluate(() => failure(cappy.Scorer.load("/m/", { dtype: "f16" })));
      assert.equal(got.code, "adapter-too-small", got.message);
      assert.match(got.message, /shader-f16/);
    }),
  );
});

test("the GPU's process crashes", async () => {
  const other = await startPackage({ unbundled: true });
  try {
    await inPage(
      {},
      async (page) => {
        await load(page, {});
        const got = await scoreWhile(page, async () => {
          const session = await other.browser.newBrowserCDPSession();
          await session.send("Browser.crashGpuProcess");
        });
        assert.deepEqual(got, { same: true, code: undefined, message: undefined, losses: 1 });
      },
      other,
    );
  } finally {
    await other.close();
  }
});

test("a GPU without memory is an error by that name, and the next call tries again", () =>
  inPage({ prelude: CATCH_DEVICES }, async (page) => {
    await load(page, { worker: false });
    const full = await scoreWhile(page, () =>
      page.evaluate(() => {
        const error = new GPUOutOfMemoryError("the test has taken it all");
        devices.at(-1).dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
      }),
    );
    assert.equal(full.code, "out-of-memory", full.message);
    assert.equal(full.losses, 0);
    const again = await page.evaluate(() => failure(scorer.score(instruction, lots)));
    assert.deepEqual(
      again.value && Object.values(again.value),
      await page.evaluate(() => [...expected]),
      again.message,
    );
  }));

test("a page that the browser freezes in the background goes on where it was", () =>
  inPage({}, async (page) => {
    await load(page, {});
    const cdp = await page.context().newCDPSession(page);
    const got = await scoreWhile(page, async () => {
      await cdp.send("Page.setWebLifecycleState", { state: "frozen" });
      await new Promise((resolve) => setTimeout(resolve, 2000));
      await cdp.send("Page.setWebLifecycleState", { state: "active" });
    });
    assert.deepEqual(got, { same: true, code: undefined, message: undefined, losses: 0 });
  }));
