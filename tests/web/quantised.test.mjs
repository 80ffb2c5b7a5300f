// Weights rounded to 8 and 4 bits while they load, in Chromium (f32), Firefox and Node (f16). How
// well that scores is the matter of docs/quantisation.md; here the kernels for it have to run.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openChromium, openFirefox, openNode, serve } from "./hosts.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name) => JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), "utf8"));
const { scores, source } = read("models/cappy-mini.json");
const chosen = read("pairs.json")
  .pairs.map((pair, i) => ({ ...pair, score: scores[i][0] }))
  .filter((_, i) => i % 4 === 0);
const pairs = chosen.map(({ instruction, response }) => ({ instruction, response }));
const expected = chosen.map(({ score }) => score);

function correlation(a, b) {
  const mean = (x) => x.reduce((sum, value) => sum + value, 0) / x.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const products = (x, meanX, y, meanY) => x.reduce((sum, value, i) => sum + (value - meanX) * (y[i] - meanY), 0);
  return products(a, meanA, b, meanB) / Math.sqrt(products(a, meanA, a, meanA) * products(b, meanB, b, meanB));
}

let site;
before(async () => {
  site = await serve(root);
});
after(() => site?.close());

for (const [name, open] of Object.entries({ Chromium: openChromium, Firefox: openFirefox, Node: openNode })) {
  test(`${name} scores with weights of 8 and 4 bits`, async () => {
    const host = await open(site);
    const model = host.page ? `/${source.directory}/` : join(root, source.directory);
    try {
      // A budget or a kernel by measurement would differ from load to load, and the memory of activations with it.
      const fixed = { batchTokens: 1024, kernel: "lanes" };
      const plain = await host.logits(model, pairs, fixed);
      assert.equal(plain.info.weights, "f16");
      for (const [dtype, least] of /** @type {["q8" | "q4", number][]} */ ([
        ["q8", 0.998],
        ["q4", 0.85],
      ])) {
        const { info, logits } = await host.logits(model, pairs, { dtype, ...fixed });
        assert.equal(info.weights, dtype);
        assert.ok(info.gpuBytes < plain.info.gpuBytes, `${dtype}: ${info.gpuBytes} bytes`);
        const found = correlation(
          expected,
          logits.map(([logit]) => logit),
        );
        assert.ok(found >= least, `${dtype}: ${found}`);
        assert.notDeepEqual(logits, plain.logits);
      }
      await assert.rejects(host.logits(model, pairs, { dtype: "q5" }), /q8 and q4 are known/);
    } finally {
      await host.close();
    }
  });
}
