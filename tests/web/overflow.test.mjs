// What f16 cannot hold is an error that names the layer, on every compiler of shaders that browsers
// have, and two calls of one scorer do not meet in its buffers.
import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openChromium, openFirefox, openNode, serve } from "./hosts.mjs";

const MINI = fileURLToPath(new URL("../../models/cappy-mini", import.meta.url));
const LAYER = "roberta.encoder.layer.1";
const PLACES = {
  [`${LAYER}.attention.self.query.weight`]: "the attention of layer 1",
  [`${LAYER}.attention.self.value.weight`]: "the attention of layer 1",
  [`${LAYER}.intermediate.dense.weight`]: "the ffn of layer 1",
  "roberta.embeddings.LayerNorm.weight": "the embeddings",
};
const PAIRS = [{ instruction: "Name the animal that barks.", response: "dog" }];

let models;
let site;

/** The small model with numbers of 30,000 in one tensor, their signs as they were. */
async function writeModel(folder, tensor) {
  await mkdir(folder);
  for (const file of ["config.json", "tokenizer.json"]) await copyFile(join(MINI, file), join(folder, file));
  const weights = await readFile(join(MINI, "model.safetensors"));
  const length = Number(weights.readBigUInt64LE(0));
  const {
    dtype,
    data_offsets: [begin, end],
  } = JSON.parse(weights.toString("utf8", 8, 8 + length))[tensor];
  assert.equal(dtype, "F16");
  for (let at = 8 + length + begin; at < 8 + length + end; at += 2) {
    weights.writeUInt16LE((weights.readUInt16LE(at) & 0x8000) | 0x7753, at);
  }
  await writeFile(join(folder, "model.safetensors"), weights);
}

before(async () => {
  models = await mkdtemp(join(tmpdir(), "cappy-overflow-"));
  for (const [i, tensor] of Object.keys(PLACES).entries()) await writeModel(join(models, String(i)), tensor);
  site = await serve(fileURLToPath(new URL("../..", import.meta.url)), { "/models/too-large/": models });
});

after(async () => {
  await site?.close();
  if (models) await rm(models, { recursive: true, force: true });
});

for (const [where, open] of Object.entries({ Chromium: openChromium, Firefox: openFirefox, Node: openNode })) {
  describe(where, () => {
    let host;
    before(async () => {
      host = await open(site);
    });
    after(() => host?.close());

    test(`an overflow is an error that names the layer in ${where}`, { timeout: 600_000 }, async () => {
      for (const [i, place] of Object.values(PLACES).entries()) {
        // The kernels that measuring chooses here, and for one model those of GPUs.
        for (const kernel of i === 0
          ? [undefined, "large", ...(where === "Chromium" ? [] : ["half_large"])]
          : [undefined]) {
          const options = { device: "gpu", kernel };
          const scoring = host.logits(`${site.url}/models/too-large/${i}/`, PAIRS, options);
          await assert.rejects(scoring, new RegExp(`came out as \\[NaN\\]: the model overflows f16 in ${place}`));
        }
      }
      const { logits } = await host.logits(`${site.url}/models/cappy-mini/`, PAIRS, { device: "gpu", kernel: "large" });
      assert.ok(Number.isFinite(logits[0][0]), "the model as it is has a score");
    });
  });
}

describe("one scorer of the WebAssembly module", () => {
  let host;
  before(async () => {
    host = await openChromium(site);
  });
  after(() => host?.close());

  test("two calls at once give what they give one after the other", { timeout: 600_000 }, async () => {
    const { alone, together } = await host.page.evaluate(async () => {
      const { default: init, WasmScorer } = await import("/dist/wasm/cappy.js");
      await init();
      const open = async (name) => {
        const answer = await fetch(`/models/cappy-mini/${name}`);
        if (!answer.ok) return null;
        const bytes = new Uint8Array(await answer.arrayBuffer());
        return { name, size: bytes.length, read: async (start, end) => bytes.slice(start, end) };
      };
      const files = { description: "the small model", open };
      const scorer = await WasmScorer.load(files, undefined, "auto", 4096, undefined, undefined, 0, () => {});
      // Batches so long that a call waits for the GPU in the middle of one: there the other goes on.
      const words = ["dog", "cat", "moon", "seven", "barks", "number", "before", "the"];
      const long = (i) => Array.from({ length: 50 }, (_, k) => words[(i * k + i) % words.length]).join(" ");
      const responses = (from) => Array.from({ length: 60 }, (_, i) => `${from + i}: ${long(from + i)}`);
      /** @type {[string, string[]][]} */
      const calls = [
        ["Name the animal that barks.", responses(1)],
        ["Which number is it?", responses(100)],
      ];
      const score = async ([instruction, responses]) => {
        const scores = await scorer.scoreBatch([instruction], responses, () => false);
        return scores.map(({ logits }) => logits[0]);
      };
      const alone = [];
      for (const call of calls) alone.push(await score(call));
      const together = await Promise.all(calls.map(score));
      return { alone, together };
    });
    assert.ok(
      alone.every((scores) => scores.length > 30),
      "a batch holds many",
    );
    assert.deepEqual(together, alone);
    assert.notDeepEqual(alone[0], alone[1]);
  });
});
