// Folders as people have them (tests/golden/cases, see crates/cpu/tests/cases.rs), in Chromium (SwiftShader, no
// f16), Firefox and Node (lavapipe, f16), and on the package's CPU, against the scores of transformers
// and sentence-transformers.
import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { compare, std } from "./compare.mjs";
import { openChromium, openFirefox, openNode, serve } from "./hosts.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "tests/golden/cases");
const read = async (name) => JSON.parse(await readFile(join(folder, name), "utf8"));

/** Standard deviations that a score may be off by. */
const ALLOWED = { of_std: 0.02 };

const { pairs, scores, others } = await read("expected.json");
const CASES = {
  ...Object.fromEntries(Object.entries(scores).map(([name, scores]) => [name, { pairs, scores }])),
  ...others,
};

/**
 * The pairs of st-max-length are one text that is cut in different places, so their scores are a third as
 * far apart as others of the same weights, while rounding to f16 on the GPU is the same. There the spread
 * of the same weights' scores on the common pairs counts.
 */
const allowed = (name, device) =>
  name === "st-max-length" && device === "gpu"
    ? { absolute: ALLOWED.of_std * std(scores["cfg-no-act"].flat()) }
    : ALLOWED;

/** Cases with files that are changed or added; of their pairs a few, since each is a call of its own. */
const { pairs: variantPairs, variants } = await read("variants.json");
const SOME = [0, 2, 4, 8, 14, 18, 20];
/** In browsers, which take longer, these. */
const IN_BROWSERS = /gelu_new|relu|without architectures|constants|a prompt and a length|a longer length/;

/** A safetensors file with numbers of f64, and LayerNorms named as older checkpoints do. */
function inF64AndOlder(file) {
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__, ...header } = JSON.parse(file.subarray(8, 8 + length).toString());
  const older = Object.entries(header).map(([name, { shape, data_offsets }]) => [
    name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
    { dtype: "F64", shape, data_offsets: data_offsets.map((at) => 2 * at) },
  ]);
  const json = Buffer.from(JSON.stringify(Object.fromEntries(older)));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(json.length));
  const numbers = new Float32Array(new Uint8Array(file.subarray(8 + length)).buffer);
  return Buffer.concat([start, json, Buffer.from(Float64Array.from(numbers).buffer)]);
}

let models;
let site;

before(async () => {
  models = await mkdtemp(join(tmpdir(), "cappy-cases-"));
  for (const [name, weights] of Object.entries(await read("weights.json"))) {
    await cp(join(folder, name), join(models, name), { recursive: true });
    await cp(join(folder, "weights", `${weights}.safetensors`), join(models, name, "model.safetensors"));
  }
  for (const [i, { case: name, files }] of variants.entries()) {
    await cp(join(models, name), join(models, `variant-${i}`), { recursive: true });
    for (const [file, text] of Object.entries(files)) await writeFile(join(models, `variant-${i}`, file), text);
  }
  for (const name of ["cfg-no-act", "cfg-no-eps-bert"]) {
    await cp(join(models, name), join(models, `${name}-f64`), { recursive: true });
    const file = join(models, `${name}-f64/model.safetensors`);
    await writeFile(file, inF64AndOlder(await readFile(file)));
  }
  site = await serve(root, { "/cases/": models });
});

after(async () => {
  await site?.close();
  if (models) await rm(models, { recursive: true, force: true });
});

test("every folder is a case, and the comparison fails on the scores of another one", async () => {
  const beside = ["expected.json", "variants.json", "weights", "weights.json"];
  const there = (await readdir(folder)).filter((name) => !beside.includes(name));
  assert.deepEqual(Object.keys(CASES).sort(), there.sort());
  const { scores } = CASES["cfg-no-act"];
  assert.equal(compare(scores, scores, ALLOWED), 0);
  assert.throws(() => compare(scores, CASES["prefix-mismatch"].scores, ALLOWED));
  assert.throws(() => compare(scores, [scores[1], scores[0], ...scores.slice(2)], ALLOWED));
  assert.throws(() => compare(scores, [[NaN], ...scores.slice(1)], ALLOWED));
});

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

    for (const [name, { pairs, scores }] of Object.entries(CASES)) {
      for (const device of ["gpu", "cpu"]) {
        test(`${where} scores ${name} on the ${device.toUpperCase()}`, { timeout: 300_000 }, async (t) => {
          const texts = pairs.map(([instruction, response]) => ({ instruction, response }));
          const { info, logits } = await host.logits(`${site.url}/cases/${name}/`, texts, { device });
          assert.equal(info.device, device);
          if (device === "gpu") assert.equal(info.dtype, dtype);
          t.diagnostic(`${(100 * compare(scores, logits, allowed(name, device))).toFixed(0)}% of the bound`);
        });
      }
    }

    for (const device of ["gpu", "cpu"]) {
      test(`${where} scores variants of the cases on the ${device.toUpperCase()}`, { timeout: 600_000 }, async () => {
        for (const [i, { name, function: applied, scores }] of variants.entries()) {
          if (host.page && !IN_BROWSERS.test(name)) continue;
          const texts = SOME.map((i) => ({ instruction: variantPairs[i][0], response: variantPairs[i][1] }));
          const { info, logits } = await host.logits(`${site.url}/cases/variant-${i}/`, texts, { device });
          try {
            compare(
              SOME.map((i) => scores[i]),
              logits,
              ALLOWED,
              scores,
            );
          } catch (error) {
            throw new Error(`${name}: ${error.message}`, { cause: error });
          }
          assert.equal(/applies (\w+) to it$/.exec(info.output)?.[1] ?? null, applied, `${name}: ${info.output}`);
        }
      });

      test(`${where} takes f64 and older names on the ${device.toUpperCase()}`, { timeout: 300_000 }, async () => {
        for (const name of ["cfg-no-act", "cfg-no-eps-bert"]) {
          const texts = pairs.slice(0, 6).map(([instruction, response]) => ({ instruction, response }));
          // Where a browser hides its adapter each load would measure kernels, and the bits of two loads could differ.
          const options = device === "gpu" ? { device, kernel: "lanes" } : { device };
          const scored = async (folder) => (await host.logits(`${site.url}/cases/${folder}/`, texts, options)).logits;
          assert.deepEqual(await scored(`${name}-f64`), await scored(name));
        }
      });
    }
  });
}

describe("the module for RoBERTa, the one for other families, and the CPU's", () => {
  // Changes of config.json: a field that is undefined is removed.
  const CHANGES = [
    {},
    { dim: 768 },
    { dim: "x" },
    { hidden_dim: 3072 },
    { activation: "tanh" },
    { n_heads: null },
    { n_layers: [3] },
    { architectures: undefined },
    { architectures: [] },
    { architectures: ["T5ForSequenceClassification"] },
    { architectures: "x" },
    { model_type: undefined },
    { model_type: "t5" },
    { model_type: "t5", architectures: undefined },
    { hidden_act: undefined },
    { hidden_act: "gelu_fast" },
    { hidden_act: "gelu_python" },
    { hidden_act: "relu" },
    { hidden_act: "silu" },
    { layer_norm_eps: undefined },
    { layer_norm_eps: "1e-5" },
    { pad_token_id: undefined },
    { pad_token_id: -1 },
    { type_vocab_size: undefined },
    { id2label: { 0: 5 } },
    { id2label: { 0: [] } },
    { id2label: undefined, num_labels: 1 },
    { num_labels: 3 },
    { hidden_size: undefined },
    { vocab_size: 10 },
    { num_attention_heads: undefined },
    { num_attention_heads: 5 },
    { is_decoder: true },
  ];
  const TEXTS = ['{"x": NaN, ', '{"x": [-Infinity, "NaN"], ', '{"hidden_size": 48, ', '{"hidden_size": NaN, ', "{,"];

  for (const name of ["cfg-no-act", "cfg-no-eps-bert"]) {
    test(`GPU and CPU modules read the config of ${name} alike, however it is changed`, {
      timeout: 600_000,
    }, async () => {
      const host = await openNode();
      const own = JSON.parse(await readFile(join(folder, name, "config.json"), "utf8"));
      const changed = [
        ...CHANGES.map((change) => JSON.stringify({ ...own, ...change })),
        ...TEXTS.map((start) => start + JSON.stringify(own).slice(1)),
      ];
      let refused = 0;
      for (const text of changed) {
        await writeFile(join(models, name, "config.json"), text);
        const outcome = (device) =>
          host.logits(`${site.url}/cases/${name}/`, [], { device }).then(
            ({ info: { labels, maxTokens, output, parameters } }) => ({ labels, maxTokens, output, parameters }),
            ({ code, message }) => ({ code, message }),
          );
        const [gpu, cpu] = [await outcome("gpu"), await outcome("cpu")];
        assert.deepEqual(gpu, cpu, text);
        refused += Number("code" in gpu);
      }
      assert.ok(refused > 10 && refused < changed.length - 15, `${refused} of ${changed.length}`);
      await writeFile(join(models, name, "config.json"), JSON.stringify(own));
    });
  }
});
