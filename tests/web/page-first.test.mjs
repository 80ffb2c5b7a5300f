/**
 * What a stranger meets on the demo page: the first example is ranked without a click, unless that would cost a person
 * money; a guess comes before the model's; what is there can be copied. On a fake of the package (fake-cappy.mjs).
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 * CAPPY_SITE   the built site's folder; without it the built page is skipped
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { examples } from "../../www/examples.js";
import { quiz } from "../../www/quiz.js";
import { checkAccess, layoutShift, noBrowser, ranked, ready, setUp, texts, write } from "./demo-page.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const site = process.env.CAPPY_SITE;
const noSite = !site ? "CAPPY_SITE is not set" : false;
const CLIPBOARD = { permissions: ["clipboard-read", "clipboard-write"] };
const clipboard = (page) => page.evaluate(() => navigator.clipboard.readText());
const loads = (page) => page.evaluate(() => globalThis.fakeLoads?.length ?? 0);

describe("the page as a stranger meets it", { skip: noBrowser }, () => {
  const open = setUp([
    ["cappy-web/index.js", here("fake-cappy.mjs")],
    ["order.js", here("../../target/modules/order.js")],
    ["", here("../../www")],
  ]);

  test("the first example is ranked when the page opens, with its time and what computed it, and nothing moves", () =>
    open("", async (page) => {
      await ranked(page);
      assert.deepEqual((await texts(page)).toSorted(), examples[0].candidates.toSorted());
      assert.match(
        await page.locator("#proof").textContent(),
        /^Just now, here: 4 answers ranked in \d.* m?s on the processor, in software \(slow\)\.$/,
      );
      assert.match(await page.locator("#speed-here").textContent(), /^\d.* answers a second, on the processor/);
      assert.deepEqual(await page.evaluate(() => [scrollY, document.activeElement.tagName]), [0, "BODY"]);

      // What a person wrote is theirs to rank.
      await write(page, "Mine?", ["[0.5] a", "[0.7] b"]);
      await page.reload();
      // A ranking of the page's own would begin in the very turn in which the model comes.
      await ready(page);
      assert.equal(await page.locator("#running").isVisible(), false);
      assert.equal(await page.locator(".result").count(), 0);
      assert.equal(await page.locator("#ranking-empty").isVisible(), true);
    }));

  test("a ranking that a person asks for takes the place of the one that the page began by itself", () =>
    open("?hold=2", async (page) => {
      await page.locator("#running-detail", { hasText: "2 of 4 scored" }).waitFor();
      await write(page, "Which?", ["[0.1] a", "[0.9] b"]);
      await page.locator("#rank").click();
      await ranked(page);
      assert.deepEqual(await texts(page), ["[0.9] b", "[0.1] a"]);
      assert.match(await page.locator("#ranking-status").textContent(), /^2 candidates in /);
      // The former one has ended: a model that is still at work is not disposed of.
      await page.getByRole("button", { name: "Change model" }).click();
      await page.getByRole("button", { name: "Load cappy-small" }).click();
      await page.waitForFunction(() => globalThis.fakeDisposed === 1);
      assert.equal(await page.locator(".result").count(), 2, "the former one adds nothing any more");
    }));

  test("without a model the page says that nothing is ranked yet", () =>
    open("?fail=network&times=1", async (page) => {
      await page.locator("#proof", { hasText: "no model is loaded" }).waitFor();
      assert.equal(await page.locator("#ranking-empty").isVisible(), true);
    }));

  for (const [name, connection, asks] of /** @type {[string, object, boolean][]} */ ([
    ["a browser that saves data", { saveData: true, effectiveType: "4g" }, true],
    ["a slow connection", { saveData: false, effectiveType: "3g" }, true],
    ["a fast connection", { saveData: false, effectiveType: "4g" }, false],
  ])) {
    test(`${name} ${asks ? "is asked before the model is downloaded" : "is not asked"}`, () =>
      open("", async (page) => {
        await page.addInitScript((value) => {
          Object.defineProperty(navigator, "connection", { value });
        }, connection);
        await page.reload();
        if (!asks) {
          await ranked(page);
          assert.equal(await page.locator("#metered").isVisible(), false);
          return;
        }
        await page.getByText("so it was not downloaded").waitFor();
        await checkAccess(page);
        assert.equal(await loads(page), 0, "nothing is downloaded unasked");
        await page.getByRole("button", { name: "Download it" }).click();
        await ranked(page);
        assert.equal(await loads(page), 1, "it was downloaded once, when it was asked for");
        assert.equal(await page.locator("#model-about").isVisible(), true);
        // A model that is there costs nothing more.
        await page.evaluate(async () => {
          const cache = await caches.open("a test");
          await cache.put(new URL("cappy-web/model/model.safetensors", document.baseURI), new Response("x"));
        });
        await page.reload();
        await ranked(page);
        assert.equal(await loads(page), 1);
      }));
  }

  test("a person guesses first and sees then what is right, what the model says, and who is ahead", () =>
    open("", async (page) => {
      const answers = page.locator("#guess-answers button");
      const said = page.locator("#guess-said");
      // The fake takes the longest text for the best.
      const models = ({ candidates }) => candidates.indexOf(candidates.toSorted((a, b) => b.length - a.length)[0]);
      let yours = 0;
      let its = 0;
      for (const [at, asked] of quiz.slice(0, 3).entries()) {
        assert.equal(await page.locator("#guess-question").textContent(), asked.instruction);
        assert.deepEqual(await answers.allTextContents(), asked.candidates, "nothing is told before the guess");
        const guess = at === 1 ? (asked.best + 1) % asked.candidates.length : asked.best;
        if (at === 0) await ready(page);
        await answers.nth(guess).focus();
        await page.keyboard.press("Enter");
        await page.locator("#guess-next").waitFor();
        assert.match(await answers.nth(asked.best).textContent(), /right.* · \d\.\d\d$/);
        assert.match(await answers.nth(guess).textContent(), /you/);
        assert.match(await answers.nth(models(asked)).textContent(), /the model/);
        if (guess === asked.best) yours += 1;
        if (models(asked) === asked.best) its += 1;
        assert.equal(
          await page.locator("#guess-tally").textContent(),
          `You: ${yours} of ${at + 1}. The model: ${its} of ${at + 1}.`,
        );
        if (at === 1) assert.match(await said.textContent(), /^Both wrong\.$|^The model is right this time\.$/);
        // A second guess at the same question does not count: the model is not asked again, which it would be at once.
        await answers.nth(0).press("Enter");
        assert.equal(await page.evaluate(() => globalThis.fakeRanked), at + 1);
        assert.match(await page.locator("#guess-tally").textContent(), new RegExp(`of ${at + 1}\\. The`));
        if (at === 0) await checkAccess(page);
        await page.locator("#guess-next").press("Enter");
        assert.equal(await page.evaluate(() => document.activeElement.textContent), quiz[at + 1].candidates[0]);
      }
    }));

  test("code can be copied: of the ranking on the page, and of each section", () =>
    open(
      "",
      async (page) => {
        await ready(page);
        await write(page, 'Say "hi"?', ["[0.1] a", "", "[0.7] b"]);
        await page.locator("#rank").click();
        await page.locator("#copy-ranking-code").click();
        await page.locator("#ranking-status", { hasText: "Copied the code that does this." }).waitFor();
        const code = await clipboard(page);
        assert.match(code, /^import \{ Scorer \} from "cappy-web";\n\nconst scorer = await Scorer\.load\(\);\n/);
        assert.ok(code.includes('await scorer.rank("Say \\"hi\\"?", [\n  "[0.1] a",\n  "[0.7] b",\n]);'), code);
        for (const name of ["rank", "decide", "explain", "teach"]) {
          await page.getByRole("button", { name: `Copy the code: ${name}` }).click();
          await page.waitForFunction(
            async (id) =>
              (await navigator.clipboard.readText()).trim() === document.querySelector(id).textContent.trim(),
            `#code-${name}`,
          );
          const lines = (await clipboard(page)).split("\n").filter((line) => line !== "");
          assert.ok(lines.length <= 7, `${name}: six lines of code beside the import`);
        }
      },
      CLIPBOARD,
    ));

  test("what the browser does not let the page copy is shown, to be copied by hand", () =>
    open("", async (page) => {
      await page.addInitScript(() => {
        Object.defineProperty(navigator, "clipboard", { value: { writeText: () => Promise.reject(new Error("no")) } });
      });
      await page.reload();
      await ranked(page);
      await page.locator("#copy").click();
      const area = page.getByRole("textbox", { name: "4 candidates as JSON" });
      await area.waitFor();
      assert.equal(JSON.parse(await area.inputValue()).length, 4);
      await page.getByRole("button", { name: "Copy link" }).click();
      assert.match(await page.getByRole("textbox", { name: "Link to this task" }).inputValue(), /#task=1\./);
    }));

  test("the sections lead to what they speak of", () =>
    open("", async (page) => {
      await ranked(page);
      const focus = () => page.evaluate(() => document.activeElement.id || document.activeElement.className);
      await page.getByRole("button", { name: "Try it: explain" }).click();
      assert.equal(await focus(), "explain");
      await page.getByRole("button", { name: "Try it: decide" }).click();
      assert.deepEqual([await focus(), await page.locator("#panel-decide").isVisible()], ["decide-go", true]);
      // A place on the page is none of the tabs, and leaves them as they are.
      await page.getByRole("link", { name: "Quality" }).click();
      assert.equal(await page.locator("#panel-decide").isVisible(), true);
      await page.getByRole("button", { name: "Try it: rank" }).click();
      assert.deepEqual([await focus(), await page.locator("#panel-rank").isVisible()], ["instruction", true]);
    }));
});

describe("the built page on a fake of the package", { skip: noBrowser || noSite }, () => {
  const open = setUp([
    ["cappy-web/index.js", here("fake-cappy.mjs")],
    ["", site ?? ""],
  ]);

  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    test(`the built page fits 320 px, passes the checks of axe and does not shift, ${colorScheme}`, () =>
      open(
        "?step=20&pace=50",
        async (page) => {
          await ranked(page);
          const shift = await layoutShift(page);
          assert.ok(shift < 0.05, `layout shift ${shift}`);
          await page.locator("#guess-answers button").first().click();
          await page.locator("#guess-next").waitFor();
          await page.getByRole("button", { name: "Explain candidate 1" }).click();
          await page.locator(".explanation-status", { hasText: "word" }).waitFor();
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
          await checkAccess(page);
        },
        { viewport: { width: 320, height: 640 }, colorScheme },
      ));
  }

  test("the built page can be installed, by the browser's own measure", () =>
    open("", async (page, context) => {
      const { installabilityErrors } = await (await context.newCDPSession(page)).send("Page.getInstallabilityErrors");
      // Windows of tests are private ones, in which nothing is installed.
      const errors = installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito");
      assert.deepEqual(errors, []);
      const { data } = await (await context.newCDPSession(page)).send("Page.getAppManifest");
      assert.equal(JSON.parse(data).name, "cappy");
    }));
});
