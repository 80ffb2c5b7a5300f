/**
 * What people see of the demo page before they do anything, and what it says when the model changes,
 * in a real browser on a fake of the package (fake-cappy.mjs).
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { layoutShift, noBrowser, ranked, ready, setUp } from "./demo-page.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PHONE = { viewport: { width: 375, height: 740 } };

describe("the page before anybody does anything", { skip: noBrowser }, () => {
  const open = setUp([
    ["cappy-web/index.js", here("fake-cappy.mjs")],
    ["order.js", here("../../target/modules/order.js")],
    ["", here("../../www")],
  ]);

  for (const [where, options] of /** @type {[string, object][]} */ ([
    ["a phone", PHONE],
    ["a wide screen", {}],
  ])) {
    test(`the page does not shift while the model loads and the first example is ranked, on ${where}`, () =>
      open(
        // The load stays in its middle until what is below was measured, which has to be before anything is ranked.
        "?step=40&pace=100&stay=1",
        async (page) => {
          await page.locator("#loading").waitFor();
          // Browsers count no shift of what is below the window, where a person may already be reading.
          const below = () => page.locator(".teach").evaluate((card) => card.getBoundingClientRect().top + scrollY);
          const before = await below();
          await page.evaluate(() => globalThis.fakeLoadsGoOn());
          await ready(page);
          await ranked(page);
          assert.ok(Math.abs((await below()) - before) <= 2, `what is below moved from ${before} to ${await below()}`);
          await page.locator("#proof", { hasText: /^Just now, here: 4 answers ranked in / }).waitFor();
          const sum = await layoutShift(page);
          assert.ok(sum < 0.05, `layout shift ${sum}`);
          // The measure is no good if it does not see what moves.
          await page.evaluate(() => {
            document.querySelector("main").style.marginTop = "300px";
          });
          assert.ok((await layoutShift(page)) > 0.1);
        },
        options,
      ));
  }

  test("the page does not shift what is below while it ranks, on a phone", () =>
    open(
      "?pace=700",
      async (page) => {
        await ready(page);
        await ranked(page);
        // Candidates come more than half a second after the click: what is sooner does not count.
        await page.locator("#rank").click();
        await ranked(page);
        const sum = await layoutShift(page);
        assert.ok(sum < 0.05, `layout shift ${sum}`);
        assert.equal(await page.locator(".result").count(), 4);
      },
      PHONE,
    ));

  test("the Rank button is visible on a phone, at the top of the page and in the middle of a long task", () =>
    open(
      "",
      async (page) => {
        await ready(page);
        // The page's own ranking is over, so that nothing moves any more.
        await ranked(page);
        const isSeen = () =>
          page.locator("#rank").evaluate((button) => {
            const { top, bottom, left, width } = button.getBoundingClientRect();
            const at = document.elementFromPoint(left + width / 2, (top + bottom) / 2);
            return top >= 0 && bottom <= innerHeight && button.contains(at);
          });
        assert.ok(await isSeen());
        for (let more = 0; more < 10; more += 1) await page.locator("#add").evaluate((button) => button.click());
        await page.locator("#candidate-7").evaluate((area) => area.scrollIntoView({ block: "center" }));
        assert.ok(await isSeen());
        await page.locator("#candidate-13").focus();
        const [area, bar] = await Promise.all(
          ["#candidate-13", "#panel-rank .actions"].map((each) => page.locator(each).boundingBox()),
        );
        assert.ok(
          area.y + area.height <= bar.y,
          `what has the focus is not behind the bar: ${JSON.stringify([area, bar])}`,
        );
      },
      PHONE,
    ));

  test("the page says what holds without JavaScript, and the true sizes of the shapes to measure", () => {
    const page = readFileSync(here("../../www/index.html"), "utf8");
    const [, without] = /<noscript>(.*?)<\/noscript>/s.exec(page);
    assert.match(without, /needs JavaScript/);
    assert.doesNotMatch(without, /needs[^.]*WebGPU/, "the CPU computes where there is no WebGPU");
    const { num_hidden_layers, hidden_size } = JSON.parse(
      readFileSync(here("../../models/cappy-small/config.json"), "utf8"),
    );
    const share = (4 * 256 ** 2) / (num_hidden_layers * hidden_size ** 2);
    assert.ok(Math.abs(share - 1 / 3) < 0.05, `${share}`);
    const bench = readFileSync(here("../../www/bench.html"), "utf8");
    assert.match(bench, /4 layers of 256, a third of the work of cappy-small/);
  });
});

describe("the page and other models", { skip: noBrowser }, () => {
  const open = setUp([
    ["cappy-web/index.js", here("fake-cappy.mjs")],
    ["order.js", here("../../target/modules/order.js")],
    ["", here("../../www")],
  ]);

  test("another model makes the ranking stale, and the same one again does not", () =>
    open("", async (page) => {
      await ready(page);
      const stale = page.locator("#stale");
      const load = async (act, line) => {
        await page.getByRole("button", { name: "Change model" }).click();
        await act();
        await page.waitForFunction(
          (text) =>
            document.querySelector("#loading").hidden &&
            document.querySelector("#facts-line").textContent.includes(text),
          line,
        );
      };
      const own = () => page.getByRole("button", { name: "Load cappy-small" }).click();
      const other = () =>
        page
          .getByLabel("Hub id")
          .fill("small/model")
          .then(() => page.keyboard.press("Enter"))
          .then(() => page.getByRole("button", { name: "Download and load" }).click());
      const inBits = (bits) =>
        page
          .getByRole("radio", { name: bits })
          .check()
          .then(() => page.getByRole("button", { name: "Load the model that way" }).click());
      await ranked(page);
      assert.equal(await stale.isVisible(), false);
      await load(other, "355 million");
      assert.equal(await stale.isVisible(), true, "the page ranked with its own model");
      await page.locator("#rank").click();
      await ranked(page);
      assert.equal(await stale.isVisible(), false);
      await load(() => inBits(/^16 bits/), "16 bits");
      assert.equal(await stale.isVisible(), false);
      await load(() => inBits(/^4 bits/), "4 bits");
      assert.equal(await stale.textContent(), "The model has changed since this ranking.");
      assert.equal(await stale.isVisible(), true);
      await page.locator("#instruction").fill("Something else?");
      assert.equal(await stale.textContent(), "The task and the model have changed since this ranking.");
      await page.locator("#rank").click();
      await ranked(page);
      assert.equal(await stale.isVisible(), false);
      await load(own, "22.3 million");
      assert.equal(await stale.textContent(), "The model has changed since this ranking.");
    }));

  test("a wrong hub id is shown at its field, and the dialog stays open", () =>
    open("?fail=not-found&at=probe", async (page) => {
      await ready(page);
      await page.getByRole("button", { name: "Change model" }).click();
      await page.evaluate(() => {
        const chooser = document.querySelector("#chooser");
        globalThis.closed = false;
        new MutationObserver(() => {
          globalThis.closed ||= chooser.hidden;
        }).observe(chooser, { attributes: true });
      });
      const field = page.getByLabel("Hub id");
      await field.fill("no/where");
      await page.keyboard.press("Enter");
      await page.locator("#hub-form #source-error h3", { hasText: "no such model" }).waitFor();
      assert.deepEqual(
        await page.evaluate(() => [
          globalThis.closed,
          document.activeElement.id,
          document.querySelector("#model-error").textContent,
        ]),
        [false, "source", ""],
      );
      assert.deepEqual([await field.inputValue(), await field.getAttribute("aria-invalid")], ["no/where", "true"]);
      const [label, error] = await Promise.all(
        ["#source", "#source-error"].map((each) => page.locator(each).boundingBox()),
      );
      assert.ok(error.y - (label.y + label.height) < 20, "the error is below the field");
      assert.equal(
        await page.evaluate(
          () => document.querySelector(`#${document.querySelector("#source").getAttribute("aria-describedby")}`).id,
        ),
        "source-error",
      );
      await field.pressSequentially("/");
      assert.deepEqual(
        [await page.locator("#source-error").textContent(), await field.getAttribute("aria-invalid")],
        ["", null],
      );
      // What comes along is loaded all the same.
      await page.getByRole("button", { name: "Load cappy-small" }).click();
      await page.locator("#chooser").waitFor({ state: "hidden" });
      await ready(page);
    }));
});
