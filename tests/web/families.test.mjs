// XLM-RoBERTa, BERT, DistilBERT and ModernBERT in the npm package: a module of their own in Chromium (SwiftShader,
// no f16), Firefox and Node (lavapipe, f16), and the CPU's, against PyTorch's scores.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chains, makeChain } from "./chains.mjs";
import { compare } from "./compare.mjs";
import { golden, makeModel, pairsOf } from "./goldens.mjs";
import { openChromium, openFirefox, openNode, serve } from "./hosts.mjs";

const MODELS = [
  "xlm-roberta",
  "xlm-roberta-labels",
  "bert-cased",
  "bert-two-labels",
  "distilbert",
  "modernbert",
  "modernbert-mean",
];

let models;
let site;

before(async () => {
  models = await mkdtemp(join(tmpdir(), "cappy-families-"));
  for (const name of MODELS) await makeModel(name, models);
  await makeChain(await chains(), join(models, "chain"));
  await mkdir(join(models, "t5"));
  const other = { architectures: ["T5ForSequenceClassification"], model_type: "t5" };
  await writeFile(join(models, "t5/config.json"), JSON.stringify(other));
  site = await serve(fileURLToPath(new URL("../..", import.meta.url)), { "/random/": models });
});

after(async () => {
  await site?.close();
  if (models) await rm(models, { recursive: true, force: true });
});

const addressOf = (name) => `${site.url}/random/${name}/`;

/** Scores a model and compares; what `info()` says. */
async function assertAsPyTorch(t, host, name, options) {
  const known = await golden(name);
  const pairs = await pairsOf(known);
  // In browsers every third: each of them is a call of its own.
  const some = [...pairs.keys()].filter((i) => !host.page || i % 3 === 1);
  const began = performance.now();
  const { info, logits } = await host.logits(
    addressOf(name),
    some.map((i) => pairs[i]),
    options,
  );
  const used = compare(
    some.map((i) => known.scores[i]),
    logits,
    known.bound,
    known.scores,
  );
  t.diagnostic(`${(100 * used).toFixed(0)}% of the bound, ${((performance.now() - began) / 1000).toFixed(1)} s`);
  assert.equal(info.maxTokens, known.max_tokens);
  assert.deepEqual(info.labels, Object.values(known.config.id2label));
  assert.match(info.output, info.labels.length > 1 ? /a raw logit for each label/ : /a score, the raw logit.*sigmoid/);
  return info;
}

/** Asserts that each file of a model was asked for its size, and then downloaded once. */
function assertAskedOnce(folder) {
  for (const file of ["config.json", "tokenizer.json", "model.safetensors"].map((name) => `${folder}/${name}`)) {
    assert.deepEqual(
      site.log.filter((line) => line.endsWith(file)),
      [`HEAD /${file}`, `GET /${file}`],
    );
  }
}

const HOSTS = {
  Chromium: { open: openChromium, dtype: "f32" },
  Firefox: { open: openFirefox, dtype: "f16" },
  Node: { open: openNode, dtype: "f16" },
};

for (const [where, { open, dtype }] of Object.entries(HOSTS)) {
  describe(where, () => {
    let host;
    before(async () => {
      host = await open(site);
    });
    after(() => host?.close());

    // First, while nothing of the package is in the browser's cache.
    test("RoBERTa does not load the module for other families", async () => {
      site.log.length = 0;
      const pairs = [{ instruction: "a", response: "b" }];
      await host.logits(`${site.url}/models/cappy-mini/`, pairs);
      assert.deepEqual(
        site.log.filter((line) => line.includes("/families/")),
        [],
      );
      assertAskedOnce("models/cappy-mini");
    });

    const own =
      "the package's own model is a BERT, which the module for RoBERTa is not loaded for, and scores as PyTorch does";
    test(own, { timeout: 300_000 }, async () => {
      site.log.length = 0;
      const known = await golden("cappy-small");
      const pairs = await pairsOf(known);
      const some = [...pairs.keys()].filter((i) => i % 18 === 4);
      const { info, logits } = await host.logits(
        undefined,
        some.map((i) => pairs[i]),
      );
      assert.deepEqual([info.model, info.device, info.weights], ["cappy-small", "gpu", "q4"]);
      const expected = some.map((i) => known.scores[i]);
      compare(expected, logits, known.bound, known.scores);
      // Node reads the package from the disk.
      if (!host.page) return;
      assert.deepEqual(
        site.log
          .filter((line) => /\.wasm$|\/(family-)?worker\.js$/.test(line))
          .map((line) => line.replace(/^.*\//, "")),
        ["family-worker.js", "cappy_families_bg.wasm"],
      );
      assertAskedOnce("dist/model");
    });

    for (const name of MODELS) {
      test(`${where} scores ${name} as PyTorch does`, { timeout: 300_000 }, async (t) => {
        site.log.length = 0;
        const info = await assertAsPyTorch(t, host, name, {});
        assert.deepEqual([info.device, info.dtype, info.worker], ["gpu", dtype, true]);
        for (const file of ["tokenizer.json", "model.safetensors"]) {
          assert.equal(site.log.filter((line) => line === `GET /random/${name}/${file}`).length, 1, file);
        }
      });
    }

    test("a head that is a chain of modules scores as sentence-transformers does", { timeout: 300_000 }, async (t) => {
      const { pairs, chains: all } = await chains();
      const texts = pairs.map(([instruction, response]) => ({ instruction, response }));
      const { info, logits } = await host.logits(addressOf("chain"), texts, {});
      const used = compare(all[0].scores, logits, { of_std: 0.02 }, all[0].scores);
      t.diagnostic(`${(100 * used).toFixed(0)}% of the bound`);
      assert.deepEqual([info.device, info.dtype, info.labels.length], ["gpu", dtype, 1]);
      // They are another chain's scores otherwise, which the comparison has to notice.
      const others = all[1].scores.map(([score]) => [score]);
      assert.throws(() => compare(all[0].scores, others, { of_std: 0.02 }, all[0].scores));
    });

    test("an architecture that no module knows is refused by its name", async () => {
      for (const device of ["gpu", "cpu"]) {
        site.log.length = 0;
        const says =
          /architectures: is "T5ForSequenceClassification"; .* ModernBertForSequenceClassification are supported/;
        await assert.rejects(host.logits(addressOf("t5"), [], { device }), says);
        assert.ok(site.log.some((line) => line.endsWith("/t5/config.json")));
        assert.deepEqual(
          site.log.filter((line) => /\/t5\/(?!config)/.test(line)),
          [],
        );
      }
    });

    if (where === "Node") {
      for (const name of MODELS) {
        test(`the CPU scores ${name} as PyTorch does`, { timeout: 300_000 }, async (t) => {
          const info = await assertAsPyTorch(t, host, name, { device: "cpu" });
          assert.equal(info.device, "cpu");
        });
      }
    }

    if (where === "Chromium") {
      test("without WebGPU the CPU's module takes its place at once", async () => {
        site.log.length = 0;
        const { info } = await host.logits(addressOf("distilbert"), [{ instruction: "a", response: "b" }], {
          device: "cpu",
        });
        assert.equal(info.device, "cpu");
        assert.deepEqual(
          site.log.filter((line) => /\/dist\/(families|wasm)\//.test(line)),
          [],
        );
      });

      test("a worker that dies and a device that is lost are replaced", () =>
        host.page.evaluate(assertReplaced, addressOf("bert-cased")));

      test("adapting DistilBERT is refused by its name", async () => {
        const found = await host.page.evaluate(tryToAdapt, addressOf("distilbert"));
        assert.equal(found.length, 4);
        for (const { code, message } of found) {
          assert.equal(code, "input");
          assert.match(message, /DistilBertForSequenceClassification/);
        }
      });
    }
  });
}

/** Runs in the page: breaks what computes, and throws unless the scores stay the same. */
async function assertReplaced(address) {
  // The package before it is bundled, because how long it waits for a worker is not exported.
  const { Scorer } = await import("/target/modules/index.js");
  const { patience } = await import("/target/modules/remote.js");
  const { pingMs } = patience;
  // Silence of five seconds counts as death: a machine that is busy holds up a worker that lives for less.
  patience.pingMs = 1000;
  const workers = [];
  const Plain = globalThis.Worker;
  globalThis.Worker = class extends Plain {
    constructor(url, options) {
      super(url, options);
      this.path = new URL(url).pathname;
      workers.push(this);
    }
  };
  const devices = [];
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    devices.push(await request.apply(this, args));
    return devices.at(-1);
  };
  try {
    const score = async (scorer) =>
      JSON.stringify([...(await scorer.score("Name an animal.", ["dog", "a stone", ""]))]);
    const remote = await Scorer.load(address, { device: "gpu", cache: false });
    const expected = await score(remote);
    workers.at(-1).terminate();
    if ((await score(remote)) !== expected) throw new Error("another worker scores otherwise");
    remote.dispose();
    const paths = workers.map(({ path }) => path.replace("/target/modules/", "")).join();
    if (paths !== "worker.js,families/family-worker.js,families/family-worker.js") throw new Error(paths);

    const local = await Scorer.load(address, { device: "gpu", cache: false, worker: false });
    if ((await score(local)) !== expected) throw new Error("the page scores otherwise");
    devices.at(-1).destroy();
    if ((await score(local)) !== expected) throw new Error("another device scores otherwise");
    if (local.info().losses !== 1) throw new Error(`${local.info().losses} losses`);
    local.dispose();
  } finally {
    patience.pingMs = pingMs;
    globalThis.Worker = Plain;
    GPUAdapter.prototype.requestDevice = request;
  }
}

/** Runs in the page: teaches a model that cannot be taught, and applies what it cannot have learned. */
async function tryToAdapt(address) {
  const { Scorer } = await import("/dist/index.js");
  const found = [];
  for (const worker of [true, false]) {
    const options = { cache: false, worker };
    const scorer = await Scorer.load(address, { device: "gpu", ...options });
    const lessons = [{ instruction: "Greet me.", chosen: "Hello!", rejected: "What." }];
    const adapter = [new File(["{}"], "adapter_model.safetensors")];
    for (const work of [() => scorer.adapt(lessons), () => Scorer.load(address, { ...options, adaptation: adapter })]) {
      found.push(
        await work().then(
          () => ({}),
          ({ code, message }) => ({ code, message }),
        ),
      );
    }
    scorer.dispose();
  }
  return found;
}
