// Where models come from, with the package in a real browser: folders, the hub, picked files, a
// caller's own fetch; and that the cache is used.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";

import { startPackage } from "./harness.mjs";

let host;
let page;
before(async () => (host = await startPackage()));
after(() => host?.close());

/** Loads in the page and scores once. Functions cannot be sent there: `setUp` is a script that adds to `options`. */
const load = (source, options = {}, setUp = "") =>
  page.evaluate(
    async ({ source, options, setUp }) => {
      if (setUp) await globalThis[setUp](options);
      const { files, ...others } = options;
      return failure(
        cappy.Scorer.load(source ?? files, { device: "gpu", ...others }).then(async (scorer) => {
          const got = { score: await scorer.score(instruction, "a dog"), ...scorer.info() };
          scorer.dispose();
          return got;
        }),
      );
    },
    { source, options, setUp },
  );

async function fresh(options) {
  await page?.context().close();
  page = await host.open(options);
}
const requests = () => host.site.log.filter((line) => !/\/(dist|prelude|worker-prelude|page\.js)/.test(line));

test("a relative folder, the hub, a URL and picked files give the same model", async () => {
  await fresh();
  const folder = await load("./m");
  assert.equal(typeof folder.value?.score, "number", folder.message);
  assert.equal(folder.value.model, `${host.site.url}/folder/m/`);
  const { score } = folder.value;

  const hub = await load("some/model", { endpoint: host.site.url });
  assert.equal(hub.value?.score, score, hub.message);
  assert.equal(hub.value.model, "some/model");
  const missing = await load("some/other", { endpoint: host.site.url });
  assert.equal(missing.code, "not-found", missing.message);

  await page.setInputFiles(
    "input",
    Object.entries(host.model).map(([name, buffer]) => ({ name, buffer, mimeType: "application/octet-stream" })),
  );
  await page.evaluate(() => {
    globalThis.pick = (options) => (options.files = document.querySelector("input").files);
  });
  for (const worker of [true, false]) {
    const picked = await load(undefined, { worker }, "pick");
    assert.equal(picked.value?.score, score, picked.message);
  }
  assert.deepEqual(page.complaints, []);
});

test("a second load asks only whether the files are fresh, or nothing, also offline", async () => {
  await fresh();
  for (const worker of [true, false]) {
    const first = await load("/m/", { worker });
    assert.equal(typeof first.value?.score, "number", first.message);
    host.site.log.length = 0;
    assert.equal((await load("/m/", { worker })).value.score, first.value.score);
    assert.deepEqual(
      requests().map((line) => line.split(" ")[0]),
      ["HEAD", "HEAD", "HEAD"],
    );
    host.site.log.length = 0;
    assert.equal((await load("/m/", { worker, checkFreshness: false })).value.score, first.value.score);
    assert.deepEqual(requests(), []);
    await page.context().setOffline(true);
    const offline = await load("/m/", { worker: false });
    assert.equal(offline.value?.score, first.value.score, offline.message);
    await page.context().setOffline(false);
  }
  const forgotten = await page.evaluate(async () => {
    const [{ model, complete }] = await cappy.keptModels();
    await cappy.deleteKept(model);
    return { model, complete, left: (await cappy.keptModels()).length };
  });
  assert.deepEqual(forgotten, { model: `${host.site.url}/m/`, complete: true, left: 0 });
});

test("headers are sent, and sums are checked", async () => {
  const sum = createHash("sha256").update(host.model["model.safetensors"]).digest("hex");
  await fresh();
  host.site.needs = "x-token";
  for (const worker of [true, false]) {
    const without = await load("/m/", { worker, cache: false });
    assert.equal(without.code, "unauthorized", without.message);
    const right = await load("/m/", {
      worker,
      cache: false,
      headers: { "X-Token": "t" },
      sha256: { "model.safetensors": sum },
    });
    assert.equal(typeof right.value?.score, "number", right.message);
    const zeros = { "model.safetensors": sum.replace(/./g, "0") };
    const wrong = await load("/m/", { worker, cache: false, headers: { "X-Token": "t" }, sha256: zeros });
    assert.equal(wrong.code, "integrity", wrong.message);
    assert.match(wrong.message, /model\.safetensors/);
  }
});

test("a caller's own fetch is asked, used and stopped", async () => {
  await fresh();
  await page.evaluate(() => {
    globalThis.own = (options) => {
      globalThis.asked = [];
      options.fetch = async (url, init) => {
        asked.push({ url, token: new Headers(init.headers).get("x-token"), method: init.method, cache: init.cache });
        return fetch(url.replace("/elsewhere/", "/m/"), init);
      };
    };
    globalThis.plain = (options) => (options.fetch = fetch);
    globalThis.refusing = (options) =>
      (options.fetch = async () => {
        throw new Error("not today");
      });
    globalThis.opaque = (options) => (options.fetch = async () => Response.error());
    globalThis.hanging = (options) => {
      const stopper = new AbortController();
      options.signal = stopper.signal;
      globalThis.stopped = 0;
      options.fetch = (url, init) =>
        new Promise((resolve, reject) => {
          init.signal.addEventListener("abort", () => {
            stopped += 1;
            reject(init.signal.reason);
          });
          setTimeout(() => stopper.abort(), 50);
        });
    };
    globalThis.stalling = (options) => {
      const stopper = new AbortController();
      options.signal = stopper.signal;
      globalThis.stopped = 0;
      options.fetch = async (url, init) => {
        if (url.endsWith("safetensors") && init.method === "GET") {
          init.signal.addEventListener("abort", () => (stopped += 1));
          setTimeout(() => stopper.abort(), 300);
        }
        return fetch(url, init);
      };
    };
  });
  for (const worker of [true, false]) {
    const got = await load("/elsewhere/", { worker, cache: false, headers: { "X-Token": "t" } }, "own");
    assert.equal(typeof got.value?.score, "number", got.message);
    const asked = await page.evaluate(() => asked);
    // Four of the questions are for files that many models do without.
    assert.deepEqual(asked.map(({ method }) => method).toSorted(), [...Array(3).fill("GET"), ...Array(7).fill("HEAD")]);
    for (const { url, token, cache } of asked) {
      assert.ok(url.startsWith(`${host.site.url}/elsewhere/`), url);
      assert.deepEqual([token, cache], ["t", "no-cache"]);
    }
    assert.equal((await load("/m/", { worker, cache: false }, "plain")).value?.score, got.value.score);
    const refused = await load("/m/", { worker, cache: false }, "refusing");
    assert.equal(refused.code, "network");
    assert.match(refused.message, /not today/);
    assert.equal((await load("/m/", { worker, cache: false }, "opaque")).code, "network");
    assert.equal((await load("/m/", { worker, cache: false }, "hanging")).code, "aborted");
    await page.waitForFunction(() => stopped === 1);
    Object.assign(host.site, { slow: 1000, slowPath: "/m/model" });
    assert.equal((await load("/m/", { worker, cache: false }, "stalling")).code, "aborted");
    await page.waitForFunction(() => stopped === 1);
    host.site.slow = 0;
  }
  assert.deepEqual(page.complaints, []);
});
