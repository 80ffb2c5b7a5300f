// The engine behind its client, in Chromium: right scores, one model for all, and what makes it go away.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { compare } from "../web/compare.mjs";
import { serve } from "../web/loader/server.mjs";
import { miniFiles } from "../web/mini.mjs";
import { bundleText } from "../../extension/build.mjs";
import { openChromium, sleep, until } from "./harness.mjs";
import { copyModel, MINI } from "./mini.mjs";
import { modelFiles } from "./model-server.mjs";

const read = async (path) => readFile(new URL(`../../${path}`, import.meta.url));
const json = async (path) => JSON.parse(String(await read(path)));

const INSTRUCTION = "Which of these is an animal that barks at night?";
const ANSWERS = ["a dog", "a cat", "a table with four legs", "dogs bark at night"];
// The GPU, which is slower here, so that there is time to see work under way.
const DEFAULTS = { model: MINI, dtype: "auto", device: "gpu", idleMinutes: 5 };

let host;
let site;
let model;
before(async () => {
  host = await openChromium({ args: ["--js-flags=--expose-gc", "--enable-precise-memory-info"] });
  model = await modelFiles();
  const below = (path, files) => Object.entries(files).map(([name, bytes]) => [`${path}/${name}`, bytes]);
  site = await serve(Object.fromEntries([...below("/m", model), ...below("/mini", await miniFiles())]));
  site.cors = true;
});
after(async () => {
  site?.close();
  await host?.close();
});

let page;
beforeEach(async () => {
  Object.assign(site, { slow: 0, slowPath: "/m/" });
  await host.useMini(DEFAULTS);
  page = await host.openClient();
  await page.evaluate(() => {
    globalThis.states = [];
    client.onState((state) => states.push(state));
    globalThis.score = async (instruction, answers, options = {}) => {
      const scores = [];
      await client.score(instruction, answers, {
        ...options,
        onScored: (first, batch) => {
          for (const [i, { score }] of batch.entries()) scores[first + i] = score;
          options.onBatch?.(first, batch);
        },
      });
      return scores;
    };
    globalThis.failure = (work) =>
      work.then(
        (value) => ({ value }),
        ({ name, code, message }) => ({ name, code, message }),
      );
    // Messages that no client would send, through a port of their own.
    globalThis.openPort = () => {
      const port = chrome.runtime.connect({ name: "cappy-engine-1" });
      const heard = [];
      port.onMessage.addListener((message) => heard.push(message));
      port.onDisconnect.addListener(() => heard.push("cut"));
      return { port, heard };
    };
  });
});
afterEach(async () => {
  // First, so that the next test does not find the model of one that failed.
  await page.evaluate(() => client.unload());
  await page.close();
  assert.deepEqual(host.complaints.splice(0), []);
});

const scored = (answers = ANSWERS) => page.evaluate(([i, a]) => score(i, a), [INSTRUCTION, answers]);
const lastState = () => page.evaluate(() => states.at(-1));
const phase = (wanted) => until(async () => (await lastState())?.phase === wanted, { what: wanted, ms: 60_000 });

describe("scores", () => {
  test("scores are right, and the package's own to the bit", async () => {
    const pairs = (await json("tests/golden/pairs.json")).pairs.slice(0, 24);
    const { scores: expected, bound } = await json("tests/golden/models/cappy-mini.json");
    const got = await page.evaluate(
      async ([pairs, mini]) => {
        const { Scorer } = await import("/cappy-web/index.js");
        const scorer = await Scorer.load(mini, { device: "gpu", cache: false });
        const through = [];
        const own = [];
        for (const { instruction, response } of pairs) {
          through.push(await score(instruction, [response]));
          own.push([await scorer.score(instruction, response)]);
        }
        scorer.dispose();
        return { through, own };
      },
      [pairs, `${site.url}/mini/`],
    );
    assert.deepEqual(got.through, got.own);
    compare(expected.slice(0, pairs.length), got.through, bound);
  });

  test("the extension's own model is cappy-small, with the package's scores to the bit", async () => {
    await host.settings({ model: { kind: "embedded" } });
    const own = await page.evaluate(
      async ([instruction, answers]) => {
        const { Scorer } = await import("/cappy-web/index.js");
        const scorer = await Scorer.load(undefined, { device: "gpu" });
        const scores = [...(await scorer.score(instruction, answers))];
        const { model } = scorer.info();
        scorer.dispose();
        return { model, scores };
      },
      [INSTRUCTION, ANSWERS],
    );
    assert.deepEqual(await scored(), own.scores);
    for (const score of own.scores) assert.ok(Number.isFinite(score), own.scores.join());
    const { model, dtype, device, memoryBytes } = await lastState();
    assert.deepEqual([model, own.model, dtype, device], ["Cappy-small", "cappy-small", "q4", "gpu"]);
    assert.ok(memoryBytes > 30e6 && memoryBytes < 80e6, `${memoryBytes} bytes of graphics memory`);
  });

  test("scores come in batches, also of more answers than one request may have, cut where they are too long", async () => {
    const answers = Array.from({ length: 300 }, (_, i) => ANSWERS[i % 4]).concat("long ".repeat(10_000));
    const got = await page.evaluate(
      async ([i, answers]) => {
        let batches = 0;
        const scores = await score(i, answers, { onBatch: () => (batches += 1) });
        return { scores, batches };
      },
      [INSTRUCTION, answers],
    );
    const four = await scored();
    assert.deepEqual(
      got.scores.slice(0, 300),
      answers.slice(0, 300).map((_, i) => four[i % 4]),
    );
    assert.equal(got.scores.length, 301);
    assert.ok(got.batches > 3, `${got.batches} batches`);
  });

  test("several clients get scores at the same time, and each sends only as many requests as the engine accepts", async () => {
    const got = await page.evaluate(
      async ([i, answers]) => {
        const order = [];
        const long = score(i, Array(60).fill(answers).flat()).then(() => order.push("long"));
        const others = Array.from({ length: 9 }, () => engine.engineClient()).map((other, n) =>
          other
            .score(i, answers, { onScored: () => {} })
            .then(() => order.push(n))
            .then(() => other.close()),
        );
        const many = Array.from({ length: 10 }, () => score(i, answers));
        await Promise.all([long, ...others, ...many]);
        return { order, many: await Promise.all(many) };
      },
      [INSTRUCTION, ANSWERS],
    );
    assert.equal(got.order.length, 10);
    assert.notEqual(got.order[0], "long", "short ones do not wait for the long one");
    assert.equal(new Set(got.many.map(String)).size, 1);
  });
});

describe("requests", () => {
  test("requests beyond four of one port are busy, and the others are served", async () => {
    const heard = await page.evaluate(
      async ([instruction, answers]) => {
        await client.load();
        const { port, heard } = openPort();
        for (let id = 1; id <= 6; id += 1) port.postMessage({ v: 1, type: "score", id, instruction, answers });
        while (heard.filter(({ type }) => type === "done").length < 4)
          await new Promise((resolve) => setTimeout(resolve, 10));
        port.disconnect();
        return heard;
      },
      [INSTRUCTION, ANSWERS],
    );
    const failed = heard.filter(({ type }) => type === "failed");
    assert.deepEqual(
      failed.map(({ id, code }) => [id, code]),
      [
        [5, "busy"],
        [6, "busy"],
      ],
    );
  });

  test("requests that are cancelled stop, and so do those of a port that is closed", async () => {
    const got = await page.evaluate(
      async ([instruction, answers]) => {
        await client.load();
        // As long as the model reads: a thousand words each.
        const lots = Array.from({ length: 240 }, (_, at) => `${at} ${"word ".repeat(1000)}`);
        const stopper = new AbortController();
        let batches = 0;
        const cancelled = await failure(
          score(instruction, lots, {
            signal: stopper.signal,
            onBatch: () => {
              batches += 1;
              stopper.abort();
            },
          }),
        );
        const early = await failure(score(instruction, answers, { signal: AbortSignal.abort() }));
        // Both would take much longer if they went on.
        const rests = async () => {
          const end = Date.now() + 10_000;
          while (states.at(-1).working > 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
          return states.at(-1).working === 0;
        };
        const stopped = await rests();
        const { port, heard } = openPort();
        port.postMessage({ v: 1, type: "score", id: 7, instruction, answers: lots });
        while (!heard.some(({ type }) => type === "scored")) await new Promise((resolve) => setTimeout(resolve, 10));
        port.disconnect();
        return { cancelled, early, batches, stopped, cut: await rests() };
      },
      [INSTRUCTION, ANSWERS],
    );
    assert.equal(got.cancelled.name, "AbortError");
    assert.equal(got.early.name, "AbortError");
    assert.equal(got.batches, 1);
    assert.deepEqual([got.stopped, got.cut], [true, true]);
  });
});

describe("the model", () => {
  test("the model is loaded once, reports its progress, and stops loading when all requests for it are cancelled", async () => {
    await host.settings({ model: { kind: "url", url: `${site.url}/m/` } });
    site.slow = 500;
    const got = await page.evaluate(async () => {
      const stopper = new AbortController();
      const loading = [1, 2].map(() => failure(client.load({ signal: stopper.signal })));
      for (let left = 200; left > 0 && states.filter(({ phase }) => phase === "download").length < 3; left -= 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      stopper.abort();
      return Promise.all(loading);
    });
    assert.deepEqual(
      got.map(({ name }) => name),
      ["AbortError", "AbortError"],
    );
    await phase("idle");
    const states = await page.evaluate(() => states.splice(0));
    const downloads = states.filter(({ phase }) => phase === "download");
    assert.ok(downloads.length > 2, `${downloads.length} states in 10 s`);
    assert.equal(downloads[0].model, `${site.url}/m/`);

    // A score that is cancelled keeps the model coming.
    site.log.length = 0;
    site.slow = 50;
    const cancelled = await page.evaluate(
      async ([instruction, answers]) => {
        const stopper = new AbortController();
        const scoring = failure(score(instruction, answers, { signal: stopper.signal }));
        // Before the model can be there, however fast that is.
        while (!states.some(({ phase }) => phase === "load" || phase === "download"))
          await new Promise((resolve) => setTimeout(resolve, 10));
        stopper.abort();
        return scoring;
      },
      [INSTRUCTION, ANSWERS],
    );
    assert.equal(cancelled.name, "AbortError");
    await phase("ready");
    await scored();
    assert.ok(site.gets("/m/config.json").length <= 1, site.log.join("\n"));
  });

  test("another model scores after the settings change, also for requests under way", async () => {
    const before = await scored();
    await host.settings({ model: { kind: "url", url: `${site.url}/m/` } });
    const changed = await page.evaluate(
      async ([instruction, answers]) => {
        await client.load();
        return { state: states.findLast(({ phase }) => phase === "ready"), scores: await score(instruction, answers) };
      },
      [INSTRUCTION, ANSWERS],
    );
    assert.equal(changed.state.model, `${site.url}/m/`);
    assert.equal(changed.state.maxTokens, 32);
    assert.notDeepEqual(changed.scores, before);

    // In the middle of scoring the client begins again. The slower model is the one that is replaced.
    await host.settings(DEFAULTS);
    assert.deepEqual(await scored(), before);
    const lots = Array(100).fill(ANSWERS).flat();
    // The last state of the ranking before, which comes a moment after its end, may be that of work under way.
    await page.evaluate(() => (states.length = 0));
    const under = page.evaluate(([i, a]) => score(i, a), [INSTRUCTION, lots]);
    await until(async () => (await lastState())?.working === 1, { what: "work" });
    await host.settings({ model: { kind: "url", url: `${site.url}/m/` } });
    assert.deepEqual(
      await under,
      lots.map((_, i) => changed.scores[i % 4]),
    );
    await host.settings(DEFAULTS);
  });

  test("the model of a folder comes from the extension's own storage", async () => {
    await copyModel(page, "mine", model);
    await host.settings({ model: { kind: "folder", name: "mine" } });
    await page.evaluate(() => client.load());
    assert.equal((await lastState()).maxTokens, 32);

    await host.settings({ model: { kind: "folder", name: "none" } });
    const missing = await page.evaluate(() => failure(client.load()));
    assert.equal(missing.code, "not-found", missing.message);
  });

  test("a model that fails to load says why, to its request and to all pages, and is tried again", async () => {
    await host.settings({ model: { kind: "url", url: `${site.url}/later/` } });
    const failed = await page.evaluate(([i, a]) => failure(score(i, a)), [INSTRUCTION, ANSWERS]);
    assert.equal(failed.code, "network", failed.message);
    assert.deepEqual(await lastState(), {
      phase: "failed",
      model: `${site.url}/later/`,
      code: failed.code,
      message: failed.message,
    });
    await until(async () => (await host.badge()) === "!", { what: "an exclamation mark" });
    for (const [name, bytes] of Object.entries(model)) site.files[`/later/${name}`] = bytes;
    assert.equal((await scored()).length, 4);
    await until(async () => (await host.badge()) === "", { what: "the badge to go" });
  });

  test("the model is unloaded after the idle time, with its document, and is loaded again when it is needed", async () => {
    const first = await scored();
    assert.equal(await host.offscreenCount(), 1);
    await host.settings({ idleMinutes: 0.05 });
    await phase("idle");
    await until(async () => (await host.offscreenCount()) === 0, { what: "the document to go" });
    // Or it goes again before the document is counted.
    await host.settings({ idleMinutes: 5 });
    assert.deepEqual(await scored(), first);
    assert.equal(await host.offscreenCount(), 1);
  });

  test("the model stays loaded as long as there is work, however short the idle time", async () => {
    await host.settings({ idleMinutes: 0.05 });
    // The longest texts that the model reads, so that the work takes longer than the idle time on a fast machine, too.
    const lots = Array.from({ length: 256 }, (_, at) => `${at} ${"word ".repeat(1000)}`);
    const { stopped, phases } = await page.evaluate(
      async ([i, a]) => {
        await client.load();
        states.length = 0;
        const stopped = await failure(score(i, a, { signal: AbortSignal.timeout(4500) }));
        return { stopped, phases: [...new Set(states.map(({ phase }) => phase))] };
      },
      [INSTRUCTION, lots],
    );
    assert.equal(stopped.name, "TimeoutError");
    assert.deepEqual(phases, ["ready"]);
  });

  test("the model is loaded again when its document ends during a request", async () => {
    const lots = Array(40).fill(ANSWERS).flat();
    const under = page.evaluate(([i, a]) => score(i, a), [INSTRUCTION, lots]);
    await until(async () => (await lastState())?.working === 1, { what: "work" });
    await host.closeOffscreen();
    const scores = await under;
    assert.deepEqual(
      scores,
      lots.map((_, i) => scores[i % 4]),
    );
  });
});

test("states are sent not too often, but a new phase at once, and the last one always", async () => {
  const { throttled } = await import(
    `data:text/javascript,${encodeURIComponent(await bundleText("engine/throttle.ts"))}`
  );
  const told = [];
  const tell = throttled(
    100,
    ({ phase }) => phase,
    (state) => told.push(`${state.phase}${state.n}`),
  );
  for (let n = 0; n < 50; n += 1) tell({ phase: "a", n });
  assert.deepEqual(told, ["a0"]);
  tell({ phase: "b", n: 50 });
  assert.deepEqual(told, ["a0", "b50"], "what waited is out of date");
  const start = performance.now();
  for (let n = 51; n < 100; n += 1) {
    tell({ phase: "b", n });
    await sleep(5);
  }
  await sleep(150);
  assert.equal(told.at(-1), "b99");
  // A busy machine sleeps for longer than it is told to.
  const most = 3 + (performance.now() - start) / 100;
  assert.ok(told.length > 3 && told.length <= most, `${told} in ${Math.round(100 * (most - 3))} ms`);
});

/** Bytes of memory of the processes with pages and of the one with the GPU, where the system tells. */
async function residentBytes() {
  const { processInfo } = await host.browser.send("SystemInfo.getProcessInfo");
  let pages = 0;
  for (const { id, type } of processInfo) {
    if (type !== "renderer" && type !== "GPU") continue;
    const statm = await readFile(`/proc/${id}/statm`, "utf8").catch(() => "0 0");
    pages += Number(statm.split(" ")[1]);
  }
  return pages * 4096;
}

test("a thousand rankings do not use up memory", async () => {
  const heap = () =>
    host.offscreen(() => {
      globalThis.gc();
      return performance.memory.usedJSHeapSize;
    });
  const rank = (count) =>
    page.evaluate(
      async ([instruction, answers, count]) => {
        for (let n = 0; n < count; n += 1) await score(`${instruction} ${n}`, [`${answers[n % 4]} ${n}`]);
      },
      [INSTRUCTION, ANSWERS, count],
    );
  await rank(100);
  const before = { heap: await heap(), resident: await residentBytes() };
  const start = Date.now();
  await rank(1000);
  const grown = { heap: (await heap()) - before.heap, resident: (await residentBytes()) - before.resident };
  console.log(`1000 rankings in ${Date.now() - start} ms:`, before, "grown by", grown);
  assert.ok(grown.heap < 300_000, `${grown.heap} bytes more of JavaScript`);
  assert.ok(grown.resident < 50_000_000, `${grown.resident} bytes more in memory`);
});
