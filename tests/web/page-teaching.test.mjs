/**
 * Teaching on the demo page, in a real browser on a fake of the package (fake-cappy.mjs); page.test.mjs has the rest of it.
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { noBrowser, ranked, ready, setUp, texts, write } from "./demo-page.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

describe("teaching on the page", { skip: noBrowser }, () => {
  const open = setUp([
    ["cappy-web/index.js", here("fake-cappy.mjs")],
    ["order.js", here("../../target/modules/order.js")],
    ["", here("../../www")],
  ]);

  const mark = (page, text, how) =>
    page.locator(".result", { hasText: text }).getByRole("button", { name: new RegExp(`is ${how}$`) });

  test("teaching shows marks, the falling error and the ranking before and after, and can be undone", () =>
    // Teaching waits in its middle until the test has looked at it.
    open("?rest=30", async (page) => {
      await ready(page);
      await write(page, "Which?", ["[0.9] loud", "[0.5] even", "[0.1] quiet"]);
      await page.locator("#teach").click({ force: true });
      await page.locator("#teach-status", { hasText: "Mark an answer in the ranking first." }).waitFor();
      await page.locator("#rank").click();
      await ranked(page);
      await mark(page, "quiet", "right").click();
      await mark(page, "loud", "right").click();
      await mark(page, "loud", "wrong").click();
      assert.equal(await mark(page, "loud", "right").getAttribute("aria-pressed"), "false");
      assert.match(await page.locator("#lessons").innerText(), /Which\?\s+1 right, 1 wrong/);
      await page.locator("#teach").click();
      await page.locator("#teaching-detail", { hasText: /Step \d+ of 60/ }).waitFor();
      assert.equal(await page.locator("#teach").getAttribute("aria-disabled"), "true");
      await page.evaluate(() => globalThis.fakeLessonsGoOn());
      await page.locator("#teach-status", { hasText: /^Learned from 1 task in 60 steps, / }).waitFor();
      assert.deepEqual(await page.evaluate(() => fakeLessons), {
        depth: "head",
        lessons: [
          { instruction: "Which?", chosen: ["[0.1] quiet"], rejected: ["[0.9] loud"] },
          { instruction: "Which?", response: "[0.5] even", label: 0.5 },
        ],
      });
      assert.deepEqual(await texts(page), ["[0.1] quiet", "[0.5] even", "[0.9] loud"]);
      const rows = await page
        .locator("#compare-rows tr")
        .evaluateAll((all) => all.map(({ cells }) => [...cells].map(({ textContent }) => textContent)));
      assert.deepEqual(rows, [
        ["[0.1] quiet", "right", "3 · 0.10", "1 ↑ · 1.00"],
        ["[0.5] even", "", "2 · 0.50", "2 · 0.50"],
        ["[0.9] loud", "wrong", "1 · 0.90", "3 ↓ · 0.00"],
      ]);
      assert.equal((await page.locator("#curve-line").getAttribute("points")).split(" ").length, 60);
      assert.match(
        await page.locator("#curve-drawing").getAttribute("aria-label"),
        /0\.500 at first, 0\.0083 after 60 steps$/,
      );
      assert.equal(
        await mark(page, "quiet", "right").getAttribute("aria-pressed"),
        "true",
        "marks stay in the new ranking",
      );
      await page.getByRole("button", { name: "Undo", exact: true }).click();
      await page.locator("#teach-status", { hasText: "Undone" }).waitFor();
      assert.deepEqual(await texts(page), ["[0.9] loud", "[0.5] even", "[0.1] quiet"]);
      await page.getByRole("button", { name: "Use what it learned" }).click();
      await page.locator("#teach-status", { hasText: "uses what it learned" }).waitFor();
      assert.deepEqual(await texts(page), ["[0.1] quiet", "[0.5] even", "[0.9] loud"]);
    }));

  test("the page keeps what it learned over a reload, and forgets it", () =>
    open("", async (page) => {
      await ready(page);
      await write(page, "Which?", ["[0.9] loud", "[0.1] quiet"]);
      await page.locator("#rank").click();
      await ranked(page);
      await mark(page, "quiet", "right").click();
      await page.locator("#teach-keep").check();
      await page.locator("#teach").click();
      await page.locator("#teach-status", { hasText: "Learned" }).waitFor();
      assert.deepEqual(await page.evaluate(() => fakeLessons.lessons), [
        { instruction: "Which?", response: "[0.1] quiet", label: 1 },
        { instruction: "Which?", response: "[0.9] loud", label: 0.9 },
      ]);
      await page.reload();
      await ready(page);
      await page.locator("#teach-status", { hasText: "keeps what this model has learned" }).waitFor();
      assert.match(await page.locator("#lessons").innerText(), /1 right, 0 wrong/);
      await page.locator("#rank").click();
      await ranked(page);
      assert.deepEqual(await texts(page), ["[0.9] loud", "[0.1] quiet"], "it is not used unasked");
      await page.getByRole("button", { name: "Use what it learned" }).click();
      await page.locator("#compare").waitFor();
      assert.deepEqual(await texts(page), ["[0.1] quiet", "[0.9] loud"]);
      await page.getByRole("button", { name: "Forget all" }).click();
      await page.locator("#teach-status", { hasText: "Forgotten" }).waitFor();
      assert.deepEqual(await texts(page), ["[0.9] loud", "[0.1] quiet"]);
      assert.equal(await page.locator("#lessons-none").isVisible(), true);
      assert.deepEqual(
        await page.evaluate(() => Object.keys(localStorage).filter((key) => !key.startsWith("cappy task"))),
        [],
      );
    }));

  test("teaching can be cancelled, and by the keyboard alone", () =>
    open("?rest=5", async (page) => {
      await ready(page);
      await write(page, "Which?", ["[0.9] loud", "[0.1] quiet"]);
      await page.keyboard.press("Control+Enter");
      await ranked(page);
      for (const name of ["Candidate 1 is wrong", "Candidate 2 is right"]) {
        await page.getByRole("button", { name }).focus();
        await page.keyboard.press("Space");
      }
      assert.equal(
        await page.evaluate(() => document.activeElement.ariaLabel),
        "Candidate 2 is right",
        "the focus stays",
      );
      await page.locator("#teach").focus();
      await page.keyboard.press("Enter");
      await page.locator("#curve").waitFor();
      await page.keyboard.press("Escape");
      await page.locator("#teach-status", { hasText: "Stopped. The model is as it was." }).waitFor();
      assert.deepEqual(await texts(page), ["[0.9] loud", "[0.1] quiet"]);
      await page.getByRole("button", { name: "Remove the marks of task 1" }).click();
      assert.equal(await page.evaluate(() => document.activeElement.id), "teach");
      assert.equal(await mark(page, "loud", "wrong").getAttribute("aria-pressed"), "false");
    }));

  test("an error of teaching is shown in its panel, and another model has learned nothing", () =>
    open("?fail=out-of-memory&at=adapt&times=1", async (page) => {
      await ready(page);
      await page.locator("#rank").click();
      await ranked(page);
      await page.locator("[data-mark=right]").first().click();
      await page.locator("#teach").click();
      await page.locator("#teach-error h3", { hasText: "memory is full" }).waitFor();
      await page.locator("#teach-error").getByRole("button", { name: "Try again" }).click();
      await page.locator("#teach-status", { hasText: "Learned" }).waitFor();
      await page.getByRole("button", { name: "Change model" }).click();
      await page.getByRole("button", { name: "Load cappy-small" }).click();
      await page.locator("#compare").waitFor({ state: "hidden" });
      await page.locator("#teach-undo").waitFor({ state: "hidden" });
    }));
});
