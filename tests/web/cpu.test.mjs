// Without WebGPU: the package computes on the CPU in Chromium, Firefox and Node, says so, and scores
// as PyTorch does.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { compare } from "./compare.mjs";
import { openChromium, openFirefox, openNode, serve } from "./hosts.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name) => JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), "utf8"));
const { bound, scores, source } = read("models/cappy-mini.json");
// Every fourth: a page asks for each of them by a call of its own.
const chosen = read("pairs.json")
  .pairs.map((pair, i) => ({ ...pair, score: scores[i] }))
  .filter((_, i) => i % 4 === 0);
const pairs = chosen.map(({ instruction, response }) => ({ instruction, response }));
const expected = chosen.map(({ score }) => score);

/** Takes WebGPU away and listens to the console. */
function hide() {
  const gpu = { value: { requestAdapter: async () => null }, configurable: true };
  // Node's package would find an adapter where there is no `gpu` at all.
  if (globalThis.document) Object.defineProperty(Navigator.prototype, "gpu", { get() {}, configurable: true });
  else if (globalThis.navigator) Object.defineProperty(globalThis.navigator, "gpu", gpu);
  else
    Object.defineProperty(globalThis, "navigator", {
      value: Object.defineProperty({}, "gpu", gpu),
      configurable: true,
    });
  globalThis.warned = [];
  console.warn = (...texts) => globalThis.warned.push(texts.join(" "));
}

let site;
before(async () => {
  site = await serve(root);
});
after(() => site?.close());

const HOSTS = {
  Chromium: { open: openChromium, says: /WebGPU: is missing/ },
  Firefox: { open: openFirefox, says: /WebGPU: is missing/ },
  Node: { open: openNode, says: /WebGPU: finds no graphics adapter/ },
};

for (const [name, { open, says }] of Object.entries(HOSTS)) {
  describe(name, () => {
    let host;
    before(async () => {
      host = await open(site);
      await (host.page ? host.page.evaluate(hide) : hide());
    });
    after(() => host?.close());
    const warned = () => (host.page ? host.page.evaluate(() => globalThis.warned) : globalThis.warned);
    const model = () => (host.page ? `/${source.directory}/` : join(root, source.directory));

    test("without WebGPU the CPU computes, and says why, once", async () => {
      for (const worker of [undefined, false]) {
        const { info, logits } = await host.logits(model(), pairs, { device: "auto", worker });
        assert.equal(info.device, "cpu");
        assert.equal(info.worker, worker !== false);
        assert.match(info.note, /^computes on the CPU/);
        assert.match(info.note, says);
        assert.ok(info.gpuBytes === 0 && info.cpuBytes > 1_000_000);
        assert.ok(compare(expected, logits, bound) <= 1);
      }
      const texts = await warned();
      assert.equal(texts.length, 1, texts.join("\n"));
      assert.match(texts[0], /^cappy-web computes on the CPU/);
    });

    test("a load that asks for the CPU gets it without a warning, and one that asks for the GPU an error", async () => {
      const { info } = await host.logits(model(), pairs.slice(0, 2), { device: "cpu", cpuWeights: "i8" });
      assert.deepEqual([info.device, info.note, info.kernels], ["cpu", "", "integers, 8-bit weights"]);
      assert.equal((await warned()).length, 1);
      for (const options of [{ device: "gpu" }, { dtype: "f16" }, { kernel: "large" }]) {
        await assert.rejects(host.logits(model(), pairs.slice(0, 1), { device: "auto", ...options }), says);
      }
      await assert.rejects(
        host.logits(model(), pairs.slice(0, 1), { device: "cpu", kernel: "large" }),
        /kernel: is for shaders/,
      );
    });
  });
}
