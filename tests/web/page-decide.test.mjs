/**
 * The tab "Decide" of the demo page: states that are provoked on a fake of the package (fake-cappy.mjs, which decides
 * with the package's own code on made-up scores), then worked examples on the built page with cappy-mini as its model.
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 * CAPPY_SITE   the built site's folder; without it the worked examples are skipped
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { decisionExamples } from "../../www/decision-examples.js";
import { checkAccess, noBrowser, onCpu, ranked, ready, setUp } from "./demo-page.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const site = process.env.CAPPY_SITE;

const decided = (page) => page.locator("#answers-status", { hasText: /answered in/ }).waitFor();
const question = (page, number) => page.getByRole("group", { name: `Question ${number}` });
/** The probabilities on the page by the question's name, to all digits. */
const sharesOn = (page) =>
  page
    .locator(".answer")
    .evaluateAll((rows) =>
      Object.fromEntries(
        rows.map((row) => [
          row.dataset.name,
          Object.fromEntries(
            [...row.querySelectorAll(".share")].map((share) => [
              share.querySelector(".share-name").textContent,
              Number(share.querySelector("data").value),
            ]),
          ),
        ]),
      ),
    );
const sum = (numbers) => Object.values(numbers).reduce((total, each) => total + each, 0);

describe("the tab Decide on a fake of the package", { skip: noBrowser }, () => {
  const open = setUp([
    ["cappy-web/index.js", here("fake-cappy.mjs")],
    ["cappy-web/", here("../../dist")],
    ["order.js", here("../../target/modules/order.js")],
    ["", here("../../www")],
  ]);

  test("tabs go by arrow keys, Home and End, and the address opens the one that it names", () =>
    open("#decide", async (page) => {
      const seen = () =>
        page.evaluate(() => ({
          hash: location.hash,
          focus: document.activeElement.id,
          panels: [...document.querySelectorAll("[role=tabpanel]")]
            .filter((each) => each.checkVisibility())
            .map(({ id }) => id),
          stops: [...document.querySelectorAll("[role=tab]")].map((tab) => [tab.ariaSelected, tab.tabIndex]),
        }));
      const isDecide = {
        hash: "#decide",
        panels: ["panel-decide"],
        stops: [
          ["false", -1],
          ["true", 0],
        ],
      };
      const isRank = {
        hash: "",
        panels: ["panel-rank"],
        stops: [
          ["true", 0],
          ["false", -1],
        ],
      };
      assert.deepEqual(await seen(), { ...isDecide, focus: "" });
      await page.getByRole("tab", { name: "Decide" }).focus();
      for (const [key, expected, focus] of /** @type {const} */ ([
        ["ArrowRight", isRank, "tab-rank"],
        ["ArrowLeft", isDecide, "tab-decide"],
        ["Home", isRank, "tab-rank"],
        ["End", isDecide, "tab-decide"],
      ])) {
        await page.keyboard.press(key);
        assert.deepEqual(await seen(), { ...expected, focus }, key);
      }
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement.id), "decision-examples", "the panel is next");
      await page.getByRole("tab", { name: "Rank" }).click();
      await page.evaluate(() => {
        location.hash = "decide";
      });
      await page.locator("#panel-decide").waitFor();
      await page.reload();
      await page.locator("#panel-decide").waitFor();
    }));

  test("the keyboard alone leads from the tab to an answer", () =>
    open("", async (page) => {
      await ready(page);
      // What the page's own ranking announces must not come after the answers.
      await ranked(page);
      const press = async (key, times = 1) => {
        for (let time = 0; time < times; time += 1) await page.keyboard.press(key);
      };
      await page.locator("#tab-rank").focus();
      await press("ArrowRight");
      await press("Tab");
      await press("ArrowDown");
      await press("Tab");
      assert.equal(await page.locator("#state").inputValue(), decisionExamples[1].state);
      await page.keyboard.type("!");
      await press("Tab", 3); // The question's name and its kind, then the button that removes it.
      await press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Remove question 1", "of the next one");
      await press("Shift+Tab", 2);
      await page.keyboard.type("far");
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(outline, "none", "it shows its focus");
      await press("Control+Enter");
      await decided(page);
      assert.deepEqual(Object.keys(await sharesOn(page)), ["far"]);
      assert.match(
        await page.locator("#announce").textContent(),
        /^1 question answered in .+ Yes: a probability of 0\.5/,
      );
    }));

  test("answers come as bars with numbers and in words, in the order of the questions", () =>
    open("#decide", async (page) => {
      await ready(page);
      await page.locator("#state").fill("A state");
      const [choice, score, boolean] = [1, 2, 3].map((number) => question(page, number));
      for (const [at, name] of ["[0.2] a", "[0.6] b", "[0.2] c"].entries())
        await choice.getByRole("textbox", { name: `Option ${at + 1}`, exact: true }).fill(name);
      for (const at of [1, 2, 3]) await choice.getByRole("textbox", { name: `What option ${at} means` }).fill("");
      for (const [at, name] of ["[0] low", "[1] middle", "[1] high"].entries())
        await score.getByRole("textbox", { name: `Level ${at}` }).fill(name);
      await boolean.getByRole("textbox", { name: "Question" }).fill("");
      await boolean.getByRole("textbox", { name: "What no means" }).fill("the opposite");
      await page.locator("#decide-go").click();
      await decided(page);
      // By the default temperature of 0.2, which the fake takes.
      const two = Math.exp(0.4 / 0.2);
      const shares = await sharesOn(page);
      assert.ok(Math.abs(shares.team["[0.6] b"] - two / (two + 2)) < 1e-12, JSON.stringify(shares));
      assert.equal(shares.team["[0.2] a"], shares.team["[0.2] c"]);
      assert.deepEqual(await page.locator(".answer").nth(0).locator(".most .share-name").allTextContents(), [
        "[0.6] b",
      ]);
      const [words, levels] = await page.locator(".answer-words").allTextContents();
      assert.equal(words, "[0.6] b: a probability of 0.787.");
      assert.match(levels, /^1\.49 on a scale from 0 to 2; nearest to “\[1\] middle”\.$/);
      const rows = await page.locator(".answer").nth(1).locator(".share").allInnerTexts();
      assert.deepEqual(
        rows.map((row) => row.split(/\s*\n\s*/)),
        [
          ["0: [0] low", "0.003"],
          ["1: [1] middle", "0.498"],
          ["2: [1] high", "0.498"],
        ],
      );
      const width = await page
        .locator(".answer .fill")
        .nth(1)
        .evaluate(async (fill) => {
          await Promise.all(fill.getAnimations().map(({ finished }) => finished));
          return fill.getBoundingClientRect().width / fill.parentElement.getBoundingClientRect().width;
        });
      assert.ok(Math.abs(width - two / (two + 2)) < 0.01, `${width}`);
      assert.equal(
        await page.locator(".answer h3").nth(2).textContent(),
        "refund",
        "a question without text is called by its name",
      );
      assert.equal(await page.locator("#answers-cut").isVisible(), false);
      await page.locator("#state").fill("long ".repeat(1000));
      assert.equal(await page.locator("#answers-stale").textContent(), "The decision has changed since these answers.");
      await page.keyboard.press("Control+Enter");
      await page
        .locator("#answers-cut", { hasText: /^The state is too long for the model: its end was left out, \d+ tokens/ })
        .waitFor();
    }));

  test("questions and options are added and removed, and removing and examples can be undone", () =>
    open("#decide", async (page) => {
      const names = () => page.locator("[data-field=name]").evaluateAll((all) => all.map(({ value }) => value));
      await page.getByRole("button", { name: "Add a question" }).click();
      assert.deepEqual(await names(), ["team", "urgency", "refund", "question4"]);
      const added = question(page, 4);
      assert.equal(
        await added.getByRole("textbox", { name: "Name" }).evaluate((field) => field === document.activeElement),
        true,
      );
      await added.getByRole("combobox", { name: "Kind" }).selectOption("score");
      await added.getByRole("button", { name: "Add a level" }).click();
      await page.keyboard.type("much");
      assert.equal(await added.getByRole("textbox", { name: "Level 2" }).inputValue(), "much");
      await added.getByRole("button", { name: "Remove level 0" }).click();
      assert.equal(await added.getByRole("textbox", { name: "Level 1" }).inputValue(), "much");
      assert.match(
        await page.locator("#code").textContent(),
        /question4: \{\s+type: "score",\s+criteria: \[\s+"",\s+"much",\s+\]/,
      );
      await page.getByRole("button", { name: "Remove question 1" }).click();
      assert.deepEqual(await names(), ["urgency", "refund", "question4"]);
      await page.getByRole("button", { name: "Undo" }).click();
      assert.deepEqual(await names(), ["team", "urgency", "refund", "question4"]);
      await page.locator("#decision-examples").selectOption("Grade an answer");
      await page.locator("#decision-examples").selectOption("Check a claim against a text");
      assert.deepEqual(await names(), ["claim", "answered"]);
      await page.getByRole("button", { name: "Undo" }).click();
      assert.deepEqual(
        await names(),
        ["team", "urgency", "refund", "question4"],
        "two examples later they are still there",
      );
    }));

  test("a fault is shown beside its field, which gets the focus, until it is mended", () =>
    open("#decide", async (page) => {
      await ready(page);
      const fault = async (expected) => {
        await page.keyboard.press("Control+Enter");
        await page.locator(".fault", { hasText: expected[1] }).waitFor();
        const seen = await page.evaluate(() => {
          const field = document.activeElement;
          const place = document.getElementById(field.getAttribute("aria-describedby"));
          const gap = place.getBoundingClientRect().top - field.getBoundingClientRect().bottom;
          return {
            field: field.ariaLabel || field.dataset.field || field.id,
            what: place.textContent,
            gap,
            isInvalid: field.ariaInvalid,
          };
        });
        assert.ok(seen.gap >= 0 && seen.gap < 20, `${seen.what} stands ${seen.gap} below`);
        assert.deepEqual([seen.field, seen.what, seen.isInvalid], [...expected, "true"]);
      };
      const first = question(page, 1);
      await page.locator("#state").fill(" ");
      await fault(["state", "Write what the questions are about."]);
      await page.keyboard.type("x");
      assert.equal(await page.locator("#state-fault").textContent(), "");
      assert.equal(await page.locator("#state").getAttribute("aria-invalid"), null);
      await first.getByRole("textbox", { name: "Name" }).fill("refund");
      await page.getByRole("textbox", { name: "Name" }).nth(2).focus();
      await fault(["name", "Another question has this name."]);
      await first.getByRole("textbox", { name: "Name" }).fill("");
      await fault(["name", "Give the question a name, by which its answer is called."]);
      await page.keyboard.type("team.of");
      await first.getByRole("textbox", { name: "Option 2", exact: true }).fill("shipping");
      await fault(["Option 3", "Another option has this name."]);
      await page.keyboard.press("Control+A");
      await page.keyboard.press("Delete");
      await fault(["Option 3", "Write something here, or remove it."]);
      for (const option of [3, 2]) await first.getByRole("button", { name: `Remove option ${option}` }).click();
      // What the package refuses.
      await fault(["Option 1", "This has 1; a choice has 2 to 256 options."]);
      await first.getByRole("button", { name: "Remove option 1" }).click();
      await page.keyboard.press("Control+Enter");
      await page.locator(".fault", { hasText: "This has 0" }).waitFor();
      assert.equal(await page.locator("#answers-status").textContent(), "Stopped by an error after 0 of 3 questions.");
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "Add an option");
      await page.getByRole("button", { name: "Remove question 1" }).click();
      await page.getByRole("button", { name: "Remove question 1" }).click();
      await question(page, 1).getByRole("textbox", { name: "Question" }).fill("");
      await fault(["instructions", "The question is missing, and criteria describes neither answer."]);
      await page.getByRole("button", { name: "Remove question 1" }).click();
      await page.keyboard.press("Control+Enter");
      assert.equal(await page.locator("#questions-fault").textContent(), "Add a question.");
      assert.equal(await page.evaluate(() => document.activeElement.id), "add-question");
      await page.keyboard.press("Enter");
      assert.equal(await page.locator("#questions-fault").textContent(), "");
    }));

  test("deciding shows how far it is, and Stop and Escape end it", () =>
    open("?stay=1&hold=4#decide", async (page) => {
      await page.locator("#decide-go").press("Enter");
      await page.locator("#decision-status", { hasText: "still on its way" }).waitFor();
      await page.evaluate(() => globalThis.fakeLoadsGoOn());
      await ready(page);
      for (const stop of [
        () => page.getByRole("button", { name: "Stop" }).click(),
        () => page.keyboard.press("Escape"),
      ]) {
        await page.keyboard.press("Control+Enter");
        await page.locator("#deciding-detail", { hasText: "4 of 8 options scored" }).waitFor();
        const bar = page.getByRole("progressbar", { name: "Options scored" });
        assert.equal(await bar.evaluate((/** @type {HTMLProgressElement} */ { position }) => position), 0.5);
        assert.equal(await page.locator("#decide-go").getAttribute("aria-disabled"), "true");
        await stop();
        await page.locator("#answers-status", { hasText: "Stopped after 1 of 3 questions." }).waitFor();
        assert.deepEqual(Object.keys(await sharesOn(page)), ["team"], "what was finished stays");
        await page.waitForFunction(() => document.activeElement.id === "decide-go");
        assert.equal(await page.locator("#decide-go").getAttribute("aria-disabled"), "false");
      }
    }));

  test("a model that cannot decide says so, and other errors can be tried again", async () => {
    await open("?labels=red,green#decide", async (page) => {
      await ready(page);
      await page.keyboard.press("Control+Enter");
      const said = page.locator("#decide-error code");
      await said.waitFor();
      assert.match(
        await said.textContent(),
        /^input: model: has the labels red, green; decisions need a model with one output/,
      );
    });
    await open("?fail=out-of-memory&at=decide&times=1#decide", async (page) => {
      await ready(page);
      await page.keyboard.press("Control+Enter");
      await page.locator("#decide-error h3", { hasText: "memory is full" }).waitFor();
      await page.locator("#decide-error").getByRole("button", { name: "Try again" }).click();
      await decided(page);
      await page.getByRole("button", { name: "Change model" }).click();
      await page.getByLabel("Hub id").fill("some/model");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Download and load" }).click();
      await ready(page, "some/model");
      assert.equal(await page.locator("#answers-stale").textContent(), "The model has changed since these answers.");
      assert.match(await page.locator("#code").textContent(), /await Scorer\.load\("some\/model"\);/);
    });
  });

  for (const colorScheme of /** @type {const} */ (["light", "dark"]))
    test(`both tabs fit 320 px and pass the checks of axe, ${colorScheme}`, () =>
      open(
        "",
        async (page) => {
          await ready(page);
          await page.locator("#rank").click();
          await page.locator("#copy").waitFor();
          await page.locator(".explain").first().click();
          await page.locator(".unit").first().waitFor();
          await checkAccess(page);
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
          await page.getByRole("tab", { name: "Decide" }).click();
          await page.locator("#state").fill("w".repeat(300));
          await question(page, 1).getByRole("textbox", { name: "Option 1", exact: true }).fill("w".repeat(300));
          await page.keyboard.press("Control+Enter");
          await decided(page);
          await question(page, 3).getByRole("textbox", { name: "Name" }).fill("");
          await page.keyboard.press("Control+Enter");
          await page.locator(".fault", { hasText: "Give the question a name" }).waitFor();
          await checkAccess(page);
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
        },
        { viewport: { width: 320, height: 640 }, colorScheme },
      ));
});

describe("worked examples on the built page", { skip: noBrowser || (site ? false : "CAPPY_SITE is not set") }, () => {
  const open = setUp([
    // The page and the copied code give the same bits only on one device.
    ...onCpu(site ?? ""),
    // In the place of the package's own model.
    ["cappy-web/model/", here("../../models/cappy-mini")],
    ["", site ?? ""],
  ]);

  test("each example answers, an added option counts, and the copied code gives the same", { timeout: 240_000 }, () =>
    open(
      "#decide",
      async (page) => {
        await page.locator("#facts-line", { hasText: "parameters" }).waitFor({ timeout: 60_000 });
        for (const { name, questions } of decisionExamples) {
          await page.locator("#decision-examples").selectOption(name);
          await page.keyboard.press("Control+Enter");
          await page.locator("#answers-stale").waitFor({ state: "hidden" });
          await decided(page);
          const shares = await sharesOn(page);
          assert.deepEqual(
            Object.keys(shares),
            questions.map((each) => each.name),
            name,
          );
          for (const [asked, each] of Object.entries(shares))
            assert.ok(Math.abs(sum(each) - 1) < 1e-6, `${name}, ${asked}`);
        }

        await page.locator("#decision-examples").selectOption(decisionExamples[0].name);
        await question(page, 1).getByRole("button", { name: "Add an option" }).click();
        await page.keyboard.type("sales");
        await page.keyboard.press("Control+Enter");
        await page.locator("#answers-stale").waitFor({ state: "hidden" });
        await decided(page);
        const shares = await sharesOn(page);
        assert.deepEqual(Object.keys(shares.team), ["billing", "technical support", "shipping", "sales"]);
        assert.ok(Math.abs(sum(shares.team) - 1) < 1e-6);

        await page.getByRole("button", { name: "Copy", exact: true }).click();
        await page.locator("#code-status", { hasText: "Copied." }).waitFor();
        const code = await page.evaluate(() => navigator.clipboard.readText());
        await page.route("**/copied.js", (route) =>
          route.fulfill({
            contentType: "text/javascript",
            body: `${code.replace('"cappy-web"', '"./cappy-web/index.js"')}export { answers, truncated };`,
          }),
        );
        const { answers, truncated } = await page.evaluate(async () => {
          const log = console.log;
          const logged = [];
          console.log = (what) => logged.push(what);
          const { answers, truncated } = await import(new URL("copied.js", location.href).href);
          console.log = log;
          return { answers: logged[0] === answers ? answers : "not logged", truncated };
        });
        assert.equal(truncated, 0);
        assert.deepEqual(answers.team.probabilities, shares.team);
        assert.deepEqual(Object.values(answers.urgency.probabilities), Object.values(shares.urgency));
        assert.equal(answers.refund.probability, shares.refund.yes);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ),
  );

  test("the docs that the page links to are there, and pass the checks of axe", () =>
    open(
      "decisions.html",
      async (page) => {
        await page.getByRole("heading", { name: "Decisions" }).waitFor();
        await checkAccess(page);
        await page.goto(new URL("explanations.html", page.url()).href);
        await page.getByRole("heading", { name: "Explanations" }).waitFor();
        await checkAccess(page);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
        await page.getByRole("link", { name: "cappy" }).click();
        await page.locator("#panel-rank").waitFor();
      },
      { viewport: { width: 320, height: 640 } },
    ));
});
