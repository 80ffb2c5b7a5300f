// Adaptation in Chromium (SwiftShader, no f16), Firefox (lavapipe, f16) and Node (Dawn on lavapipe).
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { command, makeCheckpoint } from "./command.mjs";
import { startPackage } from "./harness.mjs";
import { openChromium, openFirefox, openNode, serve } from "./hosts.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const goldenOf = async (file) => JSON.parse(await readFile(join(root, "tests/golden", file), "utf8"));
const golden = await goldenOf("training-texts.json");
const bert = await goldenOf("training-bert-texts.json");
const modernBert = await goldenOf("training-modernbert-texts.json");
const xlmRoberta = await goldenOf("training-xlm-roberta-texts.json");
const { examples } = golden;
const pairs = examples.map(({ instruction, response }) => [instruction, response]);

/** Runs where the package is: what `jobs` names, one after the other, with one scorer of `source`, or of the package's own model. */
async function inHost({ module, source, jobs, lessons, pairs, options }) {
  const cappy = await import(module);
  const hex = async (blob) => {
    const hash = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const scores = async (scorer) => {
    const all = [];
    for (const [instruction, response] of pairs) all.push(await scorer.score(instruction, response));
    return all;
  };
  const scorer = await cappy.Scorer.load(source, { device: "gpu", ...options });
  const before = await scores(scorer);
  const outcomes = [];
  for (const job of jobs) {
    const plans = [];
    const told = [];
    const stop = new AbortController();
    const { stopAfter, ...rest } = job;
    const how = {
      ...rest,
      ...(stopAfter === undefined ? {} : { signal: stop.signal }),
      onPlan: (plan) => plans.push(plan),
      onProgress: (progress) => {
        told.push(progress);
        if (progress.step === stopAfter) stop.abort();
      },
    };
    try {
      const adapted = await scorer.adapt(lessons, how);
      const unchanged = await scores(scorer);
      await scorer.apply(adapted);
      const applied = await scores(scorer);
      const info = scorer.info();
      await scorer.apply();
      const undone = await scores(scorer);
      const other = await cappy.Scorer.load(source, { ...options, adaptation: adapted.files });
      const loaded = await scores(other);
      other.dispose();
      const { files, ...about } = adapted;
      outcomes.push({
        ...about,
        plans,
        told,
        unchanged,
        applied,
        undone,
        loaded,
        info,
        undoneInfo: scorer.info(),
        files: await Promise.all(
          files.map(async (file) => ({ name: file.name, size: file.size, hash: await hex(file) })),
        ),
      });
    } catch (error) {
      outcomes.push({ plans, told, code: error.code, message: error.message, kept: await cappy.keptAdaptations() });
    }
  }
  scorer.dispose();
  return { before, outcomes, kept: await cappy.keptAdaptations() };
}

let site;
let models;
before(async () => {
  models = await mkdtemp(join(tmpdir(), "cappy-adapt-"));
  await makeGoldenModel("training-texts.json", golden, join(models, "texts"));
  await makeGoldenModel("training-bert-texts.json", bert, join(models, "bert"));
  await makeGoldenModel("training-modernbert-texts.json", modernBert, join(models, "modernbert"));
  await makeGoldenModel("training-xlm-roberta-texts.json", xlmRoberta, join(models, "xlm-roberta"));
  site = await serve(root, { "/random/": models });
});
after(async () => {
  await site?.close();
  if (models) await rm(models, { recursive: true, force: true });
});

/** The model of a golden run: random weights, made by the crate, with the last matrix made smaller. */
async function makeGoldenModel(file, golden, folder) {
  await mkdir(folder);
  const tokenizer = `tests/golden/${golden.tokenizer ?? "tokenizer.json"}`;
  await makeCheckpoint({ config: `tests/golden/${file}`, seed: golden.weights_seed, tokenizer, dtype: "f32", folder });
  const weights = join(folder, "model.safetensors");
  const bytes = await readFile(weights);
  const begin = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, begin).toString());
  const last = header["classifier.out_proj.weight"] ?? header["classifier.weight"];
  const [from, to] = last.data_offsets;
  for (let at = begin + from; at < begin + to; at += 4)
    bytes.writeFloatLE(bytes.readFloatLE(at) * golden.out_scale, at);
  await writeFile(weights, bytes);
}

const inPage = (opened) => (args) => opened.page.evaluate(inHost, { module: "/dist/index.js", ...args });
const HOSTS = [
  {
    name: "Chromium",
    dtype: "f32",
    open: async () => {
      const opened = await openChromium(site);
      return { ...opened, run: inPage(opened) };
    },
  },
  {
    name: "Firefox",
    dtype: "f16",
    // Firefox does not tell that its adapter is software, so each load would measure kernels, and the bits of two loads
    // could differ. The other hosts know the kernel without a measurement.
    kernel: "lanes",
    open: async () => {
      const opened = await openFirefox(site);
      return { ...opened, run: inPage(opened) };
    },
  },
  {
    name: "Node",
    dtype: "f16",
    open: async () => {
      const opened = await openNode();
      const module = new URL("../../dist/index.js", import.meta.url).href;
      return { ...opened, run: (args) => inHost({ module, ...args }) };
    },
  },
];

/** Of scores and losses, against PyTorch: that of crates/cli/tests/adapt.rs. */
const BOUND = 1e-3;

/** Of scores of cappy-mini on another adapter: that of tests/golden.rs. */
const MINI_BOUND = 2e-3;

/** The golden runs' settings, as the page takes them. */
const GOLDEN = { depth: "full", learningRate: golden.settings.learning_rate, batch: 8, size: 400, heldOut: 0 };
const headLike = (expected) => ({ ...GOLDEN, depth: "head", learningRate: expected.runs.head.learning_rate });
const loraLike = (expected) => ({
  ...GOLDEN,
  depth: "lora",
  learningRate: expected.runs.lora.learning_rate,
  rank: expected.rank,
  alpha: expected.alpha,
  seed: expected.lora_seed,
});
const BERT_LORA = loraLike(bert);
const HEAD = { depth: "head", batch: 8, epochs: 20, heldOut: 0, learningRate: 3e-3 };
/** @type {import("../../dist/types.js").AdaptOptions} */
const LORA = { depth: "lora", rank: 4, batch: 8, epochs: 6, heldOut: 0, learningRate: 3e-3 };

/** Whether every number is nearer than `bound` to its counterpart; NaN is not. */
function near(numbers, expected, bound, what) {
  assert.equal(numbers.length, expected.length, what);
  assert.ok(numbers.length > 0, `${what}: there is none`);
  for (const [at, number] of numbers.entries()) {
    const error = Math.abs(number - expected[at]);
    assert.ok(error <= bound, `${what} ${at}: ${number}, expected ${expected[at]}`);
  }
}

/** @param {any} outcome */
const losses = ({ history }) => history?.steps.map(({ loss }) => loss) ?? [];

/** What has to hold of every run that ended well. */
function ended({ code, message, ...outcome }, before, { steps }) {
  assert.equal(code, undefined, message);
  const { plans, told, history, plan } = outcome;
  assert.deepEqual(plans, [plan]);
  assert.equal(plan.steps, steps);
  assert.deepEqual(
    told.map(({ step }) => step),
    Array.from({ length: steps }, (_, at) => at + 1),
  );
  assert.deepEqual(
    told.map(({ steps: _, ...step }) => step),
    history.steps,
  );
  const fell = losses(outcome);
  assert.ok(fell.at(-1) < 0.8 * fell[0], `the loss falls: ${fell}`);
  assert.deepEqual(outcome.unchanged, before, "training leaves the scorer alone");
  assert.deepEqual(outcome.undone, before, "undoing gives the same bits");
  assert.deepEqual(outcome.applied, outcome.loaded, "applied or loaded with its files");
  assert.notDeepEqual(outcome.applied, before);
  assert.deepEqual([outcome.info.adaptation, outcome.undoneInfo.adaptation], [outcome.name, ""]);
}

for (const { name, dtype, kernel, open } of HOSTS) {
  describe(name, () => {
    let host;
    before(async () => {
      host = await open();
    });
    after(() => host?.close());
    const mini = () => `${site.url}/models/cappy-mini`;
    // What the browser keeps must be adaptations alone, which these tests list.
    const run = (jobs, lessons = examples, options = {}, source = mini()) =>
      host.run({ source: source ?? undefined, jobs, lessons, pairs, options: { cache: false, kernel, ...options } });

    // SwiftShader is slow, and these are about the package rather than the adapter.
    const inOthers = (...args) => {
      if (name !== "Chromium") test(...args);
    };

    test(`${name}: the head and adapters learn, and an adaptation is applied and removed`, {
      timeout: 900_000,
    }, async (t) => {
      const {
        before,
        outcomes: [head, lora],
      } = await run([HEAD, LORA]);
      ended(head, before, { steps: 20 });
      t.diagnostic(`head: loss ${losses(head)[0]} to ${losses(head).at(-1)}`);
      assert.deepEqual(
        head.files.map(({ name }) => name),
        ["adapter_model.safetensors"],
      );
      ended(lora, before, { steps: 6 });
      assert.deepEqual(
        lora.files.map(({ name }) => name),
        ["adapter_model.safetensors", "adapter_config.json"],
      );
      assert.deepEqual([head.info.dtype, lora.info.dtype], [dtype, dtype]);
    });

    test(`${name}: a whole model learns as in PyTorch`, { timeout: 900_000 }, async () => {
      const {
        before,
        outcomes: [full],
      } = await run([GOLDEN], examples, {}, `${site.url}/random/texts`);
      near(before, golden.before, BOUND, "score before");
      near(losses(full), golden.losses, BOUND, "loss");
      ended(full, before, { steps: golden.losses.length });
      near(full.applied, golden.after, BOUND, "score after");
      const names = full.files.map(({ name }) => name);
      for (const name of ["model.safetensors", "config.json", "tokenizer.json"])
        assert.ok(names.includes(name), `${names}`);
    });

    for (const [family, folder, expected] of /** @type {const} */ ([
      ["BERT", "bert", bert],
      ["ModernBERT", "modernbert", modernBert],
    ])) {
      test(`${name}: ${family}'s head and adapters learn as in PyTorch, and are applied`, {
        timeout: 900_000,
      }, async () => {
        const jobs = [headLike(expected), loraLike(expected)];
        const { before, outcomes } = await run(jobs, examples, {}, `${site.url}/random/${folder}`);
        near(before, expected.before, BOUND, "score before");
        for (const [at, { depth }] of jobs.entries()) {
          const { losses: wanted, after } = expected.runs[depth];
          near(losses(outcomes[at]), wanted, BOUND, `${depth}: loss`);
          ended(outcomes[at], before, { steps: wanted.length });
          near(outcomes[at].applied, after, BOUND, `${depth}: score after`);
        }
      });
    }

    inOthers(
      `${name}: the package's own model learns, whose weights are stored in 4 bits`,
      {
        timeout: 900_000,
      },
      async () => {
        const {
          before,
          outcomes: [head],
        } = await run([HEAD], examples, {}, null);
        ended(head, before, { steps: 20 });
        assert.deepEqual([head.info.model, head.undoneInfo.weights], ["cappy-small", "q4"]);
      },
    );

    inOthers(`${name}: all of BERT and of XLM-RoBERTa learns as in PyTorch`, { timeout: 900_000 }, async () => {
      for (const [folder, expected] of /** @type {const} */ ([
        ["bert", bert],
        ["xlm-roberta", xlmRoberta],
      ])) {
        const {
          before,
          outcomes: [full],
        } = await run([GOLDEN], examples, {}, `${site.url}/random/${folder}`);
        near(before, expected.before, BOUND, `${folder}: score before`);
        near(losses(full), expected.losses, BOUND, `${folder}: loss`);
        ended(full, before, { steps: expected.losses.length });
        near(full.applied, expected.after, BOUND, `${folder}: score after`);
      }
    });

    inOthers(`${name}: the same on the page's own thread, to the bit`, { timeout: 900_000 }, async () => {
      const {
        outcomes: [here],
      } = await run([HEAD], examples, { worker: false });
      const {
        outcomes: [there],
      } = await run([HEAD]);
      assert.equal(here.code, undefined, here.message);
      assert.deepEqual(here.files, there.files);
      assert.deepEqual(here.applied, there.applied);
    });

    inOthers(
      `${name}: a held-out part ends training early and decides which weights are the result`,
      { timeout: 900_000 },
      async () => {
        const lessons = [
          ...examples,
          { instruction: "Shout the word: garden", chosen: "(garden)", rejected: ["GARDEN!"] },
        ];
        const {
          before,
          outcomes: [outcome],
        } = await run([{ ...HEAD, heldOut: 0.2, patience: 1, seed: 2, epochs: 40 }], lessons);
        assert.equal(outcome.code, undefined, outcome.message);
        const {
          history: { heldOutBefore, best, steps, stoppedEarly },
        } = outcome;
        assert.ok(outcome.plan.heldOut > 0);
        assert.equal(typeof heldOutBefore, "number");
        const checked = steps.filter(({ heldOut }) => heldOut !== null);
        assert.ok(checked.length > 0);
        const least = Math.min(heldOutBefore, ...checked.map(({ heldOut }) => heldOut));
        assert.equal(best === 0 ? heldOutBefore : steps[best - 1].heldOut, least);
        assert.equal(stoppedEarly, steps.length < outcome.plan.steps);
        if (best === 0) near(outcome.applied, before, 2e-3, "the model as it was");
      },
    );

    inOthers(`${name}: wrong options and lessons are named`, { timeout: 900_000 }, async () => {
      /** @type {[object, string, RegExp][]} */
      const bad = [
        [{ depth: "some" }, "input", /^depth: /],
        [{ rank: 1.5 }, "input", /^rank: /],
        [{ depth: "lora", rank: 0 }, "input", /^rank: /],
        [{ epochs: -1 }, "input", /^epochs: /],
        [{ learningRate: 0 }, "input", /^learning rate: /],
        [{ rate: 3 }, "input", /^rate: /],
        [{ memory: 1000 }, "out-of-memory", /^memory: /],
        [{ keep: "" }, "input", /^keep: /],
        [{ learningRate: 1e30, epochs: 5, depth: "full", heldOut: 0 }, "not-finite", /./],
      ];
      const { outcomes } = await run(bad.map(([options]) => options));
      for (const [at, [options, code, message]] of bad.entries()) {
        assert.equal(outcomes[at].code, code, `${JSON.stringify(options)}: ${outcomes[at].message}`);
        assert.match(outcomes[at].message, message);
      }
      for (const [lessons, message] of /** @type {[any, RegExp][]} */ ([
        [[examples[0], { instruction: "x" }], /^lessons\[1\]: has neither/],
        [[3], /^lessons\[0\]: /],
        [[], /^the training set: /],
        [[{ instruction: "x", chosen: "a", rejected: "a" }], /^lessons\[0\]: both chose and rejected/],
        [{}, /^lessons: are not a list/],
      ])) {
        const {
          outcomes: [outcome],
        } = await run([HEAD], lessons);
        assert.equal(outcome.code, "input");
        assert.match(outcome.message, message);
      }
    });

    if (name === "Node") {
      test("Node: without storage nothing can be stored, and the error says so", async () => {
        const {
          outcomes: [outcome],
          kept,
        } = await run([{ ...HEAD, keep: "mine" }]);
        assert.deepEqual([outcome.code, kept], ["io", []]);
      });
      test("Node: the native command scores the same by the adapter's files", { timeout: 900_000 }, async (t) =>
        nativeToo(t),
      );
      return;
    }

    test(`${name}: a stopped run resumes to the same bits, also after a reload`, { timeout: 900_000 }, async () => {
      for (const { source, ...job } of [
        { ...HEAD, heldOut: 0.3, patience: 0, source: mini() },
        // Of so many steps that a page that is slow to stop it does so before the last.
        { ...LORA, epochs: 12, source: mini() },
        { ...BERT_LORA, size: 96, source: `${site.url}/random/bert` },
      ]) {
        const keep = `a name / with "everything" ${job.depth}`;
        const {
          outcomes: [whole],
        } = await run([job], examples, {}, source);
        assert.equal(whole.code, undefined, whole.message);
        const {
          outcomes: [stopped],
        } = await run([{ ...job, keep, stopAfter: 3 }], examples, {}, source);
        assert.equal(stopped.code, "aborted", stopped.message);
        const [found] = stopped.kept.filter(({ name }) => name === keep);
        assert.deepEqual([found.complete, found.depth, found.resumable.steps], [false, job.depth, whole.plan.steps]);
        assert.ok(found.resumable.step >= 3 && found.resumable.step < whole.plan.steps, `${found.resumable.step}`);
        await host.page.reload();
        const {
          outcomes: [resumed],
          kept,
        } = await run([{ ...job, keep }], examples, {}, source);
        assert.equal(resumed.code, undefined, resumed.message);
        assert.deepEqual(resumed.files, whole.files);
        assert.deepEqual(resumed.history, whole.history);
        assert.deepEqual(resumed.told, whole.told, "steps that were taken before are told again");
        const after = kept.find(({ name }) => name === keep);
        assert.deepEqual([after.complete, after.resumable], [true, null]);
        assert.ok(after.bytes > whole.files[0].size);

        await host.page.reload();
        const { byName, gone, left, deleted } = await host.page.evaluate(
          async ({ keep, pairs, source, kernel }) => {
            const cappy = await import("/dist/index.js");
            const scorer = await cappy.Scorer.load(source, { adaptation: keep, cache: false, kernel });
            const byName = [];
            for (const [instruction, response] of pairs) byName.push(await scorer.score(instruction, response));
            const deleted = scorer.info().adaptation;
            await cappy.deleteAdaptation(keep);
            const gone = await scorer.apply(keep).catch(({ code, message }) => ({ code, message }));
            // What is in the GPU's memory stays.
            await scorer.score("still", "there");
            const left = (await cappy.keptAdaptations()).map(({ name }) => name);
            scorer.dispose();
            const models = (await cappy.keptModels()).length;
            return { byName, gone, left: [...left, models], deleted };
          },
          { keep, pairs, source, kernel },
        );
        assert.deepEqual(byName, whole.applied);
        assert.equal(deleted, keep);
        assert.equal(gone.code, "not-found");
        assert.deepEqual(left, [0], "neither adaptations nor what would look like a model");
      }
    });

    inOthers(`${name}: other lessons under a name begin anew`, { timeout: 900_000 }, async () => {
      const keep = "one name";
      await run([{ ...HEAD, keep, stopAfter: 2 }]);
      const fewer = examples.slice(0, 6);
      const {
        outcomes: [fresh],
      } = await run([{ ...HEAD, keep }], fewer);
      const {
        outcomes: [plain],
      } = await run([HEAD], fewer);
      assert.equal(fresh.code, undefined, fresh.message);
      assert.deepEqual(fresh.files, plain.files);
      await host.page.evaluate(async () => {
        const cappy = await import("/dist/index.js");
        await cappy.deleteAdaptation("one name");
      });
    });
  });
}

/** Files that Node made, applied by the command line. */
async function nativeToo(t) {
  const { Scorer } = await import("../../dist/index.js");
  const folder = await mkdtemp(join(tmpdir(), "cappy-adapter-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const mini = join(root, "models/cappy-mini");
  const scorer = await Scorer.load(mini, { device: "gpu" });
  const adapted = await scorer.adapt(examples, LORA);
  await scorer.apply(adapted);
  for (const file of adapted.files) await writeFile(join(folder, file.name), Buffer.from(await file.arrayBuffer()));
  const score = ["score", "--device", "gpu", "--model", mini, "--adapter", folder];
  const native = promisify(execFile)(await command(), score);
  native.child.stdin.end(
    examples.map(({ instruction, response }) => JSON.stringify({ instruction, response })).join("\n"),
  );
  const { stdout } = await native;
  const theirs = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).score);
  const own = [];
  for (const [instruction, response] of pairs) own.push(await scorer.score(instruction, response));
  near(theirs, own, MINI_BOUND, "score");
  scorer.dispose();
}

test("a lost device comes back with what was applied, under a strict policy and without a worker", {
  timeout: 300_000,
}, async () => {
  const host = await startPackage();
  try {
    const page = await host.open({
      prelude: `
        globalThis.devices = [];
        const request = GPUAdapter.prototype.requestDevice;
        GPUAdapter.prototype.requestDevice = async function (...args) {
          const device = await request.apply(this, args);
          devices.push(device);
          return device;
        };`,
    });
    const got = await page.evaluate(async () => {
      const lessons = candidates.slice(0, 4).map((response, at) => ({ instruction, response, label: at % 2 }));
      const options = { depth: "head", heldOut: 0, batch: 4, epochs: 10, learningRate: 0.01 };
      const outcomes = [];
      for (const worker of [true, false]) {
        const scorer = await cappy.Scorer.load("/m/", { device: "gpu", cache: false, worker });
        const before = [...(await scorer.score(instruction, candidates))];
        const under = scorer.score(instruction, Array(6).fill(candidates).flat());
        const adapted = await scorer.adapt(lessons, options);
        const long = scorer.score(instruction, Array(6).fill(candidates).flat());
        await scorer.apply(adapted);
        const applied = [...(await scorer.score(instruction, candidates))];
        const unmixed = [...(await under), ...(await long)];
        for (const device of devices) device.destroy();
        const again = [...(await scorer.score(instruction, candidates))];
        outcomes.push({
          before,
          applied,
          again,
          unmixed: unmixed.every((score, at) => score === before[at % before.length]),
          losses: scorer.info().losses,
          adaptation: scorer.info().adaptation,
        });
        scorer.dispose();
        outcomes.at(-1).after = await failure(scorer.apply(adapted));
      }
      return outcomes;
    });
    assert.deepEqual(page.complaints, []);
    for (const [at, { before, applied, again, unmixed, losses, adaptation, after }] of got.entries()) {
      assert.notDeepEqual(applied, before);
      assert.deepEqual(again, applied);
      assert.ok(unmixed, "calls under way end with the weights that they began with");
      assert.equal(losses, at, "the worker's device is its own");
      assert.equal(adaptation, "head, 10 steps");
      assert.equal(after.code, "disposed");
    }
  } finally {
    await host.close();
  }
});
