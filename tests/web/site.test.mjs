/**
 * The demo page as it is built, in a real browser, with the real model on a software adapter.
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 * CAPPY_SITE   the built site's folder; without it these tests are skipped
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { chromium } from "playwright-core";
import { examples } from "../../www/examples.js";
import { chromiumArgs, chromiumPath, serve } from "./browser.mjs";
import { noBrowser, ranked, setUp, texts } from "./demo-page.mjs";

const site = process.env.CAPPY_SITE;
const noSite = !site ? "CAPPY_SITE is not set" : false;

/**
 * Waits until the page asks for nothing more: a model that began on the CPU tries the GPU, too, and loads its module for
 * that. However long that takes, the model's facts say so until it is decided.
 */
async function untilQuiet(page, context) {
  await page.locator("#facts", { hasText: "until the GPU is ready" }).waitFor({ state: "detached", timeout: 120_000 });
  let last = Date.now();
  const note = () => {
    last = Date.now();
  };
  context.on("request", note);
  while (Date.now() - last < 3000) await page.waitForTimeout(200);
  context.off("request", note);
}

describe("the built site", { skip: noBrowser || noSite }, () => {
  const sent = [];
  const open = setUp([["", site ?? ""]], sent);

  test(
    "the built site loads the package's own model, which is all that it downloads, and ranks the examples",
    { timeout: 360_000 },
    () =>
      open("", async (page, context) => {
        assert.ok(existsSync(join(site, "cappy-web/index.js")), `${site} has no cappy-web/index.js`);
        await page
          .locator("#model-name", { hasText: "cappy-small" })
          .or(page.locator("#model-error h3"))
          .waitFor({ timeout: 60_000 });
        assert.equal(await page.locator("#model-error").innerText(), "");
        assert.match(await page.locator("#facts-line").textContent(), /Runs on the processor/);
        const files = ["config.json", "tokenizer.json", "model.safetensors"];
        const inFiles = files.reduce((sum, name) => sum + statSync(join(site, "cappy-web/model", name)).size, 0);
        const ofModel = sent.filter(({ name }) => /\bmodels?\//.test(name));
        assert.equal(
          ofModel.reduce((sum, { bytes }) => sum + bytes, 0),
          inFiles,
        );
        await page
          // The GPU of a software adapter, where it is the faster one, is the processor as well.
          .locator("#proof", { hasText: /4 answers ranked in .+ on the processor(, in software \(slow\))?\.$/ })
          .waitFor({ timeout: 30_000 });
        await untilQuiet(page, context);
        // From here on nothing is asked of any server, so no byte of what is ranked is sent.
        const asked = [];
        context.on("request", (request) => asked.push(request.url()));
        // What it thinks of them is for the model's own page to say.
        for (const { name, candidates } of examples) {
          await page.selectOption("#examples", name);
          await page.keyboard.press("Control+Enter");
          // A new example makes the ranking on the page stale until the next one begins.
          await page.locator("#stale").waitFor({ state: "hidden" });
          await page.locator("#copy").or(page.locator("#ranking-error h3")).waitFor({ timeout: 30_000 });
          assert.equal(await page.locator("#ranking-error").innerText(), "");
          const order = await texts(page);
          assert.deepEqual(order.toSorted(), candidates.toSorted());
          const scores = (await page.locator(".result .value").allTextContents()).map(Number);
          assert.ok(scores.every(Number.isFinite), `${name}: ${scores}`);
          assert.deepEqual(
            scores,
            scores.toSorted((a, b) => b - a),
            name,
          );
        }
        assert.deepEqual(asked, []);
      }),
  );

  test("no request is cancelled while the model loads", { timeout: 480_000 }, () =>
    open("", async (page, context) => {
      const loaded = () => page.locator("#model-name", { hasText: "cappy-small" }).waitFor({ timeout: 60_000 });
      await loaded();
      await untilQuiet(page, context);
      const failed = [];
      const asked = [];
      context.on("request", (request) => asked.push(request.url()));
      context.on("requestfailed", (request) =>
        failed.push(`${request.method()} ${request.url()}: ${request.failure().errorText}`),
      );
      await page.reload();
      await loaded();
      await untilQuiet(page, context);
      assert.equal(
        asked.filter((url) => url.endsWith("/model.safetensors")).length,
        2,
        "a question for its size, and a download",
      );
      assert.deepEqual(failed, []);
    }),
  );

  test("for use without a network the site keeps the one module of each device that its model needs", () => {
    const [, list] = /FILES = (\{.*?\});/.exec(readFileSync(join(site, "sw.js"), "utf8"));
    const { all, gpu, cpu } = JSON.parse(list);
    const wasm = (names) => names.filter((name) => name.endsWith(".wasm"));
    assert.deepEqual(
      [wasm(all), wasm(gpu), wasm(cpu)],
      [[], ["cappy-web/families/wasm/cappy_families_bg.wasm"], ["cappy-web/cpu/wasm/cappy_cpu_bg.wasm"]],
    );
  });

  test("the built site works without its server after the first visit, and says so", { timeout: 360_000 }, async () => {
    const server = await serve([["", site]]);
    const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
    try {
      const page = await browser.newPage();
      await page.goto(server.url);
      await page.locator("#offline", { hasText: "without a network" }).waitFor({ timeout: 120_000 });
      server.hangUp();
      await assert.rejects(fetch(server.url), "nobody answers there");
      for (const reload of [() => page.reload(), () => page.goto(`${server.url}?again`)]) {
        await reload();
        await page.locator("#model-name", { hasText: "cappy-small" }).waitFor({ timeout: 60_000 });
        await page.locator("#rank").click();
        await ranked(page);
        const order = await texts(page);
        assert.deepEqual(order.toSorted(), examples[0].candidates.toSorted());
      }
    } finally {
      await browser.close();
      await server.close();
    }
  });
});
