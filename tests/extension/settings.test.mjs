/** How weights are held, by the settings. Without a browser: the background, which keeps them, is a stand-in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleText } from "../../extension/build.mjs";

let kept = {};
globalThis.chrome = /** @type {any} */ ({
  runtime: {
    getURL: () => "chrome-extension://it/",
    async sendMessage({ type, name, fields }) {
      if (type === "store") kept[name] = { ...kept[name], ...fields };
      return type === "read-stored" ? { ok: true, value: kept[name] ?? null } : { ok: true };
    },
  },
});
const code = await bundleText("settings.ts");
const { changeSettings, forEngine, readSettings } = await import(`data:text/javascript,${encodeURIComponent(code)}`);

const large = { kind: "large" };
const others = [{ kind: "embedded" }, { kind: "url", url: "https://example.org/m/" }, { kind: "folder", name: "m" }];
const dtypeWith = async (settings) => {
  kept = { settings };
  return forEngine(await readSettings()).dtype;
};

test("Cappy-large is held in 4 bits unless something else was chosen, and others as they are stored", async () => {
  assert.equal(await dtypeWith(undefined), "auto", "the embedded model at first");
  assert.equal(await dtypeWith({ model: large }), "q4");
  for (const model of others) assert.equal(await dtypeWith({ model }), "auto");
});

test("the chosen way of holding weights stays, for every model", async () => {
  for (const dtype of ["f16", "f32", "q8", "q4"]) {
    for (const model of [large, ...others]) assert.equal(await dtypeWith({ model, dtype }), dtype);
  }
  // Also where something else is changed.
  kept = { settings: { model: large, dtype: "f32" } };
  await changeSettings({ idleMinutes: 7 });
  assert.deepEqual([kept.settings.dtype, forEngine(await readSettings()).dtype], ["f32", "f32"]);
  // The default is not written down as if it had been chosen.
  kept = { settings: { model: large } };
  await changeSettings({ idleMinutes: 7 });
  assert.deepEqual([kept.settings.dtype, forEngine(await readSettings()).dtype], [undefined, "q4"]);
  assert.equal(await dtypeWith({ model: large, dtype: "q5" }), "q4", "not valid");
});
