// Badges on fixture pages of every site, in real Chromium with cappy-mini.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { bundleText } from "../../extension/build.mjs";
import {
  badges,
  fixtureFile,
  inBadges,
  listenIn,
  note,
  noteSays,
  openFixture,
  pageTime,
  ranked,
  tell,
  unfinished,
} from "./fixtures/open.mjs";
import { BARKS, BREAD, PAGES } from "./fixtures/pages.mjs";
import { openChromium, sleep, unchanging, until } from "./harness.mjs";
import { MINI } from "./mini.mjs";

const { SITES } = await import(`data:text/javascript,${encodeURIComponent(await bundleText("sites/index.ts"))}`);
const HOSTS = [
  ...SITES.flatMap(({ matches }) => matches),
  // Where people host what they use themselves.
  "http://chat.home.lan/*",
  "http://127.0.0.1/*",
];

let host, client, engine;

before(async () => {
  host = await openChromium({ colorScheme: "light" });
  await host.useMini();
  await host.grant(HOSTS);
  client = await host.openClient();
  await scores("Is it up?", ["yes"]);
  engine = await listenIn(host);
});
after(() => host?.close());

/** What the engine itself says, to compare badges with. */
function scores(instruction, answers) {
  return client.evaluate(
    async ([instruction, answers]) => {
      const all = [];
      await client.score(instruction, answers, {
        onScored: (first, scores) =>
          scores.forEach((one, at) => {
            all[first + at] = one.score;
          }),
      });
      return all;
    },
    [instruction, answers],
  );
}

/** Opens a fixture for the length of a test. */
async function open(t, url, name, size) {
  const page = await openFixture(host, url, name, size);
  t.after(() => page.close());
  return page;
}

/** Where the badges in sight are, as text. */
const where = async (page) => JSON.stringify((await badges(page)).map(({ x, y }) => [x, y]));

const byBest = (found) => found.map(({ rank, best }) => (best ? "best" : rank));

for (const [url, name, prompts] of /** @type {[string, string, [string, string[], number][]][]} */ (PAGES)) {
  test(`badges on ${url} have the scores of the engine and mark the best`, async (t) => {
    const page = await open(t, url, name);
    if (url.startsWith("https://example.org/")) await inject(page);
    const found = await ranked(page, prompts.flatMap(([, answers]) => answers).length);
    for (const [prompt, answers, best] of prompts) {
      const own = found.splice(0, answers.length);
      const expected = await scores(prompt, answers);
      assert.deepEqual(
        own.map(({ score }) => score.toFixed(2)),
        expected.map((score) => score.toFixed(2).replace(/^-0\.00$/, "0.00")),
      );
      assert.deepEqual(
        own.map(({ rank }) => rank),
        expected.map((score) => 1 + expected.filter((other) => other > score).length),
      );
      assert.deepEqual(
        own.map(({ best }) => best),
        expected.map((_, index) => index === best),
      );
      const { score, said, shows } = own[best];
      assert.equal(said, `Rank 1 of ${answers.length}, score ${score.toFixed(2)}, the best`);
      assert.equal(shows, `★#1${score.toFixed(2)}`);
    }
  });
}

test("on ChatGPT steps and a result are one answer, not two to choose from", async (t) => {
  const page = await open(t, "https://chatgpt.com/c/3", "chatgpt.html");
  await page.evaluate(() => {
    fixture.prompt("What is two and two?");
    fixture.answer("I am going to count.", "It is four.");
  });
  await ranked(page, 2);
  const { answers, ranked: groups } = await tell(host, page, "report");
  assert.deepEqual([answers, groups], [4, 1]);
});

test("answers that a list removes from the document and adds again keep their scores", async (t) => {
  const page = await open(t, "https://gemini.google.com/app/1", "gemini.html");
  const first = await ranked(page, 2);
  assert.deepEqual(byBest(first), [2, "best"]);
  await page.evaluate(() => fixture.scrollTo(1));
  await until(async () => byBest(await badges(page)).join() === "best,2", { what: "the comparison" });
  await engine.asked();
  await page.evaluate(() => fixture.scrollTo(0));
  // Without settling anew, which badges would say. Until the next look at the page the old badges stand.
  const said = (all) => all.map(({ said }) => said).join("; ");
  const seen = [];
  await until(async () => seen.push(said(await badges(page))) && seen.at(-1) === said(first), {
    what: `the badges "${said(first)}"`,
  });
  for (const each of seen) assert.doesNotMatch(each, /not scored yet|changing/);
  await sleep(1700);
  assert.deepEqual(await engine.asked(), [], "nothing is scored twice");
});

/** Runs the content script in a page for which the user has pressed the toolbar's button. */
async function inject(page) {
  await page.bringToFront();
  const { targetInfo } = await (await page.context().newCDPSession(page)).send("Target.getTargetInfo");
  const { targetInfos } = await host.browser.send("Target.getTargets", { filter: [{}] });
  const tab = targetInfos.find(({ type, url }) => type === "tab" && url === targetInfo.url);
  await host.browser.send("Extensions.triggerAction", { id: host.id, targetId: tab.targetId });
  await host.worker(async () => {
    const [tab] = await chrome.tabs.query({ active: true, lastFocusedWindow: true });
    await chrome.scripting.executeScript({ target: { tabId: tab.id }, files: ["content.js"] });
  });
}

test("answers are ranked when they do not change any more, and only then", async (t) => {
  const page = await open(t, "https://chatgpt.com/c/4", "chatgpt.html");
  await ranked(page, 2);
  await engine.asked();
  // Here no time counts but that of the page: how often the badge was looked at depends on how busy the machine is.
  let written = false;
  const done = page
    .evaluate((prompt) => fixture.streamPair(prompt, ["A cow says moo and does not bark", "dog"], 220), BARKS)
    .finally(() => (written = true));
  const during = [];
  while (!written) {
    const all = await badges(page);
    if (all.length === 4 && !written) during.push(`${all[2].said}: ${all[2].shows}`);
  }
  await done;
  assert.deepEqual([...new Set(during)], ["One of 2 answers, not scored yet: …"]);
  const found = await ranked(page, 4);
  assert.deepEqual(byBest(found.slice(2)), [2, "best"]);
  assert.deepEqual((await engine.asked()).toSorted(), ["A cow says moo and does not bark", "dog"], "each is sent once");
  await until(async () => /2 answers ranked. Answer 2 is the best/.test(await spoken(page)), {
    what: "the words for a screen reader",
  });
  await page.evaluate((prompt) => {
    fixture.prompt(prompt);
    fixture.pair("It says woof.", "It says woof.");
    document.querySelector(".scroller").scrollTop = 1e6;
  }, "What does a dog say?");
  await until(async () => (await badges(page)).filter(({ best }) => best).length === 4, {
    what: "a shared first place",
  });
  assert.deepEqual(await engine.asked(), ["It says woof."], "equal answers are sent once");
});

const spoken = (page) => inBadges(page, (root) => root.querySelector("[role=status]").textContent);

test("an answer that is edited is scored again", async (t) => {
  const page = await open(t, "https://claude.ai/chat/2", "claude.html");
  await ranked(page, 2);
  await engine.asked();
  await page.evaluate(() => fixture.edit(0, "A baker bakes bread. Bakers bake it in our town."));
  await until(async () => (await badges(page))[0]?.changing, { what: "a badge that says so" });
  const edited = await ranked(page, 2);
  const expected = await scores(BREAD, ["A baker bakes bread. Bakers bake it in our town.", "A baker bakes bread."]);
  assert.deepEqual(
    edited.map(({ score }) => score.toFixed(2)),
    expected.map((score) => score.toFixed(2)),
  );
  assert.deepEqual(
    await engine.asked(),
    ["A baker bakes bread. Bakers bake it in our town."],
    "only what is new is sent",
  );
  await page.evaluate(() => fixture.edit(0, "A baker bakes bread."));
  await until(async () => byBest(await badges(page)).join() === "best,best", { what: "a shared first place" });
  assert.deepEqual(await engine.asked(), []);
});

test("regenerated answers that were seen before stay in the ranking", async (t) => {
  const page = await open(t, "https://chatgpt.com/c/5", "chatgpt.html");
  await page.evaluate((prompt) => {
    fixture.prompt(prompt);
    fixture.show = fixture.pager(["cow", "dog", "duck"]);
  }, BARKS);
  const only = async (of, rank) =>
    until(
      async () => {
        const all = await badges(page);
        return all.length === 3 && all[2].of === of && all[2].rank === rank && !/so far/.test(all[2].said) && all[2];
      },
      { what: `rank ${rank} of ${of}` },
    );
  await ranked(page, 2);
  // Nothing shows when an answer that has no badge has settled.
  await pageTime(page, 4000);
  assert.equal((await badges(page)).length, 2, "one answer alone has no badge");
  await page.evaluate(() => fixture.show(1));
  assert.equal((await only(2, 1)).best, true);
  await page.evaluate(() => fixture.show(2));
  const [cow, , duck] = await scores(BARKS, ["cow", "dog", "duck"]);
  assert.equal((await only(3, duck > cow ? 2 : 3)).best, false);
  await engine.asked();
  await page.evaluate(() => fixture.show(1));
  assert.equal((await only(3, 1)).best, true);
  assert.deepEqual(await engine.asked(), []);
});

test("ChatGPT's keys: another answer in the same place is not an edit, and one that only gets its own id is not another", async (t) => {
  const page = await open(t, "https://chatgpt.com/c/20?layout=keys", "chatgpt.html");
  await ranked(page, 2);
  await page.evaluate((prompt) => {
    fixture.prompt(prompt);
    fixture.answer("cow");
    document.querySelector(".scroller").scrollTop = 1e6;
  }, BARKS);
  await pageTime(page, 4000);
  await page.evaluate(() => fixture.regenerate("dog"));
  await until(
    async () => {
      const last = (await badges(page)).at(-1);
      return last?.of === 2 && last.best;
    },
    { what: "the answer before to stay in the ranking" },
  );

  const list = await open(t, "https://chatgpt.com/c/21?layout=list", "chatgpt.html");
  await ranked(list, 2);
  await engine.asked();
  // More slowly than answers settle: an incomplete answer is not scored, and does not stay as an answer of its own.
  await list.evaluate((prompt) => fixture.streamItem(prompt, "dog dog dog", 2000), BARKS);
  await sleep(2500);
  const { answers, ranked: groups } = await tell(host, list, "report");
  assert.deepEqual([answers, groups], [3, 1]);
  assert.deepEqual(await engine.asked(), []);
});

test("on Claude a retried answer is not an edit of the one before", async (t) => {
  const page = await open(t, "https://claude.ai/chat/20", "claude.html");
  await ranked(page, 2);
  const groups = async () => (await tell(host, page, "report")).ranked;
  await pageTime(page, 4000);
  assert.equal(await groups(), 1);
  await page.evaluate(() => fixture.retry(2, "42"));
  await until(async () => (await groups()) === 2, { what: "both answers to count" });
});

test("on Gemini a prompt that is being changed is not read", async (t) => {
  const page = await open(t, "https://gemini.google.com/app/20", "gemini.html");
  await page.evaluate(() => fixture.scrollTo(1));
  await until(async () => (await badges(page)).filter(({ rank }) => rank).length === 2, { what: "the comparison" });
  await engine.asked();
  await page.evaluate(() => fixture.editPrompt("What is the capital of Spain?"));
  await until(async () => (await badges(page)).length === 0, { what: "its badges to hide" });
  await sleep(2000);
  assert.deepEqual(await engine.asked(), []);
});

test("on LibreChat another version of an answer is not an edit, and an unfinished answer is not scored", async (t) => {
  const page = await open(t, "http://127.0.0.1:3080/c/2", "librechat.html");
  await ranked(page, 2);
  await page.evaluate((prompt) => {
    fixture.prompt(prompt);
    fixture.answer("cow");
    document.querySelector(".scroller").scrollTop = 1e6;
  }, BARKS);
  await pageTime(page, 4000);
  await page.evaluate(() => fixture.turnTo("another", "dog"));
  await until(
    async () => {
      const all = await badges(page);
      return all.length === 3 && all[2].of === 2 && all[2].best;
    },
    { what: "the answer before to stay in the ranking" },
  );
  await engine.asked();
  await unfinished(page, "What does a dog say?", ["It says woof.", "It says moo."]);
  await pageTime(page, 4000);
  assert.deepEqual(await engine.asked(), [], "not before the mark goes");
  await page.evaluate(() => fixture.finish());
  assert.equal((await engine.sent(2)).length, 2);
});

test("on LMArena the header of a block of code is not read, and its code is", async (t) => {
  const page = await open(t, "https://arena.ai/c/20", "lmarena.html");
  await ranked(page, 4);
  await engine.asked();
  await page.evaluate(() => fixture.battle("Write one line.", ["Here:", "print(1)"], ["So:", "print(2)"]));
  await until(() => tell(host, page, "report").then(({ ranked }) => ranked === 3), { what: "the battle" });
  assert.deepEqual(await engine.sent(2), ["Here:\nprint(1)", "So:\nprint(2)"]);
});

test("on LMArena no answer is finished as long as the site shows that one is being written", async (t) => {
  const page = await open(t, "https://arena.ai/c/21", "lmarena.html");
  await ranked(page, 4);
  await engine.asked();
  await page.evaluate((prompt) => {
    document.body.append(make("button", { "aria-label": "Stop generation" }, "■"));
    fixture.battle(prompt, "It says woof.", "It says moo.");
  }, "What does a dog say?");
  await sleep(3500);
  assert.deepEqual(await engine.asked(), []);
  await page.evaluate(() => document.querySelector("[aria-label='Stop generation']").remove());
  assert.equal((await engine.sent(2)).length, 2);
});

test("on Open WebUI columns that are buttons keep their badges, also when they are drawn again", async (t) => {
  const page = await open(t, "http://chat.home.lan:8080/c/2", "openwebui.html");
  await ranked(page, 2);
  // A badge whose words have changed is put in its place in a later frame.
  await unchanging(() => where(page));
  const before = await badges(page);
  const corners = await page.evaluate(() =>
    [...document.querySelectorAll(".columns .words")].slice(-2).map((words) => {
      const { right, top } = words.getBoundingClientRect();
      return { right, top };
    }),
  );
  for (const [at, { right, y, height }] of before.entries()) {
    assert.ok(Math.abs(right - corners[at].right) < 2, "at the right end of its column");
    assert.ok(Math.abs(y + height - corners[at].top) <= 4, "above the words, not on them");
  }
  await engine.asked();
  await page.evaluate(() => fixture.redraw());
  await sleep(2500);
  assert.deepEqual(
    (await ranked(page, 2)).map(({ said }) => said),
    before.map(({ said }) => said),
  );
  assert.deepEqual(await engine.asked(), [], "known words are not scored again");
  await unfinished(page, BARKS, ["dog", "cow"]);
  await pageTime(page, 4000);
  assert.deepEqual(await engine.asked(), [], "not before the buttons come");
  await page.evaluate(() => fixture.finish());
  assert.equal((await engine.sent(2)).length, 2);
});

test("a page that is empty at first is recognised when it has content", async (t) => {
  const page = await open(t, "http://chat.home.lan/c/3", {
    body: "<!doctype html><title>Loading</title><main></main>",
  });
  await until(
    () =>
      tell(host, page, "report").then(
        ({ adapter }) => adapter === "generic",
        () => false,
      ),
    { what: "the content script" },
  );
  await page.setContent((await fixtureFile("openwebui.html")).replace("<!doctype html>", ""));
  await ranked(page, 2);
  assert.equal((await tell(host, page, "report")).adapter, "openwebui");
});

test("the badges of a host are removed when its permission is withdrawn", async (t) => {
  await host.grant(["http://notes.home.lan/*"]);
  const page = await open(t, "http://notes.home.lan:3000/c/1", "openwebui.html");
  const other = await open(t, "http://chat.home.lan:3000/c/4", "openwebui.html");
  await until(async () => (await other.locator("[data-cappy]").count()) === 1, { what: "badges of the other host" });
  await page.bringToFront();
  await ranked(page, 2);
  await host.revoke(["http://notes.home.lan/*"]);
  await until(async () => (await page.locator("[data-cappy]").count()) === 0, { what: "badges to vanish" });
  assert.equal(await other.locator("[data-cappy]").count(), 1);
});

test("colours follow the page, whatever the browser prefers", async (t) => {
  const page = await open(t, "https://arena.ai/c/2", "lmarena.html");
  assert.deepEqual(
    (await ranked(page, 4)).map(({ dark }) => dark),
    [false, false, false, false],
  );
  await page.emulateMedia({ colorScheme: "dark" });
  await sleep(300);
  assert.equal((await badges(page))[0].dark, false);
  await page.evaluate(() => fixture.setDark(true));
  const all = async (wanted) => {
    const found = await badges(page);
    return found.length === 4 && found.every(({ dark }) => dark === wanted);
  };
  await until(() => all(true), { what: "dark badges" });
  await page.emulateMedia({ colorScheme: "light" });
  await page.evaluate(() => fixture.setDark(false));
  await until(() => all(false), { what: "light badges" });
  // A page that paints nothing shows the browser's own canvas, and colours may be written in other ways.
  for (const [color, dark] of [
    ["oklch(0.2 0.02 200)", true],
    ["lab(95 0 0)", false],
    ["color(srgb 0.1 0.1 0.1)", true],
    ["rgb(255 255 255 / 0.9)", false],
  ]) {
    await page.evaluate((color) => {
      document.body.style.background = color;
      for (const card of document.querySelectorAll(".card")) card.style.background = color;
    }, color);
    await until(() => all(dark), { what: `${color}` });
  }
});

test("badges can be used by keyboard alone", async (t) => {
  const page = await open(t, "https://chatgpt.com/c/6", "chatgpt.html");
  await ranked(page, 2);
  await page.evaluate(() => {
    window.keys = [];
    addEventListener("keydown", ({ key }) => keys.push(key));
  });
  await tell(host, page, "focus-badge");
  assert.deepEqual(
    (await badges(page)).map(({ focused }) => focused),
    [true, false],
  );
  await page.keyboard.press("Enter");
  await noteSays(page, /^Rank 2 of 2\n[^]*Score -?0\.\d{4}[^]*, f32, on .*[^]*Go to the best answer/);
  await page.keyboard.press("Escape");
  assert.equal(await note(page), undefined);
  assert.deepEqual(
    (await badges(page)).map(({ focused }) => focused),
    [true, false],
    "the focus is given back",
  );
  await page.keyboard.press("Space");
  // The first control of the note leads to the best answer.
  await page.keyboard.press("Enter");
  await until(async () => (await badges(page))[1].focused, { what: "the focus on the best" });
  assert.equal(await note(page), undefined);
  await tell(host, page, "focus-badge");
  assert.deepEqual(
    (await badges(page)).map(({ focused }) => focused),
    [true, false],
    "after the last comes the first",
  );
  await page.keyboard.press("Tab");
  assert.deepEqual(
    (await badges(page)).map(({ focused }) => focused),
    [false, true],
  );
  assert.deepEqual(await page.evaluate(() => keys), [], "the page does not hear keys that are pressed on badges");
});

test("badges move with their answers and hide with them", async (t) => {
  const page = await open(t, "https://arena.ai/c/3", "lmarena.html");
  await ranked(page, 4);
  await unchanging(() => where(page));
  const before = await badges(page);
  await page.evaluate(() => {
    document.querySelector(".scroller").scrollTop = 0;
    document.querySelector("ol").style.paddingTop = "60px";
  });
  await until(async () => (await badges(page))[0]?.y === before[0].y + 44, { what: "badges further down" });
  await page.evaluate(() =>
    document.body.append(make("div", { id: "dialog", style: "position: fixed; inset: 0 50% 0 0; background: gray" })),
  );
  await until(async () => (await badges(page)).length === 2, { what: "badges of covered answers to hide" });
  await page.evaluate(() => document.querySelector("#dialog").remove());
  await until(async () => (await badges(page)).length === 4, { what: "badges to come back" });
  // On a phone the second card is beside the screen.
  await page.setViewportSize({ width: 375, height: 700 });
  await until(async () => (await badges(page)).length === 2, { what: "badges of cards in sight" });
  await page.evaluate(() => {
    document.querySelectorAll(".cards")[1].scrollLeft = 1000;
  });
  await until(async () => (await badges(page))[0]?.rank === 2, { what: "the badge of the other card" });
  for (const { x, right } of await badges(page)) assert.ok(x >= 0 && right <= 375);
});

test("nothing of the page is changed, and after badges are switched off nothing is left", async (t) => {
  const shot = (page) =>
    page.evaluate(() => {
      const copy = document.documentElement.cloneNode(true);
      const ours = copy.querySelectorAll("[data-cappy]").length;
      for (const element of copy.querySelectorAll("[data-cappy]")) element.remove();
      return { ours, html: copy.outerHTML, focus: document.activeElement.tagName };
    });
  t.after(() => host.settings({ on: true, sitesOff: [] }));
  await host.settings({ on: false });
  const page = await open(t, "https://chatgpt.com/c/7", "chatgpt.html");
  await sleep(500);
  const untouched = await shot(page);
  assert.equal(untouched.ours, 0);
  await until(async () => (await engine.ports()) === 0, { what: "the ports of closed pages to close" });
  await host.settings({ on: true });
  await ranked(page, 2);
  assert.equal(await engine.ports(), 1);
  const during = await shot(page);
  assert.deepEqual(during, { ...untouched, ours: 1 });
  await host.settings({ sitesOff: ["chatgpt"] });
  await until(async () => (await shot(page)).ours === 0, { what: "badges to vanish" });
  assert.deepEqual(await shot(page), untouched);
  await until(async () => (await engine.ports()) === 0, { what: "the port to close" });
  // Changes are not watched any more.
  await page.evaluate(() => {
    fixture.prompt("Again?");
    fixture.pair("yes", "no");
  });
  await sleep(1500);
  assert.equal((await shot(page)).ours, 0);
  await host.settings({ sitesOff: [] });
  await ranked(page, 4);
});

test("the badge style applies at once", async (t) => {
  const page = await open(t, "https://chatgpt.com/c/8", "chatgpt.html");
  t.after(() => host.settings({ badge: "full" }));
  await ranked(page, 2);
  await host.settings({ badge: "rank" });
  await until(async () => (await badges(page)).map(({ shows }) => shows).join() === "#2,★#1", { what: "ranks alone" });
  await host.settings({ badge: "best" });
  await until(async () => (await badges(page)).map(({ shows }) => shows).join() === "★Best", {
    what: "the best alone",
  });
  await host.settings({ badge: "full" });
  await ranked(page, 2);
});

test("a second injection changes nothing", async (t) => {
  const page = await open(t, "https://chatgpt.com/c/9", "chatgpt.html");
  await ranked(page, 2);
  await page.evaluate(() => {
    document.querySelector("[data-cappy]").first = true;
  });
  await host.worker(async (url) => {
    const [tab] = await chrome.tabs.query({ url });
    await chrome.scripting.executeScript({ target: { tabId: tab.id }, files: ["content.js"] });
  }, page.url());
  await page.evaluate(() => {
    fixture.prompt("Is water wet?");
    fixture.pair("yes", "no");
  });
  await ranked(page, 4);
  assert.deepEqual(
    await page.evaluate(() => [...document.querySelectorAll("[data-cappy]")].map(({ first }) => first)),
    [true],
  );
});

test("a failure is shown, and can be tried again", async (t) => {
  const page = await open(t, "https://chatgpt.com/c/10", "chatgpt.html");
  t.after(() => host.settings({ model: MINI }));
  await ranked(page, 2);
  await host.settings({ model: { kind: "url", url: "http://127.0.0.1:9/no-model/" } });
  const isFailed = ({ shows, said }) => shows === "!" && said === "The answers could not be ranked";
  await until(async () => (await badges(page)).map(isFailed).join() === "true,true", { what: "badges that say so" });
  await tell(host, page, "focus-badge");
  await page.keyboard.press("Enter");
  await noteSays(page, /could not be ranked\n[^]*\S+[^]*Try again/);
  assert.notEqual((await tell(host, page, "report")).problem, "");
  await host.settings({ model: MINI });
  await ranked(page, 2);
});

test("a download shows its progress in badges", async () => {
  const code = await bundleText("content/views.ts");
  const words = await bundleText("content/words.ts");
  const { viewsOf } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  const { pieces, sentence } = await import(`data:text/javascript,${encodeURIComponent(words)}`);
  const state = { phase: "download", model: "large", bytes: 42_900, total: 100_000 };
  const [view] = viewsOf([{ changing: false }, { changing: false }], state, "");
  assert.deepEqual(view, { kind: "loading", phase: "download", percent: 42 });
  assert.equal(sentence(view), "Downloading the model, 42%");
  assert.deepEqual(pieces(view, "full"), [["dots", "Model 42%"]]);
  const rated = [0.2, 0.9, undefined].map((score) => ({ score: score && { score, truncated: 0 }, changing: false }));
  assert.deepEqual(viewsOf(rated, state, "").map(sentence), [
    "Rank 2 of 3 so far, score 0.20",
    "Rank 1 of 3 so far, score 0.90",
    "Downloading the model, 42%",
  ]);
});

test("when the extension is updated its old badges are removed", async (t) => {
  const page = await open(t, "https://chatgpt.com/c/11", "chatgpt.html");
  await ranked(page, 2);
  assert.deepEqual(host.complaints, []);
  await host.worker(() => {
    setTimeout(() => chrome.runtime.reload(), 50);
  });
  await until(async () => (await page.locator("[data-cappy]").count()) === 0, { what: "badges to vanish" });
});
