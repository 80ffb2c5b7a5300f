// Scores of the npm package in Chromium (SwiftShader, no f16), Firefox (lavapipe, f16) and Node
// (Dawn on lavapipe, f16) against PyTorch's: the files and bounds of tests/golden.rs.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { compare } from "./compare.mjs";
import { golden, makeModel } from "./goldens.mjs";
import { openChromium, openFirefox, openNode, serve } from "./hosts.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The wide models are the work of minutes on SwiftShader: of their pairs every eighteenth is scored.
 * CAPPY_ALL_PAIRS=1 scores all of them; tests/golden.rs does so natively.
 */
const MODELS = ["tiny", "odd", "head-128", "short", "three-labels", "cappy-mini"];
const WIDE = ["outliers", "deep", "base-width", "large-width"];

test("the comparison fails on wrong, swapped and missing scores, and on NaN", () => {
  const expected = [[1], [2], [4]];
  assert.equal(compare(expected, expected, { absolute: 0.1 }), 0);
  for (const wrong of [
    [[1], [2], [4.2]],
    [[2], [1], [4]],
    [[1], [NaN], [4]],
    [[1], [2]],
    [[1], [2], []],
  ]) {
    assert.throws(() => compare(expected, wrong, { absolute: 0.1 }), JSON.stringify(wrong));
  }
  assert.throws(() => compare([[1], [1.01]], [[1.05], [1.05]], { absolute: 0.001 }));
  assert.throws(() => compare([[1], [1]], [[1], [1]], { of_std: 0.02 }), /no bound/);
});

let models;
let site;

before(async () => {
  models = await mkdtemp(join(tmpdir(), "cappy-models-"));
  for (const name of [...MODELS, ...WIDE]) await makeModel(name, models);
  site = await serve(root, { "/random/": models });
});

after(async () => {
  await site?.close();
  if (models) await rm(models, { recursive: true, force: true });
});

const pairs = JSON.parse(await readFile(join(root, "tests/golden/pairs.json"), "utf8")).pairs;

const HOSTS = [
  { name: "Chromium", open: openChromium, dtype: "f32" },
  { name: "Firefox", open: openFirefox, dtype: "f16" },
  // Whose subgroups have eight invocations. wgpu offers none in Firefox, and SwiftShader's have four.
  { name: "Node", open: openNode, dtype: "f16", subgroups: true },
];

for (const { name: host, open, dtype, subgroups } of HOSTS) {
  describe(host, () => {
    let opened;
    before(async () => {
      opened = await open(site);
    });
    after(() => opened?.close());

    for (const name of [...MODELS, ...WIDE]) {
      test(`${host} scores ${name} as PyTorch does`, { timeout: 600_000 }, async (t) => {
        const { source, bound, scores, max_tokens: longest } = await golden(name);
        const some =
          WIDE.includes(name) && !process.env.CAPPY_ALL_PAIRS
            ? pairs.flatMap((_, i) => (i % 18 === 4 ? [i] : []))
            : [...pairs.keys()];
        const address = source.directory ? `${site.url}/${source.directory}/` : `${site.url}/random/${name}/`;
        const began = performance.now();
        const { info, logits } = await opened.logits(
          address,
          some.map((i) => pairs[i]),
        );
        const used = compare(
          some.map((i) => scores[i]),
          logits,
          bound,
          scores,
        );
        assert.equal(info.dtype, dtype);
        assert.equal(info.maxTokens, longest);
        assert.match(info.output, /raw logit/);
        const seconds = ((performance.now() - began) / 1000).toFixed(1);
        t.diagnostic(
          `${some.length} pairs, ${(100 * used).toFixed(0)}% of the bound, ${seconds} s, ${info.adapter.vendor} ${info.adapter.architecture}`,
        );
      });
    }

    // Software adapters never choose these by themselves, and other compilers than naga see them here alone.
    const half = ["half_large", "half_medium"];
    const exchanging = ["subgroup", "broadcast"];
    const kernels = ["large", "medium", "rows", ...(dtype === "f16" ? half : []), ...(subgroups ? exchanging : [])];
    for (const kernel of kernels) {
      test(`${host} scores odd as PyTorch does by the kernel ${kernel}`, { timeout: 600_000 }, async () => {
        const { bound, scores } = await golden("odd");
        const some = pairs.flatMap((_, i) => (i % 18 === 4 ? [i] : []));
        const { info, logits } = await opened.logits(
          `${site.url}/random/odd/`,
          some.map((i) => pairs[i]),
          { kernel },
        );
        compare(
          some.map((i) => scores[i]),
          logits,
          bound,
          scores,
        );
        assert.equal(info.kernels, kernel);
        // So the attribute by which a shader says its size is compiled here, too.
        assert.ok(info.adapter.subgroupSizeControl || !exchanging.includes(kernel));
      });
    }

    if (!subgroups) {
      test(`${host} refuses kernels that need subgroups of eight, which it has not`, { timeout: 600_000 }, async () => {
        for (const kernel of exchanging) {
          const loading = opened.logits(`${site.url}/random/odd/`, pairs.slice(0, 1), { kernel });
          await assert.rejects(loading, new RegExp(`lacks what the kernel ${kernel} needs`));
        }
      });
    }

    if (dtype !== "f16") {
      test(`${host} refuses kernels that need shader-f16, which it has not`, { timeout: 600_000 }, async () => {
        for (const kernel of half) {
          const loading = opened.logits(`${site.url}/random/odd/`, pairs.slice(0, 1), { kernel });
          await assert.rejects(loading, new RegExp(`lacks what the kernel ${kernel} needs`));
        }
      });
    }
  });
}

test("there is a golden file for each of these models, and each was made", () => {
  for (const name of [...MODELS, ...WIDE]) {
    assert.ok(name === "cappy-mini" || existsSync(join(models, name, "model.safetensors")), name);
  }
});
