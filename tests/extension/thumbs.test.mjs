// Thumbs in real Chromium: none while learning is off, and what they keep while it is on.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { bundleText } from "../../extension/build.mjs";
import { badges, inBadges, openFixture, ranked as rankedBadges, tell } from "./fixtures/open.mjs";
import { sleep, unchanging, until } from "./harness.mjs";
import { ANSWERS, button, choose, noBrowser, QUESTION, ranked, setUp, write } from "./pages.mjs";

const EGG = "How do I boil an egg for breakfast?";
const NOON = "The train leaves at noon.";
const EIGHT = "Put the egg into boiling water and wait about eight minutes.";

/** The thumbs in sight beside badges, from the top and then from the left: which is pressed, and where they are. */
async function thumbs(page) {
  const all = await inBadges(page, (root) =>
    [...root.querySelectorAll(".thumbs")]
      .filter((each) => each.checkVisibility())
      .map((each) => {
        const [up, down] = [...each.children].map((thumb) => {
          const { x, y, width, height } = thumb.getBoundingClientRect();
          return {
            x: x + width / 2,
            y: y + height / 2,
            said: thumb.ariaLabel,
            pressed: thumb.ariaPressed === "true",
            focused: root.activeElement === thumb,
          };
        });
        return { up, down, role: each.role, name: each.ariaLabel, refused: /^Not counted/.test(each.title) };
      }),
  );
  const sorted = (all ?? []).sort((a, b) => a.up.y - b.up.y || a.up.x - b.up.x);
  return sorted.map((each, number) => ({
    ...each,
    up: { ...each.up, place: [number, "up"] },
    down: { ...each.down, place: [number, "down"] },
  }));
}

const opinions = (found) =>
  found
    .map(({ up, down }) => [up.pressed, down.pressed])
    .map(([up, down]) => (up ? "up" : down ? "down" : "-"))
    .join();

describe("thumbs", { skip: noBrowser }, () => {
  const pages = setUp();
  let visits = 0;

  /** A chat with one group of two answers, ranked. */
  async function chat(t, path = String((visits += 1))) {
    await pages.host.grant(["https://chatgpt.com/*"]);
    const page = await openFixture(pages.host, `https://chatgpt.com/c/${path}`, "chatgpt.html");
    t.after(() => page.close());
    await rankedBadges(page, 2);
    return page;
  }

  const withThumbs = (page, count = 2) =>
    until(
      async () => {
        const found = await thumbs(page);
        return found.length === count && found;
      },
      { what: `${count} pairs of thumbs` },
    );
  const show = (page, wanted) =>
    until(async () => opinions(await thumbs(page)) === wanted, { what: `thumbs ${wanted}` });
  /** Where all thumbs in sight are, and which are pressed, as text. */
  const places = async (page) => JSON.stringify(await thumbs(page));
  /**
   * Does what presses a thumb, no sooner than a person could who sees it, and again where it did not count because a
   * busy browser had not found out yet that the thumb is in sight.
   */
  const counted = (page, number, act) =>
    until(
      async () => {
        await sleep(600);
        await act();
        return !(await thumbs(page))[number].refused;
      },
      { what: "the press to count" },
    );
  /** Presses a thumb once all stand still. */
  const press = async (page, { place: [number, way] }) => {
    await unchanging(() => places(page));
    const { x, y } = (await thumbs(page))[number][way];
    await page.mouse.move(x, y);
    await counted(page, number, () => page.mouse.click(x, y));
  };

  /** The lessons as they are exported in the options. */
  async function lessons() {
    let found;
    await pages.options(
      async (page) => {
        const [file] = await Promise.all([page.waitForEvent("download"), button(page, "Export as JSON lines").click()]);
        assert.equal(file.suggestedFilename(), "cappy-lessons.jsonl");
        found = (await readFile(await file.path(), "utf8"))
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line));
      },
      { stay: true },
    );
    return found;
  }

  /** Waits until these are the lessons: a thumb shows that it was pressed before the background has stored it. */
  async function learns(wanted) {
    let found;
    await until(async () => isDeepStrictEqual((found = await lessons()), wanted)).catch(() => {});
    assert.deepEqual(found, wanted);
  }

  const reset = (settings = {}) => pages.reset(settings);
  const databases = () =>
    pages.inPage(async () =>
      (await indexedDB.databases()).map(({ name }) => name).filter((name) => name !== "cappy-kept"),
    );

  test("there are no thumbs while learning is off, and nothing is stored", async (t) => {
    await reset();
    const page = await chat(t);
    await sleep(500);
    assert.equal(await inBadges(page, (root) => root.querySelectorAll(".thumb, .thumbs").length), 0);
    await pages.panel(async (panel) => {
      await write(panel, QUESTION, ANSWERS.slice(0, 2));
      await button(panel, "Rank").click();
      await ranked(panel);
      assert.equal(await panel.locator(".thumb").count(), 0);
      assert.equal(await panel.locator("#learning").isVisible(), false);
      const asked = await panel.evaluate(() =>
        Promise.all(
          [
            { type: "opinion", instruction: "q", answer: "a", liked: true },
            { type: "opinions", instruction: "q", answers: ["a"] },
          ].map((message) => chrome.runtime.sendMessage({ v: 1, to: "background", ...message })),
        ),
      );
      assert.deepEqual(asked, Array(2).fill({ ok: false, message: "Learning is switched off" }));
    });
    await pages.options(
      async (options) => {
        // By then the page has read what is stored.
        await options.locator("#stored", { hasText: /Lessons from your thumbs\s*none/ }).waitFor();
        assert.equal(await options.getByRole("switch", { name: "Learn from my choices" }).isChecked(), false);
        assert.match(
          await options.locator("#learn-help").innerText(),
          /stays in this browser[^]*1,000 thumbs and 2 MB[^]*until you delete it/,
        );
        assert.equal(await button(options, "Teach").isVisible(), false);
        assert.equal(await options.locator("#lessons-part").isVisible(), false);
      },
      { stay: true },
    );
    assert.deepEqual(await databases(), []);
  });

  test("thumbs beside badges store the user's opinion, also one that changes, over a reload of the page", async (t) => {
    await reset();
    const page = await chat(t, "thumbs");
    await pages.options(
      async (options) => {
        await choose(options.getByLabel("Learn from my choices"));
        await options.getByText("No lessons yet.").waitFor();
        assert.equal(await button(options, "Teach").getAttribute("aria-disabled"), "true");
      },
      { stay: true },
    );
    await page.bringToFront();
    const [noon, eight] = await withThumbs(page);
    assert.deepEqual(
      [noon.role, noon.name, noon.up.said, noon.down.said],
      ["group", "Teach Cappy", "Good answer", "Bad answer"],
    );
    assert.equal(opinions([noon, eight]), "-,-");
    for (const { x, right } of await badges(page)) assert.ok(x >= 0 && right <= 1000);

    await press(page, eight.up);
    await show(page, "-,up");
    await learns([{ instruction: EGG, response: EIGHT, label: 1 }]);
    await page.bringToFront();
    await press(page, noon.down);
    await show(page, "down,up");
    await learns([{ instruction: EGG, chosen: [EIGHT], rejected: [NOON] }]);
    await page.bringToFront();
    await page.reload();
    await rankedBadges(page, 2);
    await show(page, "down,up");

    const [first, second] = await withThumbs(page);
    await press(page, second.down);
    await show(page, "down,down");
    await press(page, first.up);
    await show(page, "up,down");
    await learns([{ instruction: EGG, chosen: [NOON], rejected: [EIGHT] }]);
    await page.bringToFront();
    await press(page, first.up);
    await show(page, "-,down");
    await learns([{ instruction: EGG, response: EIGHT, label: 0 }]);

    // Switched off, thumbs disappear, and what was stored stays.
    await pages.host.settings({ learn: false });
    await until(async () => (await thumbs(page)).length === 0, { what: "no thumbs" });
    await learns([{ instruction: EGG, response: EIGHT, label: 0 }]);
    await pages.host.settings({ learn: true });
    await page.bringToFront();
    await show(page, "-,down");
  });

  test("thumbs beside badges can be used by keyboard, and a page cannot press them", async (t) => {
    await reset({ learn: true });
    const page = await chat(t);
    await withThumbs(page);
    await page.bringToFront();
    await unchanging(() => places(page));
    await tell(pages.host, page, "focus-badge");
    await page.keyboard.press("Tab");
    assert.equal((await thumbs(page))[0].up.focused, true);
    await page.keyboard.press("Tab");
    await counted(page, 0, () => page.keyboard.press("Space"));
    await show(page, "down,-");
    assert.equal((await thumbs(page))[0].down.focused, true, "the focus stays");
    await tell(pages.host, page, "focus-badge");
    assert.deepEqual(
      (await badges(page)).map(({ focused }) => focused),
      [false, true],
      "the next badge",
    );
    await page.keyboard.press("Tab");
    await counted(page, 1, () => page.keyboard.press("Enter"));
    await show(page, "down,up");
    // A click that a script makes up.
    await inBadges(page, (root) => {
      for (const thumb of root.querySelectorAll(".thumb"))
        thumb.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    });
    await sleep(300);
    assert.equal(opinions(await thumbs(page)), "down,up");
  });

  test("thumbs in the side panel show and change the same opinions", async (t) => {
    await reset({ learn: true });
    const page = await chat(t);
    await pages.panel(
      async (panel) => {
        await write(panel, EGG, [NOON, EIGHT]);
        await button(panel, "Rank").click();
        await ranked(panel);
        const best = panel.locator(".result.best");
        const good = best.getByRole("button", { name: "Good answer" });
        const bad = panel.getByRole("button", { name: "Bad answer" });
        await until(async () => (await bad.count()) === 2, { what: "thumbs beside both results" });
        await good.click();
        await until(async () => (await good.getAttribute("aria-pressed")) === "true");
        await panel
          .getByRole("group", { name: "Teach Cappy" })
          .last()
          .getByRole("button", { name: "Bad answer" })
          .focus();
        await panel.keyboard.press("Enter");
        await panel.getByText("1 lesson to learn from.").waitFor();
        // The first thumb alone makes one lesson, too, and the page asks only once for both.
        const liked = () =>
          panel.evaluate(async (message) => (await chrome.runtime.sendMessage(message)).liked, {
            v: 1,
            to: "background",
            type: "opinions",
            instruction: EGG,
            answers: [NOON, EIGHT],
          });
        await until(async () => isDeepStrictEqual(await liked(), [false, true]), { what: "both thumbs to be stored" });
        await page.bringToFront();
        // The page looks again when it comes into sight.
        await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
        await show(page, "down,up");
        await press(page, (await thumbs(page))[1].up);
        await show(page, "down,-");
        await until(async () => (await good.getAttribute("aria-pressed")) === "false", { what: "the panel to follow" });
        await pages.host.settings({ learn: false });
        await until(async () => (await panel.locator(".thumb").count()) === 0);
        await panel.locator("#learning").waitFor({ state: "hidden" });
      },
      { stay: true },
    );
  });

  test("lessons of thumbs are listed in the options, and deleted one by one, all together, and with everything else", async () => {
    await reset({ learn: true });
    // One after the other, because lessons are listed in the order in which they were stored.
    const keep = (many) =>
      pages.inPage(async (many) => {
        const said = [];
        for (const [instruction, answer, liked] of many) {
          const message = { v: 1, to: "background", type: "opinion", instruction, answer, liked };
          said.push(await chrome.runtime.sendMessage(message));
        }
        return said;
      }, many);
    const many = Array.from({ length: 7 }, (_, at) => [`Question ${at}`, `<b>answer</b> ${at}`, at % 2 === 0]);
    assert.deepEqual(await keep([...many, ["Question 6", "worse", false]]), Array(8).fill({ ok: true }));
    await pages.options(
      async (page) => {
        const rows = page.locator(".lesson");
        await page.getByRole("heading", { name: "7 lessons" }).waitFor();
        assert.deepEqual(
          (await rows.allInnerTexts()).map((text) => text.split("\n")[0]),
          [6, 5, 4, 3, 2].map((at) => `Question ${at}`),
          "the newest first",
        );
        assert.match(await rows.first().innerText(), /Liked: <b>answer<\/b> 6\s+Not liked: worse/);
        await button(page, "Show 7").click();
        await until(async () => (await rows.count()) === 7);
        await page.locator("#stored", { hasText: /Lessons from your thumbs\s*7/ }).waitFor();
        await button(page, "Delete lesson 2").click();
        await page.getByRole("heading", { name: "6 lessons" }).waitFor();
        await page.getByText("Deleted the lesson.").waitFor();
        assert.ok(!(await rows.allInnerTexts()).some((text) => text.includes("Question 5")));
        const all = button(page, "Delete all lessons and what was learned");
        await all.click();
        await button(page, "Keep them").click();
        assert.equal(await rows.count(), 6);
        await all.click();
        await button(page, "Delete them").click();
        await page.getByText("Deleted all lessons, and all that was learned from them.").waitFor();
        await until(async () => !(await page.locator("#lessons-part").isVisible()));
      },
      { stay: true },
    );
    assert.deepEqual(await databases(), []);

    await keep(many);
    await pages.options(
      async (page) => {
        await page.getByRole("heading", { name: "7 lessons" }).waitFor();
        await button(page, "Delete everything").click();
        const dialog = page.getByRole("dialog", { name: "Delete everything?" });
        assert.match(await dialog.innerText(), /7 lessons/);
        await button(dialog, "Delete everything").click();
        await page.locator("#deleted", { hasText: /7 lessons.+Nothing is stored any more/ }).waitFor();
      },
      { stay: true },
    );
    assert.deepEqual(await databases(), []);
    assert.deepEqual(await pages.stored(), {});
  });

  test("thumbs store nothing of private windows", async (t) => {
    await reset({ learn: true });
    const code = await bundleText("background/opinions.ts", { format: "iife", name: "background" });
    const page = await pages.host.openPage();
    t.after(() => page.close());
    await page.evaluate(`${code}; globalThis.background = background;`);
    const say = (tab) =>
      page.evaluate(
        (tab) =>
          background.opinion(
            { type: "opinion", instruction: "q", answer: "a", liked: true },
            { id: chrome.runtime.id, url: "https://chatgpt.com/c/1", frameId: 0, tab },
          ),
        { active: true, ...tab },
      );
    assert.deepEqual(await say({ incognito: true }), { ok: false, message: "Nothing is kept of private windows" });
    assert.deepEqual(await databases(), []);
    assert.deepEqual(await say({ incognito: false }), { ok: true });
    assert.deepEqual(await databases(), ["cappy-choices"]);
  });

  test("the number of stored thumbs is limited, and messages about them are checked", async () => {
    await reset({ learn: true });
    const said = await pages.inPage(async () => {
      const message = { v: 1, to: "background", type: "opinion", instruction: "q", answer: "a", liked: true };
      const say = (change) =>
        Promise.race([
          chrome.runtime.sendMessage({ ...message, ...change }).catch(() => "nobody"),
          new Promise((resolve) => setTimeout(resolve, 1000, "silence")),
        ]);
      const wrong = [
        { liked: 1 },
        { liked: undefined },
        { answer: "x".repeat(20_001) },
        { instruction: 3 },
        { more: "x" },
        { v: 2 },
        { type: "opinions" },
        { type: "opinions", answer: undefined, liked: undefined, answers: [] },
        { type: "taught", taught: { model: "x", name: "../x" } },
      ];
      return Promise.all(wrong.map(say));
    });
    for (const answer of said)
      assert.ok(["nobody", "silence"].includes(answer) || answer === undefined, JSON.stringify(answer));
    assert.deepEqual(await databases(), []);

    await pages.inPage(async () => {
      for (let at = 0; at < 1005; at += 1) {
        await chrome.runtime.sendMessage({
          v: 1,
          to: "background",
          type: "opinion",
          instruction: `q ${at}`,
          answer: "a",
          liked: true,
        });
      }
    });
    const kept = await lessons();
    assert.deepEqual([kept.length, kept[0].instruction, kept.at(-1).instruction], [1000, "q 5", "q 1004"]);
  });
});
