/**
 * The demo page as it is built, in a real browser, with the real model on a software adapter.
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 * CAPPY_SITE   the built site's folder; without it these tests are skipped
 */
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { chromium } from "playwright-core";
import { examples } from "../../www/examples.js";
import { chromiumArgs, chromiumPath, serve } from "./browser.mjs";
import { noBrowser, ranked, setUp, texts } from "./demo-page.mjs";

const site = process.env.CAPPY_SITE;
const noSite = !site ? "CAPPY_SITE is not set" : false;

describe("the built site", { skip: noBrowser || noSite }, () => {
  const sent = [];
  const open = setUp([["", site ?? ""]], sent);

  test("the built site loads the demo model and ranks every example correctly", { timeout: 90_000 }, () =>
    open("", async (page) => {
      assert.ok(existsSync(join(site, "cappy-web/index.js")), `${site} has no cappy-web/index.js`);
      await page
        .locator("#model-name", { hasText: "Demo model" })
        .or(page.locator("#model-error h3"))
        .waitFor({ timeout: 60_000 });
      assert.equal(await page.locator("#model-error").innerText(), "");
      assert.match(await page.locator("#facts-line").textContent(), /Runs on the processor/);
      for (const { name, candidates, best } of examples) {
        await page.selectOption("#examples", name);
        await page.keyboard.press("Control+Enter");
        // A new example makes the ranking on the page stale until the next one begins.
        await page.locator("#stale").waitFor({ state: "hidden" });
        await page.locator("#copy").or(page.locator("#ranking-error h3")).waitFor({ timeout: 30_000 });
        assert.equal(await page.locator("#ranking-error").innerText(), "");
        const order = await texts(page);
        assert.equal(order[0], candidates[best], name);
        assert.deepEqual(order.toSorted(), candidates.toSorted());
      }
    }),
  );

  test("no request is cancelled while the demo model loads", { timeout: 90_000 }, () =>
    open("", async (page, context) => {
      const loaded = () => page.locator("#model-name", { hasText: "Demo model" }).waitFor({ timeout: 60_000 });
      await loaded();
      const failed = [];
      const asked = [];
      context.on("request", (request) => asked.push(request.url()));
      context.on("requestfailed", (request) =>
        failed.push(`${request.method()} ${request.url()}: ${request.failure().errorText}`),
      );
      await page.reload();
      await loaded();
      await page.waitForTimeout(500);
      assert.equal(
        asked.filter((url) => url.endsWith("/model.safetensors")).length,
        2,
        "a question for its size, and a download",
      );
      assert.deepEqual(failed, []);
    }),
  );

  test("the built site works without its server after the first visit, and says so", { timeout: 120_000 }, async () => {
    const server = await serve([["", site]]);
    const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
    try {
      const page = await browser.newPage();
      await page.goto(server.url);
      await page.locator("#offline", { hasText: "without a network" }).waitFor({ timeout: 60_000 });
      await server.close();
      await assert.rejects(fetch(server.url), "nobody answers there");
      for (const reload of [() => page.reload(), () => page.goto(`${server.url}?again`)]) {
        await reload();
        await page.locator("#model-name", { hasText: "Demo model" }).waitFor({ timeout: 60_000 });
        const { name, candidates, best } = examples.find(({ name }) => name === "Capital city");
        await page.selectOption("#examples", name);
        await page.locator("#rank").click();
        await ranked(page);
        assert.equal((await texts(page))[0], candidates[best]);
      }
    } finally {
      await browser.close();
      await server.close();
    }
  });

  test("the demo model in 4 bits is a smaller download", { timeout: 90_000 }, () =>
    open(
      "",
      async (page) => {
        const bytesWith = async (weights) => {
          await page
            .locator("#facts-line", { hasText: weights })
            .or(page.locator("#model-error h3"))
            .waitFor({ timeout: 60_000 });
          assert.equal(await page.locator("#model-error").innerText(), "");
          return sent
            .splice(0)
            .filter(({ name }) => /\bmodels?\//.test(name))
            .reduce((sum, { bytes }) => sum + bytes, 0);
        };
        const filesIn = (folder) =>
          ["config.json", "tokenizer.json", "model.safetensors"].reduce(
            (sum, name) => sum + statSync(join(site, folder, name)).size,
            0,
          );
        const plain = await bytesWith("weights in 16 bits");
        assert.equal(plain, filesIn("cappy-web/model"));
        await page.getByRole("button", { name: "Change model" }).click();
        await page.getByRole("radio", { name: /4 bits.*download 1\.\d+ MB/ }).check();
        sent.length = 0;
        await page.reload();
        // The CPU, which is faster here, holds weights of 4 bits in 16.
        const small = await bytesWith(/weights in (4|16) bits/);
        assert.equal(
          small,
          filesIn("models/cappy-mini-q4") + statSync(join(site, "models/cappy-mini-q4/tokenizer_config.json")).size,
        );
        assert.ok(small < 0.6 * plain, `${small} bytes in place of ${plain}`);
        const { name, candidates, best } = examples.find(({ name }) => name === "Capital city");
        await page.selectOption("#examples", name);
        await page.locator("#rank").click();
        await ranked(page);
        assert.equal((await texts(page))[0], candidates[best]);
      },
      { optionalFiles: true },
    ),
  );
});
