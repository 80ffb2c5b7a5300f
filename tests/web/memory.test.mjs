// Loading a checkpoint of Cappy-large's shape (355 M random numbers) in Chromium: how much memory
// JavaScript and WebAssembly take at most. f16 is cached in OPFS meanwhile; f32 is more than a test
// profile may keep, so it goes straight through.
import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeCheckpoint } from "./command.mjs";
import { openChromium, serve } from "./hosts.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const MIB = 2 ** 20;

/** Above what is there before, tokenizer included. */
const LIMIT = 64 * MIB;

const LARGE = {
  architectures: ["RobertaForSequenceClassification"],
  model_type: "roberta",
  vocab_size: 50265,
  hidden_size: 1024,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  intermediate_size: 4096,
  hidden_act: "gelu",
  max_position_embeddings: 514,
  type_vocab_size: 1,
  layer_norm_eps: 1e-5,
  pad_token_id: 1,
  id2label: { 0: "LABEL_0" },
};

for (const dtype of ["f16", "f32"]) {
  test(`loading the large shape in ${dtype} takes little memory`, { timeout: 1_200_000 }, async (t) => {
    const scratch = await mkdtemp(join(tmpdir(), "cappy-large-"));
    const site = await serve(root, { "/large/": join(scratch, "model") });
    const chromium = await openChromium(site);
    try {
      await writeFile(join(scratch, "config.json"), JSON.stringify(LARGE));
      await makeCheckpoint({ config: join(scratch, "config.json"), seed: 3, dtype, folder: join(scratch, "model") });
      const bytes = (await stat(join(scratch, "model/model.safetensors"))).size;

      // On the page's own thread, so that there is one place to measure.
      let blink = 0;
      const cdp = await chromium.page.context().newCDPSession(chromium.page);
      const used = async () => {
        const { usedSize, backingStorageSize, embedderHeapUsedSize } = await cdp.send("Runtime.getHeapUsage");
        blink = Math.max(blink, embedderHeapUsedSize);
        return usedSize + backingStorageSize;
      };
      const wasmMemory = () => chromium.page.evaluate(() => wasm.memory.buffer.byteLength);
      await chromium.page.evaluate(async () => {
        const { Scorer } = await import("/dist/index.js");
        globalThis.Scorer = Scorer;
        globalThis.wasm = await (await import("/dist/wasm/cappy.js")).default();
        (await Scorer.load("/models/cappy-mini/", { device: "gpu", worker: false, cache: false })).dispose();
      });
      await cdp.send("HeapProfiler.collectGarbage");
      const before = (await used()) + (await wasmMemory());
      let most = 0;
      let over = false;
      const began = performance.now();
      const loading = chromium.page
        .evaluate(async (cache) => {
          const scorer = await Scorer.load("/large/", { device: "gpu", worker: false, cache });
          return scorer.info();
        }, dtype === "f16")
        .finally(() => {
          over = true;
        });
      while (!over) {
        most = Math.max(most, await used());
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const info = await loading;
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      // WebAssembly's memory never shrinks.
      const above = most + (await wasmMemory()) - before;
      const mib = (bytes) => (bytes / MIB).toFixed(1);
      t.diagnostic(
        `file ${mib(bytes)} MiB, ${seconds} s, ${mib(above)} MiB above ${mib(before)} MiB; the browser's own objects up to ${mib(blink)} MiB`,
      );
      assert.equal(info.fileBytes, bytes);
      assert.ok(info.gpuBytes > 680e6, "the weights are on the GPU");
      assert.ok(above <= LIMIT, `${mib(above)} MiB`);
    } finally {
      await chromium.close();
      await site.close();
      await rm(scratch, { recursive: true, force: true });
    }
  });
}
