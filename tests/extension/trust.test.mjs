// What content scripts and pages cannot do: read or change what is stored, forge thumbs, switch the script off.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { fixtureFile, inBadges, openFixture, ranked } from "./fixtures/open.mjs";
import { openChromium, sleep, unchanging, until } from "./harness.mjs";
import { MINI } from "./mini.mjs";
import { ANSWERS, button, QUESTION, ranked as rankedPanel, write } from "./pages.mjs";

let host;
let visits = 0;

before(async () => {
  host = await openChromium();
  await host.useMini();
  host.context.setDefaultTimeout(20_000);
  await host.grant(["https://chatgpt.com/*"]);
});
after(() => host?.close());

/** Opens a page with badges for the length of a test. */
/** @param {any} t @param {string | { body: string }} [body] */
async function open(t, body = "chatgpt.html") {
  const page = await openFixture(host, `https://chatgpt.com/c/${(visits += 1)}`, body);
  t.after(() => page.close());
  return page;
}

/** Runs a function where the content script of a page runs, as somebody would who has taken its process over. */
const inScript = (page, act, ...args) =>
  host.worker(
    `async (url, args) => {
  const [tab] = await chrome.tabs.query({ url });
  const [{ result }] = await chrome.scripting.executeScript({ target: { tabId: tab.id }, func: ${act}, args });
  return result;
}`,
    page.url(),
    args,
  );

const say = (page, messages) =>
  inScript(
    page,
    (messages) =>
      Promise.all(messages.map((message) => chrome.runtime.sendMessage({ v: 1, to: "background", ...message }))),
    messages,
  );

test("a content script cannot read or change what is stored", async (t) => {
  t.after(() => host.settings({ model: MINI, badge: "full" }));
  await host.settings({ model: { kind: "url", url: "http://127.0.0.1:9/secret/?token=hidden" }, badge: "rank" });
  const page = await open(t);
  assert.equal(await inScript(page, () => typeof chrome.storage), "undefined");
  const kept = await host.kept();
  const answers = await say(page, [
    ...["settings", "collection", "ranking", "decision"].map((name) => ({ type: "read-stored", name })),
    { type: "store", name: "settings", fields: { learn: true, model: { kind: "url", url: "https://example.org/" } } },
    { type: "delete-stored" },
    { type: "engine-settings" },
  ]);
  assert.deepEqual(answers, Array(7).fill({ ok: false, message: "Only pages of the extension may say that" }));
  assert.deepEqual(await host.kept(), kept);
  const [settings] = await say(page, [{ type: "page-settings" }]);
  assert.deepEqual(Object.keys(settings).toSorted(), ["badge", "learn", "on", "scoring", "sitesOff"]);
  assert.equal(settings.badge, "rank");
  assert.deepEqual(await say(page, [{ type: "ensure-engine" }]), [{ ok: true }]);
  // The engine says what it is at, and not what grants access to a model.
  const states = await inScript(
    page,
    () =>
      new Promise((resolve) => {
        const port = chrome.runtime.connect({ name: "cappy-engine-1" });
        const said = [];
        port.onMessage.addListener((message) => {
          said.push(message);
          if (message.type === "failed") resolve(said);
        });
        port.onDisconnect.addListener(() => resolve(["nobody listens"]));
        port.postMessage({ v: 1, type: "score", id: 1, instruction: "q", answers: ["a"] });
      }),
  );
  assert.match(JSON.stringify(states), /127\.0\.0\.1:9\/secret\//);
  assert.doesNotMatch(JSON.stringify(states), /hidden/);
  await host.settings({ model: MINI, badge: "full" });
  await ranked(page, 2);
});

test("no element of a page switches the content script off or misleads it", async (t) => {
  const text = await fixtureFile("chatgpt.html");
  const names = ["cappyContent", "cappy content script", "Symbol(cappy content script)"];
  const elements = names
    .map((name) => `<div id="${name}"></div><a name="${name}"></a><form name="${name}"></form>`)
    .join("");
  // Within a form each of these replaces the form's own member.
  const members = [
    "parentElement",
    "parentNode",
    "closest",
    "matches",
    "contains",
    "getAttribute",
    "querySelector",
    "firstChild",
    "nextSibling",
    "localName",
    "checkVisibility",
    "getBoundingClientRect",
  ];
  const inputs = members.map((name) => `<input name="${name}" type="hidden">`).join("");
  const page = await open(t, {
    body: text.replace("<main", () => `${elements}<form>${inputs}<main`).replace("</main>", "</main></form>"),
  });
  await ranked(page, 2);
  await page.evaluate((inputs) => {
    fixture.prompt("Name the animal that barks.");
    const [cow, dog] = fixture.pair("cow", "dog").querySelectorAll(".markdown");
    for (const answer of [cow, dog]) {
      const form = document.createElement("form");
      form.innerHTML = inputs;
      form.append(...answer.childNodes);
      answer.append(form);
    }
  }, inputs);
  const found = await ranked(page, 4);
  assert.deepEqual(
    found.slice(2).map(({ best }) => best),
    [false, true],
    "the words within a form are read",
  );
  // Injected once more, it finds itself.
  await page.evaluate(() => {
    document.querySelector("[data-cappy]").first = true;
  });
  await host.worker(async (url) => {
    const [tab] = await chrome.tabs.query({ url });
    await chrome.scripting.executeScript({ target: { tabId: tab.id }, files: ["content.js"] });
  }, page.url());
  await sleep(500);
  assert.deepEqual(
    await page.evaluate(() => [...document.querySelectorAll("html > [data-cappy]")].map(({ first }) => first)),
    [true],
  );
});

describe("forged thumbs", () => {
  before(() => host.settings({ learn: true }));
  after(() => host.settings({ learn: false }));
  const thumb = (answer = "a") => ({ type: "opinion", instruction: "forged", answer, liked: true });
  const whys = (answers) => [...new Set(answers.map(({ ok, message }) => message ?? ok))];

  test("forged thumbs are refused from a tab that is not in front, and where badges are switched off", async (t) => {
    t.after(() => host.settings({ sitesOff: [] }));
    const page = await open(t);
    await ranked(page, 2);
    const other = await open(t);
    await other.bringToFront();
    assert.deepEqual(whys(await say(page, [thumb()])), ["A thumb can be pressed only in the tab in front"]);
    await page.bringToFront();
    await host.settings({ sitesOff: ["chatgpt"] });
    assert.deepEqual(whys(await say(page, [thumb()])), ["Badges are switched off on this page"]);
    await host.settings({ sitesOff: [] });
    assert.deepEqual(whys(await say(page, [thumb()])), [true]);
  });

  test("forged thumbs are refused where they come faster than a person presses", async (t) => {
    const page = await open(t);
    await ranked(page, 2);
    await page.bringToFront();
    const answers = await say(
      page,
      Array.from({ length: 80 }, (_, at) => thumb(`number ${at}`)),
    );
    assert.ok(answers.filter(({ ok }) => ok).length <= 30);
    assert.deepEqual(whys(answers.filter(({ ok }) => !ok)), ["So many thumbs are not pressed within a minute"]);
    // Pages of the extension are not meant.
    const ours = await host.openPage();
    assert.deepEqual(
      await ours.evaluate(
        (message) => chrome.runtime.sendMessage({ v: 1, to: "background", ...message }),
        thumb("from the panel"),
      ),
      { ok: true },
    );
    await ours.close();
  });

  test("a click that a page lets fall through, or moves a thumb under, is not taken for a press of the thumb", async (t) => {
    const page = await open(t);
    await page.bringToFront();
    await ranked(page, 2);
    const first = () =>
      inBadges(page, (root) => {
        const thumbs = root.querySelector(".spot:not([hidden]) .thumbs");
        if (!thumbs) return undefined;
        const { x, y, width, height } = thumbs.firstElementChild.getBoundingClientRect();
        return {
          x: x + width / 2,
          y: y + height / 2,
          title: thumbs.title,
          pressed: thumbs.firstElementChild.ariaPressed,
        };
      });
    await until(first, { what: "thumbs" });
    await unchanging(async () => JSON.stringify(await first()));
    const { x, y } = await first();
    /** Clicks, and waits until the thumb says that it did not count; what it says of an earlier click is removed first. */
    const clickInVain = async () => {
      await inBadges(page, (root) => {
        root.querySelector(".spot:not([hidden]) .thumbs").title = "";
      });
      await page.mouse.click(x, y);
      await until(async () => /^Not counted/.test((await first()).title), { what: "the press not to count" });
      assert.equal((await first()).pressed, "false");
    };
    await page.mouse.move(x, y);
    await sleep(600);
    // It looks like a button of the page, and the press falls through to the thumb.
    await page.evaluate(() => {
      const cover = document.createElement("div");
      cover.id = "cover";
      cover.popover = "manual";
      cover.textContent = "Next page";
      cover.style.cssText =
        "position: fixed; inset: 0; width: 100%; height: 100%; pointer-events: none; background: white";
      document.body.append(cover);
      cover.showPopover();
    });
    // The browser looks for what lies over things now and then, and tells all who wait for it at about the same time.
    await page.evaluate(
      () =>
        new Promise((resolve) => {
          const covered = new IntersectionObserver(
            (entries) => entries.some((entry) => /** @type {any} */ (entry).isVisible === false) && resolve(undefined),
            /** @type {any} */ ({ trackVisibility: true, delay: 100 }),
          );
          for (const each of document.querySelectorAll(".words")) covered.observe(each);
        }),
    );
    await sleep(300);
    await clickInVain();
    await page.evaluate(() => document.querySelector("#cover").remove());
    await sleep(700);
    // The page moves the answer, and its thumbs, away and back under the pointer.
    await page.evaluate(() => {
      document.querySelector(".scroller").style.paddingTop = "60px";
    });
    await until(async () => (await first()).y > y + 20, { what: "the thumbs to follow" });
    // They move by a pixel until the click, so that the last move is recent on a slow machine, too.
    await page.evaluate(() => {
      const { style } = document.querySelector(".scroller");
      let moves = 0;
      fixture.moving = setInterval(() => {
        moves += 1;
        style.paddingTop = `${moves % 2}px`;
      }, 20);
    });
    await until(async () => Math.abs((await first()).y - y) <= 2, { what: "the thumbs to be back" });
    await clickInVain();
    await page.evaluate(() => {
      clearInterval(fixture.moving);
      document.querySelector(".scroller").style.paddingTop = "";
    });
    // What was forged before has used up this minute: the press is sent all the same, and only the background refuses it.
    const counts = async () => {
      await sleep(600);
      await page.mouse.click(x, y);
      return (await first()).title === "";
    };
    await until(counts, { what: "the press to count" });
  });
});

describe("a private window", () => {
  /** In Chrome the panel is the same page in all windows: what differs is the window that it is in. */
  const privately = [
    () => {
      const { getCurrent } = chrome.windows;
      chrome.windows.getCurrent = async () => ({ ...(await getCurrent()), id: 4711, incognito: true });
    },
  ];

  async function panel(t, { isPrivate = false } = {}) {
    const page = await host.context.newPage();
    t.after(() => page.close());
    if (isPrivate) await page.addInitScript(...privately);
    await page.goto(host.address("panel/panel.html"));
    return page;
  }

  /** As if the menu was used on a page of it. */
  const select = (menuItemId, selectionText) =>
    host.worker(
      `(menuItemId, selectionText) => {
    chrome.contextMenus.onClicked.dispatch({ menuItemId, selectionText }, { incognito: true, windowId: 4711 });
  }`,
      menuItemId,
      selectionText,
    );

  test("a private window has a panel that ranks and stores nothing", async (t) => {
    await host.forget();
    await host.useMini({ learn: true });
    const before = await host.kept();
    const page = await panel(t, { isPrivate: true });
    await page.getByText("This is a private window: nothing that you write, rank or decide here is stored.").waitFor();
    await write(page, QUESTION, ANSWERS);
    await button(page, "Rank").click();
    await rankedPanel(page);
    assert.equal(await page.locator(".thumb").count(), 0);
    await page.locator("#instruction").fill("something else");
    await page.locator("#instruction").blur();
    await sleep(600);
    await page.reload();
    await page.getByText("This is a private window").waitFor();
    assert.equal(await page.locator("#instruction").inputValue(), "");
    assert.deepEqual(await host.kept(), before);
    await host.forget();
  });

  test("a private window neither shows nor receives what is stored of other windows", async (t) => {
    await host.forget();
    const usual = await panel(t);
    await write(usual, QUESTION, ANSWERS);
    await until(async () => (await host.kept()).collection?.answers.length === 4, { what: "the answers to be kept" });
    const kept = await host.kept();
    const page = await panel(t, { isPrivate: true });
    await page.getByText("This is a private window").waitFor();
    await page.locator("#instruction").fill("private");
    await usual.locator("#instruction").fill("Another question");
    await until(async () => (await host.kept()).collection.instruction === "Another question", { what: "the change" });
    await sleep(500);
    assert.equal(await page.locator("#instruction").inputValue(), "private");
    assert.deepEqual((await host.kept()).collection.answers, kept.collection.answers);
    await host.forget();
  });

  test("a private window gives selected text to its own panel, and nothing of it is stored", async (t) => {
    await host.forget();
    await select("add-as-answer", "a secret");
    await until(async () => (await host.badge()) === "?", { what: "a question mark" });
    assert.match(await host.worker(() => chrome.action.getTitle({})), /private window[^]*Open the side panel first/);
    assert.deepEqual(await host.kept(), {});
    const usual = await panel(t);
    const page = await panel(t, { isPrivate: true });
    await page.getByText("This is a private window").waitFor();
    await select("use-as-instruction", "a secret question");
    await select("add-as-answer", "a secret");
    await select("ask-about", "a secret text");
    await page.getByLabel("Text", { exact: true }).waitFor();
    await until(async () => (await page.locator("#decide-text").inputValue()) === "a secret text");
    await page.getByRole("tab", { name: "Rank" }).click();
    await page.locator("#answers textarea").waitFor();
    assert.deepEqual(
      [await page.locator("#instruction").inputValue(), await page.locator("#answers textarea").inputValue()],
      ["a secret question", "a secret"],
    );
    assert.equal(await usual.locator("#answers textarea").count(), 0);
    assert.equal(await usual.locator("#decide-text").inputValue(), "");
    assert.deepEqual(await host.kept(), {});
  });
});
