// Chrome's background: one engine however often it is asked for, also after the service worker ended;
// who may send which messages; the toolbar, the menus, the keys; content scripts that follow permissions.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { serve } from "../web/loader/server.mjs";
import { openChromium, until } from "./harness.mjs";
import { MINI, MINI_NAME } from "./mini.mjs";
import { modelFiles } from "./model-server.mjs";

const ADDRESS = "https://chatgpt.com/c/1";
const PAGE = {
  body: `<!doctype html><meta charset="utf-8"><title>chat</title><p id="text">First line<br>Second line</p>`,
};

const CHATGPT = ["https://chatgpt.com/*"];

let host;
let page;
let site;
before(async () => {
  host = await openChromium();
  await host.useMini();
  page = await host.openClient();
  site = await host.openSite(ADDRESS, PAGE);
});
after(() => host?.close());
afterEach(() => assert.deepEqual(host.complaints.splice(0), []));

const ensure = (count) =>
  page.evaluate(
    (count) =>
      Promise.all(
        Array.from({ length: count }, () =>
          chrome.runtime.sendMessage({ v: 1, to: "background", type: "ensure-engine" }),
        ),
      ),
    count,
  );
const score = (answers) =>
  page.evaluate(async (answers) => {
    const scores = [];
    await client.score("Which animal barks?", answers, {
      onScored: (_, batch) => scores.push(...batch.map((one) => one.score)),
    });
    return scores;
  }, answers);

/** Runs a function as a content script of the page at `ADDRESS`; `world` may be that of the page itself. */
const inTab = (act, world = "ISOLATED") =>
  host.worker(
    `async (url, world) => {
  const [{ id }] = await chrome.tabs.query({ url });
  const [{ result, error }] = await chrome.scripting.executeScript({ target: { tabId: id }, world, func: ${act} });
  return result;
}`,
    `${ADDRESS}*`,
    world,
  );

/**
 * Presses a key of the extension, and returns the arguments of the calls of `api` that were made before
 * anything was waited for. Only those are obeyed, since they need a user's gesture. A debugger cannot make
 * one in a service worker, so they are only noted here, and said to be granted.
 */
const pressing = async (api, command) => {
  await host.worker(async (url) => ([globalThis.tab] = await chrome.tabs.query({ url })), `${ADDRESS}*`);
  return host.worker(
    (api, command) => {
      const [area, name] = api.split(".");
      const original = chrome[area][name];
      const calls = [];
      chrome[area][name] = async (asked) => {
        calls.push(asked);
        return true;
      };
      chrome.commands.onCommand.dispatch(command, globalThis.tab);
      chrome[area][name] = original;
      return calls;
    },
    api,
    command,
  );
};

describe("the engine's document", () => {
  test("there is one engine document, also when five ask for it at once", async () => {
    assert.equal(await host.offscreenCount(), 0);
    assert.deepEqual(await ensure(5), Array(5).fill({ ok: true }));
    assert.equal(await host.offscreenCount(), 1);
    assert.deepEqual(await ensure(2), Array(2).fill({ ok: true }));
    assert.equal(await host.offscreenCount(), 1);
  });

  test("the engine's document outlives the service worker, which may end before a ranking and during one", async () => {
    const [dog] = await score(["a dog"]);
    await host.killWorker();
    assert.deepEqual(await score(["a dog"]), [dog]);
    assert.equal(await host.workerCount(), 0, "a connected page needs no service worker");
    await page.evaluate(() => {
      globalThis.under = { done: 0 };
      under.work = client.score("Which animal barks?", Array(60).fill("a dog"), {
        onScored: (first, batch) => (under.done = first + batch.length),
      });
    });
    await until(() => page.evaluate(() => under.done > 0), { what: "a batch" });
    await host.killWorker();
    assert.equal(await page.evaluate(() => under.work.then(() => under.done)), 60);
    assert.deepEqual(await ensure(3), Array(3).fill({ ok: true }));
    assert.equal(await host.offscreenCount(), 1);
  });

  test("the engine's document is made again after it was closed, by a service worker that is started for it", async () => {
    await host.closeOffscreen();
    await host.killWorker();
    assert.equal((await score(["a dog"])).length, 1);
    assert.equal(await host.offscreenCount(), 1);
  });
});

test("the toolbar shows how far a model is loaded, and failures", async () => {
  const site = await serve({});
  site.cors = true;
  for (const [name, bytes] of Object.entries(await modelFiles())) site.files[`/m/${name}`] = bytes;
  try {
    site.slow = 100;
    await host.settings({ model: { kind: "url", url: `${site.url}/m/` } });
    const badge = await host.watchBadge();
    await page.evaluate(() => client.load());
    const seen = new Set(await badge.texts());
    const percents = [...seen].filter(Boolean);
    assert.ok(percents.length > 2, [...seen].join());
    for (const text of percents) assert.match(text, /^(100|\d\d?)%$/);
    await until(async () => (await host.badge()) === "", { what: "an empty badge" });

    await host.settings({ model: { kind: "url", url: `${site.url}/none/` } });
    await page.evaluate(() => client.load().catch(() => {}));
    await until(async () => (await host.badge()) === "!", { what: "an exclamation mark" });
    await host.settings({ model: MINI });
    await until(async () => (await host.badge()) === "", { what: "an empty badge" });
  } finally {
    site.close();
    await host.settings({ model: MINI });
  }
});

describe("content scripts", () => {
  const registered = () =>
    host.worker(async () => (await chrome.scripting?.getRegisteredContentScripts())?.map(({ id }) => id).sort());
  const is = (wanted) =>
    until(async () => JSON.stringify(await registered()) === JSON.stringify(wanted), { what: `${wanted}` });
  /** Whether a content script answers in the page. */
  const isThere = () =>
    host.worker(async (url) => {
      const [{ id }] = await chrome.tabs.query({ url });
      return chrome.tabs.sendMessage(id, { v: 1, to: "content", type: "report" }).then(
        (report) => report?.adapter === "chatgpt",
        () => false,
      );
    }, `${ADDRESS}*`);

  test("content scripts are registered where the user agreed, and run in pages that are open already", async () => {
    assert.ok(!(await registered())?.length, "nothing without permission");
    await host.grant([...CHATGPT, "https://claude.ai/*"]);
    await is(["site-chatgpt", "site-claude"]);
    await until(isThere, { what: "the content script in the open page" });
    await site.reload();
    await until(isThere, { what: "the content script after a reload" });
  });

  test("content scripts follow the settings, and leave pages", async (t) => {
    t.after(() => host.settings({ on: true, sitesOff: [] }));
    await host.settings({ sitesOff: ["chatgpt"] });
    await is(["site-claude"]);
    await until(async () => !(await isThere()), { what: "the content script to leave" });
    await host.settings({ sitesOff: [] });
    await is(["site-chatgpt", "site-claude"]);
    await until(isThere, { what: "the content script to come back" });
    await host.settings({ on: false });
    await is([]);
    await host.settings({ on: true });
    await is(["site-chatgpt", "site-claude"]);
  });

  test("content scripts end when the permission is withdrawn", async () => {
    await host.revoke(["https://claude.ai/*"]);
    await is(["site-chatgpt"]);
    await host.killWorker();
    await host.revoke(CHATGPT);
    await is([]);
    await host.grant(CHATGPT);
    await is(["site-chatgpt"]);
  });
});

describe("messages of content scripts", () => {
  before(() => host.grant(CHATGPT));

  /** What the engine answers to messages through one port, until it is quiet or cut. Where nobody listens, it is not cut. */
  const say = (...messages) =>
    inTab(`() => new Promise((resolve) => {
    const port = chrome.runtime.connect({ name: "cappy-engine-1" });
    const heard = [];
    let greeted = false;
    port.onMessage.addListener(({ type, state, code }) => {
      if (type === "state") greeted = true;
      else heard.push(code ?? type);
      if (type === "done") resolve(heard);
    });
    port.onDisconnect.addListener(() => resolve([...heard, greeted ? "cut" : "nobody listens"]));
    for (const message of ${JSON.stringify(messages)}) port.postMessage(message);
    setTimeout(() => resolve([...heard, "silence"]), 20000);
  })`);
  const fine = { v: 1, type: "score", id: 1, instruction: "Which animal barks?", answers: ["a dog"] };

  test("a content script may ask for scores", async () => {
    await score(["a dog"]);
    assert.deepEqual(await say(fine), ["scored", "done"]);
  });

  const wrong = {
    "another version": { ...fine, v: 2 },
    "no version": { ...fine, v: undefined },
    "a text that is too long": { ...fine, answers: ["x".repeat(20_001)] },
    "too many answers": { ...fine, answers: Array(257).fill("x") },
    "no answers": { ...fine, answers: [] },
    "a model of its own": { ...fine, model: { kind: "url", url: "https://example.org/" } },
    "an id that is none": { ...fine, id: "1" },
    "to decide": { v: 1, type: "decide", id: 1, text: "t", question: "q", kind: "boolean", options: [] },
    "to load": { v: 1, type: "load", id: 1 },
    "to unload": { v: 1, type: "unload", id: 1 },
    "what nobody knows": { v: 1, type: "eval", id: 1, code: "1" },
    nothing: null,
  };
  for (const [what, message] of Object.entries(wrong)) {
    test(`a content script may not send ${what}`, async () => assert.deepEqual(await say(message), ["cut"]));
  }

  test("a content script may not use the number of a request twice", async () =>
    assert.deepEqual((await say(fine, fine)).at(-1), "cut"));

  test("a content script cannot change settings or the toolbar", async () => {
    const state = { phase: "failed", model: "x", code: "x", message: "x" };
    const settings = { model: { kind: "url", url: "https://example.org/" }, dtype: "f32", idleMinutes: 1440 };
    const answers = await inTab(
      `() => Promise.all(${JSON.stringify([
        { v: 1, to: "background", type: "engine-state", state },
        { v: 1, to: "background", type: "engine-settings" },
      ])}.map((message) => chrome.runtime.sendMessage(message)))`,
    );
    assert.deepEqual(
      answers.map(({ ok, idleMinutes }) => [ok, idleMinutes]),
      Array(2).fill([false, undefined]),
    );
    // Nobody answers this one.
    await inTab(`() => Promise.race([
      chrome.runtime.sendMessage(${JSON.stringify({ v: 1, to: "offscreen", type: "configure", settings })}).catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, 500)),
    ])`);
    assert.equal(await host.badge(), "");
    assert.equal((await score(["a dog"])).length, 1, "the chosen model is still there");
    const told = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const port = chrome.runtime.connect({ name: "cappy-engine-1" });
          port.onMessage.addListener(({ state }) => resolve(state.model));
        }),
    );
    assert.equal(told, MINI_NAME);
  });

  test("the page itself cannot send messages to the extension", async () => {
    const ways = await inTab(
      `() => [typeof chrome?.runtime?.connect, typeof chrome?.runtime?.sendMessage, typeof globalThis.browser]`,
      "MAIN",
    );
    assert.deepEqual(ways, ["undefined", "undefined", "undefined"]);
  });
});

describe("selected text", () => {
  before(() => host.grant(CHATGPT));

  const collection = async () => (await host.kept()).collection;
  const select = () => site.evaluate(() => getSelection().selectAllChildren(document.querySelector("#text")));
  const act = (event, ...args) =>
    host.worker(
      `async (url, args) => {
    const [tab] = await chrome.tabs.query({ url });
    chrome.${event}.dispatch(...args, tab);
  }`,
      `${ADDRESS}*`,
      args,
    );
  const menu = (menuItemId, selectionText) => act("contextMenus.onClicked", { menuItemId, selectionText, frameId: 0 });

  test("selected text comes from the menu with its line breaks, where the browser lets the extension read it", async () => {
    const badge = await host.watchBadge();
    /** Waits until the badge has had this text, which it has for a moment alone. */
    const had = async (text) => {
      const seen = [];
      await until(async () => seen.push(...(await badge.texts())) && seen.includes(text), {
        what: `the badge ${text}`,
      });
    };
    await select();
    await menu("use-as-instruction", "First line Second line");
    await until(async () => (await collection())?.instruction === "First line\nSecond line", {
      what: "the instruction",
    });
    await had("✓");
    await site.evaluate(() => getSelection().removeAllRanges());
    await Promise.all([menu("add-as-answer", "one answer"), menu("add-as-answer", "and another")]);
    await until(async () => (await collection()).answers.length === 2, { what: "the answers" });
    assert.deepEqual((await collection()).answers.map(({ text }) => text).sort(), ["and another", "one answer"]);
    await had("2");
    await until(async () => (await host.badge()) === "", { what: "the badge to be as before" });
  });

  test("selected text comes by a key, and where there is none the toolbar says so", async () => {
    await act("commands.onCommand", "add-as-answer");
    await until(async () => (await host.badge()) === "?", { what: "a question mark" });
    // The next press says the same in the same words.
    await until(async () => (await host.worker(() => chrome.action.getTitle({}))) === "Cappy", {
      what: "the title to be as before",
    });
    await pressing("permissions.request", "add-as-answer");
    await until(async () => /no selected text/.test(await host.worker(() => chrome.action.getTitle({}))), {
      what: "the reason",
    });
    await select();
    assert.deepEqual(await pressing("permissions.request", "add-as-answer"), [{ permissions: ["scripting"] }]);
    await until(async () => (await collection())?.answers.at(-1)?.text === "First line\nSecond line", {
      what: "the answer",
    });
    await until(async () => (await host.worker(() => chrome.action.getTitle({}))) === "Cappy", {
      what: "the title to be as before",
    });
  });

  test("selected text to ask about comes with its panel, and text for the other tab brings that to the front", async () => {
    const decision = async () => (await host.kept()).decision;
    const badge = await host.watchBadge();
    await select();
    await menu("ask-about", "First line Second line");
    await until(async () => (await decision())?.text === "First line\nSecond line", { what: "the text" });
    assert.equal((await decision()).inFront, true);
    await until(async () => (await badge.texts()).includes("✓"), { what: "the badge ✓" });
    const before = (await collection())?.answers.length ?? 0;
    await menu("add-as-answer", "First line Second line");
    await until(async () => (await collection())?.answers.length === before + 1, { what: "the answer" });
    assert.equal((await decision()).inFront, false);
    // In the event itself, because browsers do not allow it later.
    const [{ windowId }] = await pressing("sidePanel.open", "ask-about");
    assert.equal(windowId, await host.worker(() => globalThis.tab.windowId));
  });

  test("selected text has three items in the menu, and keys are suggested for as many commands as Chrome allows", async () => {
    const commands = await host.worker(() => chrome.commands.getAll());
    const keys = Object.fromEntries(commands.map(({ name, shortcut }) => [name, shortcut]));
    for (const name of ["use-as-instruction", "add-as-answer", "open-panel", "focus-badge"])
      assert.match(keys[name], /^Alt\+Shift\+\w$/, name);
    assert.equal(keys["ask-about"], "");
    // An item that is not there cannot be changed.
    for (const id of ["use-as-instruction", "add-as-answer", "ask-about"])
      await host.worker((id) => chrome.contextMenus.update(id, { enabled: true }), id);
    await assert.rejects(host.worker(() => chrome.contextMenus.update("other", { enabled: true })));
  });
});

test("keys open the panel, and say when a page has no badges", async () => {
  const [{ windowId }] = await pressing("sidePanel.open", "open-panel");
  assert.equal(windowId, await host.worker(() => globalThis.tab.windowId));
  const badge = await host.watchBadge();
  await host.worker(() => chrome.commands.onCommand.dispatch("focus-badge", { id: 999_999 }));
  await until(async () => /there are no badges/.test(await host.worker(() => chrome.action.getTitle({}))), {
    what: "the reason",
  });
  await until(async () => (await badge.texts()).includes("?"), { what: "a question mark" });
});
