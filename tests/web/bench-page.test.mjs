/**
 * The bench page in a real browser, on the built site: the smallest shape to its end, stopping, errors.
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 * CAPPY_SITE   the built site's folder; without it everything is skipped
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { knownDevices } from "../../scripts/page-facts.mjs";
import { chromiumArgs, chromiumPath, onSoftwareAdapter, serve } from "./browser.mjs";

const site = process.env.CAPPY_SITE;
const skip = !chromiumPath ? "no Chromium; set CHROME_PATH" : !site ? "CAPPY_SITE is not set" : false;

/** Where `value` has a number that is not finite and positive: zero may stand in `zeros`. */
function oddNumbers(
  value,
  path = "",
  zeros = [
    "subgroup_size",
    "subgroup_max_size",
    "flops",
    "gflops",
    "share",
    "gbytes_per_second",
    "largest_difference",
    "mixed_difference",
  ],
) {
  if (typeof value === "number") {
    const name = path.split(".").findLast((part) => !/^\d+$/.test(part));
    return Number.isFinite(value) && (value > 0 || (value === 0 && zeros.includes(name)))
      ? []
      : [`${path} is ${value}`];
  }
  if (value === null) return path === ".scaling" ? [] : [`${path} is null`];
  if (typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, inner]) => oddNumbers(inner, `${path}.${key}`, zeros));
}

test("odd numbers are found", () => {
  assert.deepEqual(oddNumbers({ a: [1, NaN], b: { flops: 0, tokens: 0 }, c: null, scaling: null }), [
    ".a.1 is NaN",
    ".b.tokens is 0",
    ".c is null",
  ]);
});

describe("the bench page", { skip }, () => {
  let browser, server;
  before(async () => {
    server = await serve([["", site]]);
    browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Opens the page, which must not complain, nor ask another origin for anything. */
  async function open(act, options = {}, expected = []) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(30_000);
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    context.on("request", (request) => {
      if (!request.url().startsWith(server.url) && !request.url().startsWith("blob:"))
        complaints.push(`request to ${request.url()}`);
    });
    try {
      await page.goto(`${server.url}bench.html`);
      await act(page);
      assert.deepEqual(
        complaints.filter((text) => !expected.some((each) => text.includes(each))),
        [],
      );
    } finally {
      await context.close();
    }
  }

  /** Measures until the results are there; gives them as the page copies them. */
  async function measured(page) {
    await page.locator("#results").or(page.locator("#bench-error h3")).waitFor({ timeout: 300_000 });
    assert.equal(await page.locator("#bench-error").innerText(), "");
    await page.locator("#copy").click();
    await page.locator("#status", { hasText: "Copied." }).waitFor();
    return page.evaluate(() => navigator.clipboard.readText());
  }

  /** How each workload's kernels, one by one, compare with all of them one after the other: about 1. */
  const sums = ({ workloads }) =>
    workloads.map(({ kernels, seconds }) => kernels.reduce((all, kernel) => all + kernel.seconds, 0) / seconds);

  test(
    "the bench page measures the mini shape, stays alive meanwhile, and gives numbers that can be",
    { timeout: 1_000_000 },
    () =>
      open(
        async (page) => {
          await page.locator("#start").click();
          await page.waitForFunction(() => document.querySelector("#bar").value > 0.1, null, { timeout: 60_000 });
          // Frames keep coming: the work is in a worker.
          const frames = await page.evaluate(async () => {
            const frames = [];
            let last = performance.now();
            while (!document.querySelector("#running").hidden && document.querySelector("#bar").value <= 0.7) {
              await new Promise((resolve) => requestAnimationFrame(resolve));
              frames.push(performance.now() - last);
              last = performance.now();
            }
            return frames;
          });
          // A machine that is busy with other things may hold up one of them. A page that computes holds up many.
          const [longest, ...others] = frames.toSorted((a, b) => b - a);
          assert.ok(frames.length > 1 && others[0] < 1000, `frames took ${longest} and ${others[0]} ms`);
          let copied = await measured(page);
          // Each kernel alone takes about as long as all of them one after the other. The machine may have other things to
          // do in between: one measurement of three proves it.
          const areAlike = () => sums(JSON.parse(copied)).every((sum) => sum > 0.3 && sum < 3);
          for (let more = 0; more < 2 && !areAlike(); more += 1) {
            await page.locator("#start").click();
            await page.locator("#status", { hasText: "Done." }).waitFor({ timeout: 300_000 });
            copied = await measured(page);
          }
          assert.ok(areAlike(), `kernels to all together: ${sums(JSON.parse(copied))}`);
          const downloading = page.waitForEvent("download");
          await page.locator("#download").click();
          const download = await downloading;
          assert.match(download.suggestedFilename(), /^cappy-bench-mini-f(16|32)\.json$/);
          assert.equal((await readFile(await download.path(), "utf8")).trim(), copied.trim());

          const report = JSON.parse(copied);
          assert.deepEqual(oddNumbers(report), []);
          assert.equal(report.cappy_bench, 1);
          assert.equal(report.shape, "mini");
          assert.equal(report.kernel_timer, "repeats");
          if (onSoftwareAdapter) assert.match(report.adapter.name, /swiftshader/i);
          assert.equal(report.parameters, 5_454_593);
          assert.deepEqual(
            report.workloads.map(({ name, pairs, tokens }) => [name, pairs, tokens]),
            [
              ["batch", 2, 256],
              ["one pair", 1, 128],
            ],
          );
          for (const { name, seconds, samples, kernels, gflops, flops, share } of report.workloads) {
            assert.ok(samples.length >= 3, name);
            assert.ok(Math.abs(gflops - flops / seconds / 1e9) < 1e-6 * gflops, name);
            // More than the peak is possible: it has one tile, and kernels may suit a software adapter better.
            assert.ok(share > 0 && share < 10, `${name} at ${share} of the peak`);
            assert.equal(
              kernels.reduce((sum, kernel) => sum + kernel.flops, 0),
              flops,
              name,
            );
          }
          const rows = await page.locator("#tables table").first().locator("tbody tr").count();
          assert.equal(rows, report.workloads[0].kernels.length);
        },
        { permissions: ["clipboard-read", "clipboard-write"] },
      ),
  );

  test(
    "the bench page says in one sentence whether the device is fast, within 15 seconds, and copies a line for the table",
    { timeout: 180_000 },
    () =>
      open(
        async (page) => {
          // The page records its own messages: on a fast machine they are too short to be polled from here.
          await page.evaluate(() => {
            const status = document.querySelector("#quick-status");
            globalThis.said = [];
            const note = () => globalThis.said.push({ text: status.textContent, at: performance.now() });
            new MutationObserver(note).observe(status, { childList: true });
          });
          await page.locator("#quick").click();
          await page.locator("#quick-copy").or(page.locator("#quick-error h3")).waitFor({ timeout: 90_000 });
          const said = await page.evaluate(() => globalThis.said);
          const at = (what) => said.find(({ text }) => text.startsWith(what))?.at;
          const seconds = (at("Measured") - at("Measuring")) / 1000;
          assert.ok(seconds < 16, `measuring took ${seconds} s`);
          assert.equal(await page.locator("#quick-error").innerText(), "");
          const says = await page.locator("#quick-says").textContent();
          const [, pairs] = /^This device is (?:fast|fast enough|slow): (\S+) pairs a second of the default model/.exec(
            says,
          );
          assert.match(says, /as fast/, "it is held against the table of devices");
          await page.locator("#quick-copy").click();
          await page.locator("#quick-status", { hasText: "Copied." }).waitFor();
          const line = await page.evaluate(() => navigator.clipboard.readText());
          assert.match(
            line,
            /^\| .+ \| Chrome \d+, \w+ \| .+ \| .+ \| \d.* m?s \| \d+\.\d+\.\d+ \| \d{4}-\d\d-\d\d \|$/,
          );
          assert.deepEqual(
            knownDevices(["|", "|", line].join("\n")).map((each) => each.pairs),
            [Number(pairs)],
          );
          // It can be stopped, and then nothing of the former run is left.
          await page.locator("#quick").click();
          await page.locator("#quick-stop").click();
          await page.locator("#quick-status", { hasText: "Stopped." }).waitFor();
          assert.equal(await page.locator("#quick-says").textContent(), "");
          assert.equal(await page.evaluate(() => document.activeElement.id), "quick");
        },
        { permissions: ["clipboard-read", "clipboard-write"] },
      ),
  );

  test("the bench page stops at once, by button and by key, and can start again", () =>
    open(async (page) => {
      for (const stop of [() => page.locator("#stop").click(), () => page.keyboard.press("Escape")]) {
        await page.locator("#start").focus();
        await page.keyboard.press("Enter");
        await page.waitForFunction(() => document.querySelector("#bar").value > 0, null, { timeout: 60_000 });
        assert.equal(await page.evaluate(() => document.activeElement.id), "stop");
        assert.equal(await page.evaluate(() => document.querySelector("#choices").disabled), true);
        await stop();
        await page.locator("#status", { hasText: "Stopped" }).waitFor({ timeout: 10_000 });
        assert.equal(await page.evaluate(() => document.activeElement.id), "start");
        assert.equal(await page.locator("#results").isVisible(), false);
      }
    }));

  test("the bench page asks before it measures the large shape", () =>
    open(async (page) => {
      await page.getByRole("radio", { name: /large/ }).check();
      await page.locator("#large-warning").waitFor();
      await page.locator("#start").click();
      assert.equal(await page.locator("#running").isVisible(), false);
      await page.getByRole("radio", { name: /base/ }).check();
      assert.equal(await page.locator("#large-warning").isVisible(), false);
    }));

  test("the bench page says what is missing: f16, WebGPU or files", async () => {
    await open(async (page) => {
      if (onSoftwareAdapter) {
        await page.selectOption("#dtype", "f16");
        await page.locator("#start").click();
        await page.locator("#bench-error code", { hasText: "has no shader-f16" }).waitFor();
        await page.locator("#dtype").selectOption("auto");
        await page.getByRole("button", { name: "Try again" }).click();
      } else {
        await page.locator("#start").click();
      }
      await page.locator("#running").waitFor();
      await page.locator("#stop").click();
    });
    await open(
      async (page) => {
        await page.route("**/cappy_adapt_bg.wasm", (route) => route.fulfill({ status: 404 }));
        await page.locator("#start").click();
        await page.locator("#bench-error code", { hasText: "could not be loaded" }).waitFor();
      },
      {},
      ["404", "WebAssembly", "wasm"],
    );
    await open(async (page) => {
      await page.route("**/bench-worker.js", async (route) => {
        const response = await route.fetch();
        await route.fulfill({
          response,
          body: `Object.defineProperty(navigator, "gpu", { value: undefined });${await response.text()}`,
        });
      });
      await page.locator("#start").click();
      await page.locator("#bench-error h3", { hasText: "This browser has no WebGPU" }).waitFor();
    });
  });

  test("the bench page fits 320 px, and every control has a name", () =>
    open(
      async (page) => {
        await page.getByRole("radio", { name: /large/ }).check();
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
        const nameless = await page
          .locator("button, input, select, textarea, progress")
          .evaluateAll((all) =>
            all
              .filter(
                (each) =>
                  !each.labels?.length &&
                  !each.ariaLabel &&
                  !each.getAttribute("aria-labelledby") &&
                  !each.innerText?.trim() &&
                  each.checkVisibility(),
              )
              .map(({ id }) => id),
          );
        assert.deepEqual(nameless, []);
        const ids = await page.locator("[id]").evaluateAll((all) => all.map(({ id }) => id));
        assert.equal(new Set(ids).size, ids.length, "ids are unique");
      },
      { viewport: { width: 320, height: 640 } },
    ));
});
