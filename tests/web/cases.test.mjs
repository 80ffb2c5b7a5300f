// Folders as people have them (tests/golden/cases, see tests/cases.rs), in Chromium (SwiftShader, no
// f16), Firefox and Node (lavapipe, f16), and on the package's CPU, against the scores of transformers
// and sentence-transformers.
import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { compare } from "./compare.mjs";
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

let models;
let site;

before(async () => {
  models = await mkdtemp(join(tmpdir(), "cappy-cases-"));
  for (const [name, weights] of Object.entries(await read("weights.json"))) {
    await cp(join(folder, name), join(models, name), { recursive: true });
    await cp(join(folder, "weights", `${weights}.safetensors`), join(models, name, "model.safetensors"));
  }
  site = await serve(root, { "/cases/": models });
});

after(async () => {
  await site?.close();
  if (models) await rm(models, { recursive: true, force: true });
});

test("every folder is a case, and the comparison fails on the scores of another one", async () => {
  const beside = ["expected.json", "weights", "weights.json"];
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
    before(async () => { host = await open(site); });
    after(() => host?.close());

    for (const [name, { pairs, scores }] of Object.entries(CASES)) {
      for (const device of ["gpu", "cpu"]) {
        test(`${where} scores ${name} on the ${device.toUpperCase()}`, { timeout: 300_000 }, async (t) => {
          const texts = pairs.map(([instruction, response]) => ({ instruction, response }));
          const { info, logits } = await host.logits(`${site.url}/cases/${name}/`, texts, { device });
          assert.equal(info.device, device);
          if (device === "gpu") assert.equal(info.dtype, dtype);
          t.diagnostic(`${(100 * compare(scores, logits, ALLOWED)).toFixed(0)}% of the bound`);
        });
      }
    }
  });
}
