// What the package throws when something is wrong: a `CappyError` with a code that names what is at fault,
// whatever was given and wherever it runs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startPackage } from "./harness.mjs";

let host;
before(async () => (host = await startPackage()));
after(() => host?.close());

async function inPage(options, act) {
  const page = await host.open(options);
  try {
    await act(page);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
  }
}

/** Each is an expression that the page evaluates, and the beginning of what the error says. */
const WRONG = {
  // Options of load, by name and by value.
  'Scorer.load("/m/", { device: "webgpu" })': 'device: is "webgpu"; did you mean gpu? auto, gpu and cpu are known',
  'Scorer.load("/m/", { device: "quantum computer" })': 'device: is "quantum computer"; auto, gpu and cpu are known',
  'Scorer.load("/m/", { device: null })': "device: is null; ",
  'Scorer.load("/m/", { dtype: "fp16" })': 'dtype: is "fp16"; did you mean f16?',
  'Scorer.load("/m/", { cpuWeights: "int8" })': 'cpuWeights: is "int8"; did you mean i8?',
  'Scorer.load("/m/", { onprogress() {} })': "onprogress: is no option of load; did you mean onProgress?",
  'Scorer.load("/m/", { batch_tokens: 32 })': "batch_tokens: is no option of load; did you mean batchTokens?",
  'Scorer.load("/m/", { __proto__: null, constructor: 1 })': "constructor: is no option of load; ",
  'Scorer.load("/m/", { onProgress: "loud" })': 'onProgress: is "loud"; it must be a function',
  'Scorer.load("/m/", { signal: new AbortController() })': "signal: is an object; it must be a AbortSignal",
  'Scorer.load("/m/", { worker: 1 })': "worker: is 1; it must be a boolean",
  'Scorer.load("/m/", { cache: "no" })': 'cache: is "no"; it must be a boolean',
  'Scorer.load("/m/", { batchTokens: "many" })': 'batchTokens: is "many"; it must be a number',
  'Scorer.load("/m/", { batchTokens: 0.5 })': "batchTokens: is 0.5; it must be a whole number above 0",
  'Scorer.load("/m/", { revision: 1 })': "revision: is 1; it must be a string",
  'Scorer.load("/m/", { sha256: null })': "sha256: is null; it must be a object",
  'Scorer.load("/m/", { headers: { "a b": "c" } })': "headers: ",
  'Scorer.load("/m/", null)': "options: of load must be an object",
  'Scorer.load("/m/", "gpu")': "options: of load must be an object",
  'Scorer.load("/m/", { kernel: "fastest", worker: false })': "fastest: no kernel is called that",
  // Sources.
  "Scorer.load(null)": "source: is neither",
  "Scorer.load(5)": "source: is neither",
  "Scorer.load({})": "source: is neither",
  'Scorer.load([new File([], "config.json"), "model.safetensors"])': "source[1]: is not a file",
  'Scorer.load("")': "the model's name: is neither",
  'Scorer.load("ftp://host/m")': "ftp://host/m: cannot load from ftp:",
  // Calls of a scorer.
  "scorer.rank(instruction, candidates, { topN: 1 })":
    "topN: is no option of rank; did you mean topK? signal, onProgress and topK are known",
  "scorer.rank(instruction, candidates, { top_k: 1 })": "top_k: is no option of rank; did you mean topK?",
  "scorer.rank(instruction, candidates, { topK: 1.5 })": "topK: is 1.5; ",
  "scorer.rank(instruction, candidates, 3)": "options: of rank must be an object",
  "scorer.score(instruction, candidates, { topK: 1 })": "topK: is no option of score; ",
  "scorer.score(instruction, candidates, null)": "options: of score must be an object",
  'scorer.score(instruction, ["a", , "c"])': "candidates[1]: is neither a string nor an object with a text",
  "scorer.rank(instruction, new Array(3))": "candidates[0]: is neither",
  'scorer.logits(instruction, ["a", "b", { text: 1 }])': "candidates[2]: is neither",
  'scorer.score(instruction, ["a", null])': "candidates[1]: is neither",
  'scorer.rank(instruction, new Set(["a"]))': "candidates: are not a list",
  "scorer.score(instruction)": "candidates: are not a list",
  'scorer.score(["a"], "b")': "instruction: is not a string",
  '(async () => { for await (const _ of scorer.stream(instruction, ["a", Symbol("b")])); })()':
    "candidates[1]: is neither",
  'scorer.adapt([{ instruction: "a", response: "b", label: 1 }], { learning_rate: 1 })':
    "learning_rate: is no option of adapt; did you mean learningRate?",
  'scorer.adapt([{ instruction: "a", response: "b", label: 1 }], { depth: "heads" })':
    'depth: is "heads"; did you mean head?',
  "scorer.adapt(5)": "lessons: are not a list",
  // What is cached.
  'probe("/m/", { device: "gpu" })': "device: is no option of probe; ",
  "probe(5)": "source: is neither",
  "deleteKept()": "model: is not a name",
  "deleteKept(5)": "model: is not a name",
};

test("wrong arguments are refused by name, at once, as a CappyError with the code input", () =>
  inPage({}, async (page) => {
    await page.evaluate(async () => {
      globalThis.scorer = await cappy.Scorer.load("/m/", { device: "cpu" });
    });
    // The page's policy forbids eval.
    host.site.files["/wrong.js"] = Buffer.from(`
      const { Scorer, probe, deleteKept } = cappy;
      globalThis.expressions = { ${Object.keys(WRONG)
        .map((text) => `[${JSON.stringify(text)}]: () => ${text}`)
        .join(",\n")} };`);
    await page.addScriptTag({ url: "/wrong.js" });
    for (const [text, says] of Object.entries(WRONG)) {
      const { code, message, cappy } = await page.evaluate(
        (text) => failure((async () => globalThis.expressions[text]())()),
        text,
      );
      assert.deepEqual([code, cappy], ["input", true], `${text}: ${message}`);
      assert.ok(message.startsWith(says), `${text}: ${message}`);
    }
    const scores = await page.evaluate(() => scorer.score(instruction, "a"));
    assert.equal(typeof scores, "number", "the scorer is as good as before");
  }));

test("no message has two full stops in a row, whatever the browser says", () =>
  inPage({}, async (page) => {
    const messages = await page.evaluate(() => [
      new cappy.CappyError("io", "a", "failed: No.. Try again..").message,
      new cappy.CappyError("io", "a", "waits...").message,
      new cappy.CappyError("io", "..", "is a folder").message,
    ]);
    assert.deepEqual(messages, ["a: failed: No. Try again.", "a: waits...", "..: is a folder"]);
    // Browsers' own sentences end in one.
    await page.evaluate(() => {
      globalThis.Worker = /** @type {any} */ (
        class {
          constructor() {
            throw new DOMException("Not in here.", "SecurityError");
          }
        }
      );
    });
    const { code, message } = await page.evaluate(() => failure(cappy.Scorer.load("/m/", { device: "gpu" })));
    assert.deepEqual(
      [code, message],
      ["worker", "worker.js: could not be started: Not in here. The option worker: false goes without one"],
    );
  }));

test("a worker that a page with COEP may not load says COEP", () =>
  inPage({ coep: "require-corp" }, async (page) => {
    const { code, message } = await page.evaluate(() => failure(cappy.Scorer.load("/m/", { device: "gpu" })));
    assert.equal(code, "worker", message);
    assert.match(message, /COEP.*Cross-Origin-Embedder-Policy.*worker: false/);
    const without = await page.evaluate(() =>
      failure(
        cappy.Scorer.load("/m/", { device: "cpu", worker: false }).then((scorer) => scorer.score(instruction, "a")),
      ),
    );
    assert.equal(typeof without.value, "number", without.message);
  }));

test("in a service worker the GPU scores, and what needs import() says so", () =>
  inPage({}, async (page) => {
    host.site.files["/sw.js"] = Buffer.from(`
      import { CappyError, keptAdaptations, Scorer } from "/dist/index.js";
      const work = {
        gpu: () => Scorer.load("/m/", { device: "gpu" }).then((scorer) => scorer.score("a", "b")),
        auto: () => Scorer.load("/m/").then((scorer) => scorer.score("a", "b")),
        cpu: () => Scorer.load("/m/", { device: "cpu" }),
        adaptations: () => keptAdaptations(),
      };
      // The browser may end a service worker that does not say what it is still at.
      addEventListener("message", (event) => event.waitUntil(work[event.data]().then(
        (value) => event.ports[0].postMessage({ value }),
        (error) => event.ports[0].postMessage({ code: error.code, message: error.message, cappy: error instanceof CappyError }),
      )));`);
    const ask = (what) =>
      page.evaluate(async (what) => {
        const { active, installing } = (globalThis.registration ??= await navigator.serviceWorker.register("/sw.js", {
          type: "module",
        }));
        const { port1, port2 } = new MessageChannel();
        (active ?? installing).postMessage(what, [port2]);
        return new Promise((resolve) => {
          port1.onmessage = ({ data }) => resolve(data);
        });
      }, what);
    for (const part of ["cpu", "adaptations"]) {
      const { code, message, cappy } = await ask(part);
      assert.deepEqual([code, cappy], ["network", true], message);
      assert.match(message, /^(cpu|adapt)\/\w+(-\w+)*\.js: needs import\(\), which service workers lack/);
    }
    const gpu = await ask("gpu");
    assert.equal(typeof gpu.value, "number", gpu.message);
    // The CPU would be faster, but cannot be loaded here: a slow GPU is better than nothing.
    assert.deepEqual(await ask("auto"), gpu);
  }));

/**
 * Stores in `clock` the time that was last read from the clock. A listener that reads the clock itself gets a later time
 * than the package, because a busy machine may do something else in between.
 */
const CLOCK = `
  const now = performance.now.bind(performance);
  performance.now = () => (globalThis.clock = now());`;

/** Loads, and writes down what it was told, and when. */
const watchLoad = (page, options) =>
  page.evaluate(async (options) => {
    const told = [];
    const onProgress = (progress) => told.push({ at: globalThis.clock, ...progress });
    const scorer = await cappy.Scorer.load("/m/", { ...options, onProgress });
    const { device } = scorer.info();
    scorer.dispose();
    return { told, device };
  }, options);

/** At most every 100 ms but for ends, never backwards, and each phase ends once. */
function assertSteady(told) {
  let last = -Infinity;
  for (const { at, bytes, total } of told) {
    assert.ok(bytes <= total && total > 0);
    if (bytes === total) continue;
    assert.ok(at - last >= 99, `${at - last} ms`);
    last = at;
  }
  for (const phase of ["download", "load"]) {
    const these = told.filter((progress) => progress.phase === phase);
    these.forEach(({ bytes, total }, i) => {
      const { bytes: before, total: ofAll } = these[i - 1] ?? { bytes: -1, total: 1 };
      assert.ok(bytes / total > before / ofAll, `${phase}: ${before} of ${ofAll}, then ${bytes} of ${total}`);
    });
    assert.equal(these.filter(({ bytes, total }) => bytes === total).length, 1, `${phase} ends once`);
    assert.equal(these.at(-1).bytes, these.at(-1).total);
  }
}

test("progress of loading goes forward, not too often, and ends once, on either device and from one to the other", async () => {
  const lost = `GPUAdapter.prototype.requestDevice = async () => { throw new DOMException("not today", "OperationError"); }`;
  for (const [script, options, device] of /** @type {[string, object, string][]} */ ([
    ["", { device: "gpu" }, "gpu"],
    ["", { device: "cpu", worker: false }, "cpu"],
    [lost, {}, "cpu"],
  ])) {
    await inPage({ prelude: CLOCK, workerPrelude: script }, async (page) => {
      // So slow that there is a lot to tell.
      Object.assign(host.site, { slow: 80, slowPath: "/m/" });
      const { told, device: got } = await watchLoad(page, { ...options, cache: false });
      host.site.slow = 0;
      assert.equal(got, device);
      assert.ok(told.filter(({ phase }) => phase === "download").length > 3, JSON.stringify(told));
      assertSteady(told);
      // What is cached comes at once.
      await watchLoad(page, options);
      assertSteady((await watchLoad(page, options)).told);
    });
  }
});

test("progress of scoring is reported at most every 100 ms, and its end once", () =>
  inPage({ prelude: CLOCK }, async (page) => {
    const { told, total, took } = await page.evaluate(async () => {
      const scorer = await cappy.Scorer.load("/m/", { device: "cpu", batchTokens: 32 });
      // As long a list as takes half a second on this machine.
      for (let times = 100; ; times *= 2) {
        const lots = Array(times).fill(candidates).flat();
        const told = [];
        const begin = performance.now();
        await scorer.score(instruction, lots, {
          onProgress: ({ done, total }) => told.push({ at: globalThis.clock, done, total }),
        });
        const took = performance.now() - begin;
        if (took > 500) return { told, total: lots.length, took };
      }
    });
    told.forEach(({ at, done, total: of }, i) => {
      assert.equal(of, total);
      if (i === 0) return;
      assert.ok(done > told[i - 1].done);
      if (done < total) assert.ok(at - told[i - 1].at >= 99, `${at - told[i - 1].at} ms`);
    });
    assert.equal(told.filter(({ done }) => done === total).length, 1);
    assert.ok(told.length > 2 && told.length < took / 100 + 2, `${told.length} times in ${took} ms`);
  }));
