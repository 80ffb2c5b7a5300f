/**
 * Explanations on the demo page: states that are provoked on a fake of the package (fake-cappy.mjs, which explains with
 * the package's own code on made-up scores), then the built page with cappy-mini as its model.
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 * CAPPY_SITE   the built site's folder; without it the test with a model is skipped
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { noBrowser, onCpu, ranked, ready, setUp, write } from "./demo-page.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const site = process.env.CAPPY_SITE;

const explainButton = (page, candidate) =>
  page.getByRole("button", { name: `Explain candidate ${candidate}`, exact: true });
const explanation = (page, candidate) =>
  page.getByRole("group", { name: `Explanation of candidate ${candidate}`, exact: true });
const status = (page, candidate, hasText) => explanation(page, candidate).locator(".explanation-status", { hasText });
/** The table for screen readers, row by row. */
const table = (page, candidate) =>
  explanation(page, candidate)
    .locator("tr")
    .evaluateAll((rows) => rows.map((row) => [...row.children].map(({ textContent }) => textContent)));

describe("explanations on a fake of the package", { skip: noBrowser }, () => {
  const open = setUp([
    ["cappy-web/index.js", here("fake-cappy.mjs")],
    ["cappy-web/", here("../../dist")],
    ["order.js", here("../../target/modules/order.js")],
    ["", here("../../www")],
  ]);

  test("an answer is explained when it is asked for, and the number of each word shows by pointer and by keyboard", () =>
    open("", async (page) => {
      await ready(page);
      await write(page, "Which?", ["[0.5] good. Second one.", "[-0.5] bad"]);
      await page.locator("#rank").click();
      await ranked(page);
      assert.equal(await page.evaluate(() => globalThis.fakeExplained), undefined, "nothing is computed unasked");
      await explainButton(page, 1).focus();
      await page.keyboard.press("Enter");
      await status(page, 1, /^Score 0\.5000\. 4 words, each left out once, in /).waitFor();
      assert.equal(await explainButton(page, 1).getAttribute("aria-expanded"), "true");
      assert.match(
        await page.locator("#announce").textContent(),
        /The strongest: “0\.5”: \+0\.4800, raises the score\.$/,
      );
      assert.deepEqual(await table(page, 1), [
        ["Word", "Effect on the score"],
        ["0.5", "+0.4800"],
        ["good", "+0.0000"],
        ["Second", "+0.0000"],
        ["one", "+0.0000"],
      ]);
      const words = page.getByRole("listbox", { name: "Words with their effects" });
      assert.equal(await words.textContent(), "[0.5] good. Second one.", "the whole text, with what is in no word");

      const effect = explanation(page, 1).locator(".effect");
      const options = words.getByRole("option");
      assert.deepEqual(
        await options.evaluateAll((all) => all.map(({ tabIndex }) => tabIndex)),
        [0, -1, -1, -1],
        "one stop for Tab",
      );
      await options.first().focus();
      for (const [key, at] of /** @type {const} */ ([
        ["ArrowRight", 1],
        ["End", 3],
        ["ArrowRight", 3],
        ["ArrowUp", 2],
        ["Home", 0],
      ])) {
        await page.keyboard.press(key);
        const focused = await options.evaluateAll((all) => all.indexOf(document.activeElement));
        assert.equal(focused, at, key);
        assert.equal(await effect.textContent(), await options.nth(at).getAttribute("aria-label"));
        assert.equal(await options.nth(at).getAttribute("aria-selected"), "true");
      }
      await options.nth(1).hover();
      assert.equal(await effect.textContent(), "“good”: +0.0000, changes nothing");
      await page.locator("#ranking-title").hover();
      assert.equal(await effect.textContent(), "“0.5”: +0.4800, raises the score", "the one with the focus again");

      await explainButton(page, 2).click();
      await status(page, 2, "2 words").waitFor();
      const [raises, lowers, none] = await Promise.all(
        [
          page.locator(".unit.raises"),
          page.locator(".unit.lowers"),
          page.locator(".unit:not(.raises, .lowers)").first(),
        ].map((unit) =>
          unit.evaluate((each) => {
            const { backgroundColor, textDecorationLine, textDecorationStyle } = getComputedStyle(each);
            return { text: each.textContent, backgroundColor, line: `${textDecorationLine} ${textDecorationStyle}` };
          }),
        ),
      );
      assert.deepEqual([raises.text, lowers.text], ["0.5", "0.5"]);
      assert.notEqual(raises.backgroundColor, lowers.backgroundColor);
      assert.deepEqual([raises.line, lowers.line], ["underline solid", "underline dotted"], "not by colour alone");
      assert.equal(none.line, "none solid");

      await explanation(page, 1).getByRole("radio", { name: "Sentences" }).check();
      await status(page, 1, "2 sentences").waitFor();
      assert.deepEqual(
        (await table(page, 1)).map(([text]) => text.trim()),
        ["Sentence", "[0.5] good.", "Second one."],
      );
      await explainButton(page, 1).click();
      await explanation(page, 1).waitFor({ state: "detached" });
      assert.equal(await page.getByRole("listbox").count(), 1, "the other one stays");
      assert.equal(await page.locator(".result .text").first().isVisible(), true);
    }));

  test("explaining can be stopped, and a fault is said where it was asked for", () =>
    open("?hold=3&fail=out-of-memory&at=explain&times=1", async (page) => {
      await ready(page);
      await write(page, "Which?", ["[0.5] one two three four five", "?!"]);
      await page.locator("#rank").click();
      await ranked(page);
      await explainButton(page, 1).click();
      await explanation(page, 1).locator(".fault", { hasText: "The graphics memory is full. out-of-memory" }).waitFor();
      await explainButton(page, 1).click();
      for (const stop of [
        () => page.getByRole("button", { name: "Stop" }).click(),
        () => page.keyboard.press("Escape"),
      ]) {
        await explainButton(page, 1).click();
        await explanation(page, 1).locator(".explaining-detail", { hasText: "3 of 7 texts scored" }).waitFor();
        await stop();
        await status(page, 1, "Stopped.").waitFor();
        assert.equal(await page.locator(".unit").count(), 0);
        assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Explain candidate 1");
        await explainButton(page, 1).click();
      }
      await explainButton(page, 2).click();
      await explanation(page, 2).locator(".fault", { hasText: "input: response: has no words" }).waitFor();
    }));
});

describe("explanations on the built page", { skip: noBrowser || (site ? false : "CAPPY_SITE is not set") }, () => {
  const open = setUp([
    // The page and the package give the same digits only on one device.
    ...onCpu(site ?? ""),
    // In the place of the package's own model.
    ["cappy-web/model/", here("../../models/cappy-mini")],
    ["", site ?? ""],
  ]);

  test("the page shows the effects that the package computes", { timeout: 240_000 }, () =>
    open("", async (page) => {
      await page.locator("#facts-line", { hasText: "parameters" }).waitFor({ timeout: 60_000 });
      const [instruction, response] = ["Which animal barks?", "A dog barks at night."];
      await write(page, instruction, [response]);
      await page.locator("#rank").click();
      await ranked(page);
      // What was ranked is explained, and not what stands there now.
      await page.locator("#instruction").fill("Something else?");
      await explainButton(page, 1).click();
      await status(page, 1, "5 words").waitFor();
      const [, ...rows] = await table(page, 1);
      const units = await page.evaluate(
        async ([instruction, response]) => {
          const { Scorer } = await import(new URL("cappy-web/index.js", location.href).href);
          const scorer = await Scorer.load();
          const { units } = await scorer.explain(instruction, response, { unit: "word" });
          scorer.dispose();
          return units;
        },
        [instruction, response],
      );
      assert.ok(
        units.some(({ effect }) => Math.abs(effect) > 0.001),
        JSON.stringify(units),
      );
      assert.deepEqual(
        rows.map(([text, effect]) => [text, effect.replace("−", "-")]),
        units.map(({ text, effect }) => [text, `${effect < 0 ? "" : "+"}${effect.toFixed(4)}`]),
      );
    }),
  );
});
