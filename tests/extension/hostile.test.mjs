// Pages that mean no good, or are just too large, in real Chromium with cappy-mini.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { badges, inBadges, listenIn, noteSays, openFixture, pageTime, ranked, tell } from "./fixtures/open.mjs";
import { openChromium, sleep, unchanging, until } from "./harness.mjs";

/** The longest that a page may stand still for the content script's sake, in ms. Slow machines of two cores are meant. */
const LONGEST = 400;

/**
 * Tries up to three times whether a page stands still for too long: something else that the machine does may stop it for
 * as long once, and what the content script does takes its time in every try.
 */
async function notTooLong(what, longestOf) {
  const all = [];
  while (all.length < 3 && !(all.at(-1) < LONGEST)) all.push(await longestOf());
  assert.ok(all.at(-1) < LONGEST, `the page stood still for ${all.join(", ")} ms ${what}`);
}

let host, engine;
let visits = 0;

before(async () => {
  host = await openChromium();
  await host.useMini();
  await host.grant(["https://chatgpt.com/*"]);
  const client = await host.openClient();
  await client.evaluate(() => client.score("Is it up?", ["yes"], { onScored() {} }));
  engine = await listenIn(host);
});
after(() => host?.close());

/** Opens a page for the length of a test. */
async function open(t, name = "hostile.html") {
  const page = await openFixture(host, `https://chatgpt.com/c/${(visits += 1)}`, name);
  t.after(() => page.close());
  await until(() => tell(host, page, "report").catch(() => undefined), { what: "the content script" });
  await engine.asked();
  return page;
}

test("markup and scripts in answers count as text, and hidden text does not", async (t) => {
  const page = await open(t);
  await page.evaluate(() => fixture.markup());
  const found = await ranked(page, 2);
  assert.equal(found[0].best, true);
  const asked = await engine.asked();
  assert.equal(asked[0], "dog");
  assert.match(asked[1], /^<script>pwned = 2<\/script><img src=x/);
  await tell(host, page, "focus-badge");
  await page.keyboard.press("Enter");
  await noteSays(page, /^Rank 1 of 2, the best/);
  assert.deepEqual(await inBadges(page, (root) => root.querySelectorAll("img, script, a, iframe").length), 0);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
});

test("of 10,000 answers the newest are ranked and the others counted, and nothing hangs", async (t) => {
  for (const [each, expected] of /** @type {[number, object][]} */ ([
    [2, { prompts: 5000, answers: 10_000, ranked: 128, left: 9744 }],
    [10_000, { prompts: 1, answers: 10_000, ranked: 1, left: 9936 }],
    [1, { prompts: 10_000, answers: 10_000, ranked: 0, left: 8976 }],
  ])) {
    await notTooLong(`with ${each} answers to a prompt`, () => longestOf(each, expected));
  }

  /** How long a page with 10,000 answers stands still, of which so many each are to one prompt. */
  async function longestOf(each, expected) {
    const page = await open(t);
    await page.bringToFront();
    await page.evaluate((each) => fixture.many(10_000, each), each);
    // Building and laying out the page is its own affair.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await page.evaluate(() => {
      fixture.rest();
      document.querySelector(".scroller").scrollTop = 1e9;
    });
    await until(async () => (await tell(host, page, "report")).answers === 10_000, {
      what: "the answers to be counted",
    });
    const report = await tell(host, page, "report");
    assert.deepEqual(report, { adapter: "chatgpt", ...expected, problem: "" });
    if (each > 1)
      await until(async () => (await badges(page)).some(({ rank }) => rank), { what: "a ranking", ms: 30_000 });
    // During the ranking something changes all the time.
    await page.evaluate(async () => {
      for (let count = 0; count < 20; count += 1) {
        fixture.say("assistant", `One more: ${count}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
    return page.evaluate(() => fixture.longest());
  }
});

test("answers of a megabyte are read as far as a model reads", async (t) => {
  await notTooLong("with answers of a megabyte", () => longestOfHuge(t));
});

/** How long a page with answers of a megabyte stands still. */
async function longestOfHuge(t) {
  const page = await open(t);
  await page.evaluate(() => fixture.huge());
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await page.evaluate(() => fixture.rest());
  await until(async () => (await tell(host, page, "report")).ranked === 1, { what: "a ranking" });
  const asked = await engine.sent(2);
  assert.deepEqual(
    asked.map(({ length }) => length <= 20_000),
    asked.map(() => true),
  );
  assert.ok(asked[0].startsWith("dog dog dog") && asked[1].startsWith("cow moo cow moo"));
  await sleep(1500);
  assert.equal((await tell(host, page, "report")).problem, "");
  return page.evaluate(() => fixture.longest());
}

test("an answer that changes for ever is scored now and then, and its badge says so", async (t) => {
  const page = await open(t);
  await page.evaluate(() => fixture.restless());
  const began = performance.now();
  await until(async () => / so far/.test((await badges(page))[1]?.said), { what: "a score of what does not change" });
  // Long before the other answer is scored, which is after ten seconds of the page.
  await pageTime(page, Math.max(6000 - (performance.now() - began), 0));
  const early = await badges(page);
  assert.deepEqual(
    early.map(({ said }) => said.replace(/-?\d+\.\d+/, "0")),
    ["One of 2 answers, not scored yet", "Rank 1 of 2 so far, score 0"],
  );
  assert.deepEqual(await engine.asked(), ["dog"]);
  const found = await until(
    async () => {
      const all = await badges(page);
      return all[0]?.rank === 2 && all;
    },
    { what: "a score of what changes" },
  );
  assert.deepEqual(
    found.map(({ changing }) => changing),
    [true, false],
  );
  await sleep(3000);
  assert.equal((await engine.asked()).length, 1, "at most every ten seconds");
  assert.ok((await page.evaluate(() => fixture.longest())) < LONGEST);
});

test("a page that speaks in the extension's name is not heard", async (t) => {
  const page = await open(t);
  await page.evaluate(() => {
    fixture.say("user", "Name the animal that barks.");
    fixture.say("assistant", "cow");
    fixture.say("assistant", "dog");
  });
  await ranked(page, 2);
  // A badge is in its place with a later frame.
  await unchanging(async () => JSON.stringify(await badges(page)));
  const before = await badges(page);
  assert.deepEqual((await engine.asked()).toSorted(), ["cow", "dog"]);
  await page.evaluate(() => fixture.forge());
  await sleep(1500);
  assert.deepEqual(
    (await badges(page)).map(({ said, x, y, width }) => ({ said, x, y, width })),
    before.map(({ said, x, y, width }) => ({ said, x, y, width })),
  );
  assert.deepEqual(await engine.asked(), []);
  assert.equal(await page.evaluate(() => window.reached), undefined);
  assert.equal(await page.evaluate(() => document.querySelector("html > [data-cappy]").shadowRoot), null);
  assert.equal(
    await page.evaluate(() => document.querySelector("html > [data-cappy]").localName.includes("-")),
    false,
    "a page is handed the shadow roots of elements that it may define",
  );
});

test("a page that keeps removing the badges wins in the end, and nothing hangs", async (t) => {
  const page = await open(t);
  await page.evaluate(() => {
    fixture.say("user", "Name the animal that barks.");
    fixture.say("assistant", "cow");
    fixture.say("assistant", "dog");
  });
  await ranked(page, 2);
  await page.evaluate(() => {
    fixture.times = fixture.evict();
  });
  for (let count = 0; count < 12; count += 1) {
    await page.evaluate((count) => fixture.say("assistant", `cat number ${count}`), count);
    await sleep(300);
  }
  const times = await page.evaluate(() => fixture.times());
  assert.ok(times > 0 && times <= 8, `thrown out ${times} times`);
});

test("under the strictest policy badges look as they should", async (t) => {
  const page = await open(t, "csp.html");
  const found = await ranked(page, 2);
  assert.deepEqual(
    found.map(({ best, height }) => [best, height]),
    [
      [false, 20],
      [true, 20],
    ],
  );
  const look = await inBadges(page, (root) => {
    const style = getComputedStyle(root.querySelector(".best"));
    return [getComputedStyle(root.querySelector(".spot")).position, style.backgroundColor, style.borderRadius];
  });
  assert.deepEqual(look, ["fixed", "rgb(10, 106, 88)", "10px"]);
  await tell(host, page, "focus-badge");
  await page.keyboard.press("Enter");
  await noteSays(page, /^Rank 2 of 2/);
  assert.deepEqual(host.complaints, []);
});
