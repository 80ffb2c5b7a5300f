/**
 * The tab "Decide" of the side panel, and explanations of what was ranked there, in real Chromium with the real engine
 * and cappy-mini. Build first: scripts/build-extension.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { checkAccess } from "../web/access.mjs";
import { until } from "./harness.mjs";
import { MINI } from "./mini.mjs";
import { ANSWERS, button, noBrowser, QUESTION, ranked, setUp, slowTimers, write } from "./pages.mjs";

const TEXT = "I was charged twice this month. Please send the money back.";
const REFUND = "Is the writer asking for money back?";
const TEAM = "Which team should answer?";
const ANGER = "How angry is the writer?";
/** From the lowest on. */
const LEVELS = ["calm", "annoyed", "angry", "furious"];

describe("the side panel decides", { skip: noBrowser }, () => {
  const pages = setUp();
  const focused = (page) => page.evaluate(() => document.activeElement.id);
  const shown = (page) =>
    page
      .locator(".share")
      .evaluateAll((all) =>
        all.map((row) => [
          row.querySelector(".option").textContent,
          row.querySelector(".value").textContent,
          Number(row.style.getPropertyValue("--fill")),
          Math.round(1000 * (row.querySelector(".fill").clientWidth / row.querySelector(".bar").clientWidth)) / 1000,
        ]),
      );

  /** What the package itself answers, in a page of its own, on the device that the panel's model is on. */
  const decided = (decision) =>
    pages.inPage(
      async ([name, decision]) => {
        const { Scorer } = await import("/cappy-web/index.js");
        const root = await navigator.storage.getDirectory();
        const folder = await (await root.getDirectoryHandle("picked")).getDirectoryHandle(name);
        const files = [];
        for await (const file of folder.keys()) files.push(await (await folder.getFileHandle(file)).getFile());
        const scorer = await Scorer.load(files, { device: "cpu" });
        const { answers } = await scorer.decide(decision);
        scorer.dispose();
        return answers;
      },
      [MINI.name, decision],
    );

  const percent = (share) =>
    share > 0.999 ? "over 99.9%" : share < 0.001 ? "under 0.1%" : `${(100 * share).toFixed(1)}%`;

  /** The most probable option first. */
  const bestFirst = (shares) => Object.entries(shares).sort(([, a], [, b]) => b - a);

  /** That the panel shows these options with their probabilities, in this order. */
  function check(rows, expected) {
    assert.deepEqual(
      rows.map(([option, value]) => [option, value]),
      expected.map(([option, share]) => [option, percent(share)]),
    );
    for (const [at, [option, , fill, width]] of rows.entries()) {
      assert.ok(Math.abs(fill - expected[at][1]) < 1e-12, `${option}: ${fill}`);
      assert.ok(Math.abs(width - fill) < 0.01, `${option}: a bar of ${width} for ${fill}`);
    }
  }

  test("questions about a text are answered as the package answers them, by keyboard alone, in bars with numbers", () =>
    pages.panel(async (page) => {
      await page.getByRole("tab", { name: "Rank" }).focus();
      await page.keyboard.press("ArrowRight");
      assert.equal(await focused(page), "tab-decide");
      assert.equal(await page.locator("#panel-rank").isVisible(), false);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Control+Enter");
      assert.equal(await page.locator("#decide-status").textContent(), "Write or paste the text first.");
      assert.equal(await focused(page), "decide-text");
      await page.keyboard.type(TEXT);
      await page.keyboard.press("Control+Enter");
      assert.equal(await page.locator("#decide-status").textContent(), "Write the question first.");
      assert.equal(await focused(page), "decide-question");
      await page.keyboard.type(REFUND);
      await page.keyboard.press("Control+Enter");
      await button(page, "Copy the answer").waitFor();
      const questions = {
        refund: { type: "boolean", instructions: REFUND },
        team: { type: "choice", instructions: TEAM, criteria: { 1: null, billing: null, support: null } },
        anger: { type: "score", instructions: ANGER, criteria: LEVELS },
      };
      const { refund, team, anger } = await decided({ state: TEXT, questions });
      check(await shown(page), bestFirst({ yes: refund.probability, no: 1 - refund.probability }));
      const most = refund.probability > 0.5 ? "yes" : "no";
      assert.equal(
        await page.locator("#decided-words").textContent(),
        `${most}: ${percent(Math.max(refund.probability, 1 - refund.probability))} probable`,
      );
      assert.match(await page.locator("#decided-about").textContent(), /^2 options in .+ · Folder cappy-mini, f32\. /);
      assert.equal(await page.locator("#announce").textContent(), await page.locator("#decided-words").textContent());

      // The arrow chooses the other radio button, which the cursor comes to after the question.
      await page.keyboard.press("Tab");
      await page.keyboard.press("ArrowDown");
      assert.match(await page.locator("#decided-stale").textContent(), /have changed since this answer/);
      await page.keyboard.press("Control+Enter");
      assert.equal(await page.locator("#decide-status").textContent(), "Write two options or more, one on each line.");
      assert.equal(await focused(page), "decide-options");
      await page.keyboard.type("support\nbilling\n\n 1\nsupport ");
      await page.locator("#decide-question").fill(TEAM);
      await page.keyboard.press("Control+Enter");
      await page.locator("#decided-about", { hasText: /^3 options/ }).waitFor();
      check(await shown(page), bestFirst(team.probabilities));
      assert.equal(await page.locator("#decided-stale").textContent(), "");
      await button(page, "Copy the answer").click();
      await page.getByText("Copied as a list in Markdown.").waitFor();
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      assert.ok(
        copied.startsWith(`> ${TEAM}\n\n- ${team.choice}: ${percent(team.probabilities[team.choice])}\n- `),
        copied,
      );
      assert.ok(copied.endsWith("\nDecided by Folder cappy-mini.\n"), copied);

      // The levels keep their order, whatever their probabilities.
      await page.getByLabel("one of several").focus();
      await page.keyboard.press("ArrowDown");
      assert.match(await page.locator("#decided-stale").textContent(), /have changed since this answer/);
      await page.getByLabel("Levels, from the lowest on, one on each line").fill("calm");
      await page.locator("#decide-question").fill(ANGER);
      await page.keyboard.press("Control+Enter");
      assert.equal(await page.locator("#decide-status").textContent(), "Write two levels or more, one on each line.");
      await page.keyboard.press("Control+A");
      await page.keyboard.type(LEVELS.join("\n"));
      await page.keyboard.press("Control+Enter");
      await page.locator("#decided-about", { hasText: /^4 levels in/ }).waitFor();
      const shares = Object.values(anger.probabilities);
      check(
        await shown(page),
        LEVELS.map((level, at) => [`${at}: ${level}`, shares[at]]),
      );
      const words = `${anger.score.toFixed(2)} on a scale from 0 to 3; nearest to “${LEVELS[Math.round(anger.score)]}”`;
      assert.equal(await page.locator("#decided-words").textContent(), words);
      await button(page, "Copy the answer").click();
      await page.getByText("Copied as a list in Markdown.").waitFor();
      const scale = await page.evaluate(() => navigator.clipboard.readText());
      assert.ok(scale.startsWith(`> ${ANGER}\n\n${words}:\n\n- 0: calm: ${percent(shares[0])}\n- 1: `), scale);
      await page.locator("#decide-text").fill("word ".repeat(1000));
      await button(page, "Decide").click();
      await page
        .locator("#decided-cut", { hasText: /^The text was not read to its end: it is \d+ tokens too long/ })
        .waitFor();
    }));

  test("what was asked stays over closing the panel, and a text from a page comes to the front", async () => {
    await pages.panel(async (page) => {
      await page.getByRole("tab", { name: "Decide" }).click();
      await page.locator("#decide-text").fill(TEXT);
      await page.locator("#decide-question").fill(REFUND);
      await page.getByLabel("one of several").check();
      await page.locator("#decide-options").fill("a\nb");
    });
    await pages.panel(
      async (page) => {
        await page.locator("#panel-decide").waitFor();
        await page.locator("#decide-options").waitFor();
        // What was written last may be stored a moment after this panel has read what is stored.
        const written = () =>
          page.locator("#panel-decide textarea").evaluateAll((all) => all.map((each) => each.value));
        const wanted = [TEXT, REFUND, "a\nb", ""];
        await until(async () => isDeepStrictEqual(await written(), wanted)).catch(() => {});
        assert.deepEqual(await written(), wanted);
        await page.getByRole("tab", { name: "Rank" }).click();
        await until(async () => (await pages.stored()).decision.inFront === false);
        // While the person writes something else.
        await page.evaluate(async () => {
          const area = document.querySelector("#decide-question");
          area.value = "Another question?";
          area.dispatchEvent(new Event("input", { bubbles: true }));
          const fields = { text: "selected <b>on</b> a page", inFront: true };
          await chrome.runtime.sendMessage({ v: 1, to: "background", type: "store", name: "decision", fields });
        });
        await page.locator("#panel-decide").waitFor();
        await until(async () => (await page.locator("#decide-text").inputValue()) === "selected <b>on</b> a page");
        assert.equal(await page.locator("#decide-question").inputValue(), "Another question?");
        await until(async () => (await pages.stored()).decision.question === "Another question?");
        assert.equal((await pages.stored()).decision.text, "selected <b>on</b> a page");
      },
      { stay: true, prepare: [slowTimers] },
    );
    await pages.options(
      async (page) => {
        await page.locator("#stored li", { hasText: "Text and question to decide" }).getByText("stored").waitFor();
      },
      { stay: true },
    );
  });

  test("a question is cancelled, and a failure is said once and tried again", async () => {
    await pages.host.forget();
    await pages.host.settings({ model: { kind: "url", url: "http://127.0.0.1:9/no-model/" } });
    await pages.panel(
      async (page) => {
        await page.getByRole("tab", { name: "Decide" }).click();
        await page.locator("#decide-text").fill(TEXT);
        await page.locator("#decide-question").fill(REFUND);
        await button(page, "Decide").click();
        await page.locator(".error").getByRole("heading", { name: "The server could not be reached" }).waitFor();
        // The model's box shows the failure already when the engine says it to all, before the question has failed.
        await page.locator("#decided-about", { hasText: /^There is no answer\.$/ }).waitFor();
        assert.equal(await page.locator(".error").count(), 1, "said once");
        await pages.host.settings({ model: MINI });
        await page.locator("#model", { hasText: /^Folder cappy-mini/ }).waitFor();
        await button(page, "Decide").click();
        await button(page, "Copy the answer").waitFor();
        assert.equal(await page.locator(".error").count(), 0);
        await page.getByLabel("one of several").check();
        // The longest texts that the model reads, so that a fast machine does not answer before the press.
        await page
          .locator("#decide-options")
          .fill(Array.from({ length: 256 }, (_, at) => `${at} ${TEXT.repeat(30)}`).join("\n"));
        await button(page, "Decide").click();
        await button(page, "Cancel").first().click();
        await page.locator("#decided-about", { hasText: /^Cancelled\.$/ }).waitFor();
        assert.equal(await focused(page), "decide");
        assert.equal(await page.locator(".share").count(), 0);
      },
      { stay: true },
    );
  });

  test("a result of a ranking says what carried its score, when asked", () =>
    pages.panel(async (page) => {
      await write(page, QUESTION, ANSWERS);
      await button(page, "Rank").click();
      await ranked(page);
      const best = page.locator(".result.best");
      await best.getByRole("button", { name: "What carried this score?" }).focus();
      await page.keyboard.press("Enter");
      await best.getByText(/^Each number is how much lower or higher the score is without that word/).waitFor();
      const said = await best.locator(".carried").innerText();
      const [, word, sign, number] = /“(\w+)” ([+−])(\d\.\d\d)/.exec(said);
      const score = Number(await best.locator(".value").textContent());
      const without = ANSWERS[1].replace(new RegExp(`\\b${word}( |(?=\\.))`), "").replace(/ \.$/, ".");
      await write(page, QUESTION, [without]);
      await button(page, "Rank").click();
      await page.locator("#ranking-about", { hasText: /^5 answers/ }).waitFor();
      const row = page.locator(".result").filter({ has: page.locator(".text").getByText(without, { exact: true }) });
      const rest = Number(await row.locator(".value").textContent());
      assert.ok(Math.abs(Math.abs(score - rest) - Number(number)) < 0.0052, `${said}: ${score} and ${rest}`);
      assert.equal(sign, score > rest ? "+" : "−", said);
      assert.equal(
        await page
          .locator(".carried")
          .allInnerTexts()
          .then((all) => all.join("")),
        "",
        "nothing is kept of the ranking before",
      );
    }));

  for (const colorScheme of ["light", "dark"]) {
    test(`both tabs pass the checks of axe, ${colorScheme}`, () =>
      pages.panel(async (page) => {
        await page.emulateMedia({ colorScheme });
        await write(page, QUESTION, ANSWERS);
        await button(page, "Rank").click();
        await ranked(page);
        await page.locator(".result.best").getByRole("button", { name: "What carried this score?" }).click();
        await page
          .locator(".result.best")
          .getByText(/^Each number/)
          .waitFor();
        await checkAccess(page);
        await page.locator("#instruction").fill("Which one purrs?");
        await page.locator("#stale", { hasText: "have changed" }).waitFor();
        await checkAccess(page);
        await page.getByRole("tab", { name: "Decide" }).click();
        await page.locator("#decide-text").fill(TEXT);
        await page.locator("#decide-question").fill(TEAM);
        await page.getByLabel("one of several").check();
        await page.locator("#decide-options").fill("billing\nsupport");
        await button(page, "Decide").click();
        await button(page, "Copy the answer").waitFor();
        await checkAccess(page);
        await page.locator("#decide-options").fill("billing\nsales");
        await checkAccess(page);
      }));
  }
});
