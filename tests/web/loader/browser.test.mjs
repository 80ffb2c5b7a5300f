// What only a browser has: OPFS, the Cache API, locks, quotas, going offline.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { after, before, beforeEach, test } from "node:test";

import { chromium } from "playwright-core";

import { chromiumPath } from "../browser.mjs";
import { noise, serve } from "./server.mjs";

const MIB = 1024 * 1024;
const modules = new URL("../../../target/modules/", import.meta.url);
const weights = noise(10 * MIB + 77);
const sum = createHash("sha256").update(weights).digest("hex");
let browser;
let context;
let site;

// Runs in the page or in a worker: reads the weights as a whole, and returns what came of it.
const inPage = `
  import * as files from "/loader/loader.js";
  import * as models from "/models.js";
  const loader = globalThis.loader = { ...files, ...models };
  globalThis.load = async (options = {}, until = Infinity) => {
    try {
      const model = await loader.openModel("/m", options, {});
      const missing = await model.open("tokenizer.json");
      const file = await model.open("model.safetensors");
      const end = Math.min(until, file.size);
      const all = new Uint8Array(end);
      for (let at = 0; at < end; at += 1e6) all.set(await file.read(at, Math.min(end, at + 1e6)), at);
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
      return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("") + (missing ? " tokenizer" : "");
    } catch (error) {
      return error.code + " " + error.message;
    }
  };
`;
const workerScript = `
  // As in browsers that write from workers only.
  delete FileSystemFileHandle.prototype.createWritable;
  ${inPage}
  load().then(postMessage);
`;

before(async () => {
  const files = { "/page.html": Buffer.from(`<script type="module">${inPage}</script>`) };
  for (const folder of ["", "loader/"]) {
    for (const name of await readdir(new URL(folder, modules))) {
      if (name.endsWith(".js")) files[`/${folder}${name}`] = await readFile(new URL(folder + name, modules));
    }
  }
  files["/worker.js"] = Buffer.from(workerScript);
  site = await serve({ ...files, "/m/config.json": Buffer.from("{}"), "/m/model.safetensors": weights });
  browser = await chromium.launch({
    executablePath: chromiumPath,
    args: ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  });
});
after(async () => {
  await browser?.close();
  site?.close();
});
beforeEach(async () => {
  // A new context has an empty storage.
  await context?.close();
  context = await browser.newContext();
  site.log.length = 0;
  site.slow = 0;
});

async function page(script = "") {
  const opened = await context.newPage();
  if (script) await opened.addInitScript(script);
  await opened.goto(`${site.url}/page.html`);
  await opened.waitForFunction(() => globalThis.load);
  return opened;
}
const noOpfs = "delete FileSystemFileHandle.prototype.createWritable;";
const nothing = `${noOpfs} Object.defineProperty(globalThis, "caches", { get() { throw new Error("none"); } });`;
const load = (tab, ...args) => tab.evaluate((args) => load(...args), args);

for (const [where, script] of [
  ["OPFS", ""],
  ["the Cache API", noOpfs],
]) {
  test(`in ${where} files are cached, resumed after a reload, used offline, listed and deleted`, async () => {
    const tab = await page(script);
    site.slow = 10;
    await load(tab, {}, 1000);
    await tab.reload();
    await tab.waitForFunction(() => globalThis.load);
    site.slow = 0;
    site.log.length = 0;
    assert.equal(await load(tab), sum);
    const [from] = site.gets("safetensors").map((line) => Number(/bytes=(\d+)-/.exec(line)[1]));
    assert.ok(from >= 4 * MIB, `begins at ${from}`);

    const name = `${site.url}/m/`;
    await tab.evaluate(async () => (await (await loader.openModel("/m", {}, {})).open("config.json")).read(0, 2));
    const kept = await tab.evaluate(() => loader.keptModels());
    assert.deepEqual(kept, [{ model: name, bytes: weights.length + 2, complete: true }]);
    const used = await tab.evaluate(async () => [
      (await caches.keys()).length,
      (await Array.fromAsync((await navigator.storage.getDirectory()).keys())).length,
    ]);
    assert.deepEqual(used, script ? [1, 0] : [0, 1], "it lies where it should");

    await tab.reload();
    await tab.waitForFunction(() => globalThis.load);
    await context.setOffline(true);
    assert.equal(await load(tab), sum);
    await context.setOffline(false);
    await tab.evaluate((name) => loader.deleteKept(name), "/m");
    assert.deepEqual(await tab.evaluate(() => loader.keptModels()), []);
    const left = await tab.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const folders = await root.getDirectoryHandle("cappy").catch(() => null);
      return [
        (await (await caches.open("cappy")).keys()).length,
        folders && (await Array.fromAsync(folders.keys())).length,
      ];
    });
    assert.deepEqual(left, [0, script ? null : 0], "nothing is left");
    site.log.length = 0;
    assert.equal(await load(tab), sum);
    assert.equal(site.gets("safetensors").length, 1);
  });
}

test("OPFS works in a worker that can only write synchronously", async () => {
  const tab = await page();
  const inWorker = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker("/worker.js", { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
    });
  assert.equal(await tab.evaluate(inWorker), sum);
  assert.equal(await tab.evaluate(inWorker), sum);
  assert.equal(await load(tab), sum, "the page reads what the worker wrote");
  assert.equal(site.gets("safetensors").length, 1);
  assert.equal(await tab.evaluate(async () => (await caches.keys()).length), 0);
});

test("without storage a model is downloaded every time", async () => {
  const tab = await page(nothing);
  assert.equal(await load(tab), sum);
  assert.equal(await load(tab), sum);
  assert.equal(site.gets("safetensors").length, 2);
  assert.deepEqual(await tab.evaluate(() => loader.keptModels()), []);
});

test("too little storage is an error before the download", async () => {
  const tab = await page("navigator.storage.estimate = async () => ({ quota: 5e6, usage: 4e6 });");
  const why = /^quota model\.safetensors: needs 10\.5 MB, the browser grants 1\.0 MB more, 9\.5 MB are missing;/;
  assert.match(await load(tab), why);
  assert.equal(site.gets("safetensors").length, 0);
  assert.equal(await tab.evaluate(() => loader.probe("/m", {}).catch((error) => error.code)), "not-found");
});

test("two tabs download once", async () => {
  const tabs = [await page(), await page()];
  site.slow = 2;
  assert.deepEqual(await Promise.all(tabs.map((tab) => load(tab))), [sum, sum]);
  assert.equal(site.gets("safetensors").length, 1, site.gets("safetensors").join("\n"));
});

test("the lock is free again after an error, and a download cannot be deleted under way", async () => {
  const [first, second] = [await page(), await page()];
  site.slow = 5;
  await load(first, {}, 1000);
  const refused = await second.evaluate(() => loader.deleteKept("/m").catch((error) => error.message));
  assert.match(refused, /model\.safetensors: is being downloaded right now/);
  await first.close();
  site.slow = 0;
  assert.equal(await load(second), sum);
});

test("another origin's folder, where only some headers can be seen", async () => {
  const other = await serve({ "/m/model.safetensors": weights });
  try {
    const tab = await page();
    const ask = (address) =>
      tab.evaluate(async (address) => {
        const file = await (await loader.openModel(address, {}, {})).open("model.safetensors");
        return (await file.read(file.size - 3, file.size)).length;
      }, address);
    await assert.rejects(ask(`${other.url}/m`), /127\.0\.0\.1.*model\.safetensors.*CORS/);
    other.cors = true;
    other.cuts = [5_000_000];
    assert.equal(await ask(`${other.url}/m`), 3);
    assert.equal(other.log.filter((line) => line.startsWith("OPTIONS")).length, 0, other.log.join("\n"));
  } finally {
    other.close();
  }
});
