// Firefox: the extension as a temporary add-on, with the engine in the event page and the f16 path.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { compare } from "../web/compare.mjs";
import { openFirefox } from "./firefox.mjs";
import { sleep, until } from "./harness.mjs";
import { copyMini, MINI, MINI_NAME } from "./mini.mjs";

const json = async (path) => JSON.parse(await readFile(new URL(`../../${path}`, import.meta.url), "utf8"));
const ADDRESS = "https://chatgpt.com/c/1";
/** Longer than the engine takes between two signs of life; the browser's own is 30 seconds. */
const IDLE_MS = 17_000;

let host;
let page;
before(async () => {
  host = await openFirefox({ idleMs: IDLE_MS });
  page = await host.openClient();
  await copyMini(page);
  await page.evaluate(() => {
    globalThis.keep = (fields) =>
      chrome.runtime.sendMessage({ v: 1, to: "background", type: "store", name: "settings", fields });
    globalThis.states = [];
    client.onState((state) => states.push(state));
    globalThis.score = async (instruction, answers) => {
      const scores = [];
      await client.score(instruction, answers, {
        onScored: (first, batch) => {
          for (const [i, { score }] of batch.entries()) scores[first + i] = score;
        },
      });
      return scores;
    };
  });
  await useMini();
});
after(() => host?.close());

/** cappy-mini in place of the extension's own model, on the GPU: by itself the engine takes the CPU, which is faster here. */
const useMini = () => page.evaluate((model) => keep({ model, device: "gpu" }), MINI);
const lastState = () => page.evaluate(() => states.at(-1));
const badge = () => page.evaluate(() => chrome.action.getBadgeText({}));

test("scores are right on the f16 path, and equal in Chromium's order", async () => {
  const pairs = (await json("tests/golden/pairs.json")).pairs.slice(0, 24);
  const { scores: expected, bound } = await json("tests/golden/models/cappy-mini.json");
  const scores = await page.evaluate(async (pairs) => {
    const all = [];
    for (const { instruction, response } of pairs) all.push(await score(instruction, [response]));
    return all;
  }, pairs);
  compare(expected.slice(0, pairs.length), scores, bound);
  await until(async () => (await lastState()).phase === "ready", { what: "the state" });
  assert.equal((await lastState()).dtype, "f16");
});

test("a question about a text is decided by the scores of yes and no", async () => {
  const text = "I was charged twice this month. Please send the money back.";
  const question = "Is the writer asking for money back?";
  const { shares, truncated } = await page.evaluate(
    (asked) => client.decide({ ...asked, kind: "boolean", options: [] }),
    {
      text,
      question,
    },
  );
  const [yes, no] = await page.evaluate(
    (instruction) => score(instruction, ["yes", "no"]),
    `Question: ${question}\n\n${text}`,
  );
  const expected = 1 / (1 + Math.exp((no - yes) / 0.2));
  assert.deepEqual([shares.map(({ option }) => option), truncated], [["yes", "no"], 0]);
  for (const [at, share] of [expected, 1 - expected].entries())
    assert.ok(Math.abs(shares[at].share - share) < 1e-9, `${shares[at].share} for ${share}`);
});

test("the event page stays while a model is loaded, longer than the browser lets an idle one", async () => {
  await sleep(IDLE_MS + 8000);
  assert.equal(await host.backgroundState(), "running");
  assert.equal((await lastState()).phase, "ready");
});

test("an event page that has ended is woken, also by a ranking that is under way", async () => {
  const [dog] = await page.evaluate(() => score("Which animal barks?", ["a dog"]));
  await host.endBackground();
  await until(async () => (await lastState()).phase === "idle", { what: "the client to notice" });
  assert.deepEqual(await page.evaluate(() => score("Which animal barks?", ["a dog"])), [dog]);

  // The last state of the ranking before, which comes a moment after its end, may be that of work under way.
  await page.evaluate(() => (states.length = 0));
  const lots = page.evaluate(() => score("Which animal barks?", Array(1500).fill("a dog")));
  await until(async () => (await lastState())?.working === 1, { what: "work" });
  await host.endBackground();
  assert.deepEqual(await lots, Array(1500).fill(dog));
});

test("another model is loaded after the settings change, and failures show in the toolbar", async (t) => {
  t.after(useMini);
  const change = (model) => page.evaluate((model) => keep({ model }), model);
  await change({ kind: "folder", name: "none" });
  const code = await page.evaluate(() => client.load().catch((error) => error.code));
  assert.equal(code, "not-found");
  await until(async () => (await badge()) === "!", { what: "an exclamation mark" });
  await change({ kind: "embedded" });
  const [own] = await page.evaluate(() => score("Which animal barks?", ["a dog"]));
  assert.ok(Number.isFinite(own), `${own}`);
  const { model, dtype, device } = await lastState();
  assert.deepEqual([model, dtype, device], ["Cappy-small", "q4", "gpu"]);
  await until(async () => (await badge()) === "", { what: "an empty badge" });
});

test("a key opens the sidebar", async () => {
  await page.bringToFront();
  await host.privileged(async () => {
    document.querySelector("[id^=ext-keyset] key[key=K]").doCommand();
  });
  await until(() => page.evaluate(() => browser.sidebarAction.isOpen({})), { what: "the sidebar" });
});

/** What the badges of a page say to screen readers. Content scripts of Firefox may look into closed shadow roots. */
const badges = () =>
  page.evaluate(async (url) => {
    const [{ id }] = await chrome.tabs.query({ url });
    const [{ result }] = await chrome.scripting.executeScript({
      target: { tabId: id },
      func: () => {
        const root = document.querySelector("[data-cappy]")?.openOrClosedShadowRoot;
        return [...(root?.querySelectorAll(".badge") ?? [])]
          .filter((badge) => !badge.closest("[hidden]"))
          .map((badge) => badge.getAttribute("aria-label"));
      },
    });
    return result;
  }, ADDRESS);

test("badges rank the answers of a page", async (t) => {
  await host.grant(["https://chatgpt.com/*"]);
  await until(() => page.evaluate(async () => (await chrome.scripting?.getRegisteredContentScripts())?.length === 1), {
    what: "the content script",
  });
  const site = await host.openSite(ADDRESS, "chatgpt.html");
  t.after(() => site.close());
  // Nothing is drawn in a tab that is not in sight.
  await site.bringToFront();
  const ranked = await until(
    async () => {
      const said = await badges();
      return said.length === 2 && said.every((label) => /^Rank \d of 2, score/.test(label)) && said;
    },
    { what: "badges" },
  );
  assert.match(ranked[1], /^Rank 1 of 2, score .*, the best/);
  assert.match(ranked[0], /^Rank 2 of 2, score/);
  assert.equal((await lastState()).dtype, "f16");
  // A page that has taken over the process of its content script cannot read or change what is stored.
  const kept = () =>
    page.evaluate(() => chrome.runtime.sendMessage({ v: 1, to: "background", type: "read-stored", name: "settings" }));
  const before = await kept();
  const said = await page.evaluate(async (url) => {
    const [{ id }] = await chrome.tabs.query({ url });
    const [{ result }] = await chrome.scripting.executeScript({
      target: { tabId: id },
      func: async () => [
        typeof browser.storage,
        ...(await Promise.all(
          [
            { type: "read-stored", name: "settings" },
            { type: "store", name: "settings", fields: { learn: true } },
            { type: "delete-stored" },
          ].map((message) =>
            browser.runtime.sendMessage({ v: 1, to: "background", ...message }).then(({ message }) => message),
          ),
        )),
      ],
    });
    return result;
  }, ADDRESS);
  assert.deepEqual(said, ["undefined", ...Array(3).fill("Only pages of the extension may say that")]);
  assert.deepEqual(await kept(), before);
});

test("the event page learns from thumbs, and forgets", async () => {
  await page.evaluate(() => keep({ learn: true }));
  const scores = () => page.evaluate(() => score("Which animal barks?", ["a dog", "a train"]));
  const before = await scores();
  await page.evaluate(async () => {
    for (const [answer, liked] of [
      ["a dog", false],
      ["a train", true],
    ]) {
      const { ok } = await chrome.runtime.sendMessage({
        v: 1,
        to: "background",
        type: "opinion",
        instruction: "Which animal barks?",
        answer,
        liked,
      });
      if (!ok) throw new Error("not kept");
    }
    await client.teach();
  });
  const taught = await page.evaluate(
    async () =>
      (await chrome.runtime.sendMessage({ v: 1, to: "background", type: "read-stored", name: "settings" })).value
        .taught,
  );
  assert.deepEqual(
    taught.map(({ model, lessons, before, after }) => [model, lessons, before, after]),
    [[MINI_NAME, 1, null, null]],
  );
  const learned = await scores();
  assert.ok(learned[0] < before[0] && learned[1] > before[1], `${before} became ${learned}`);
  await page.evaluate(() => chrome.runtime.sendMessage({ v: 1, to: "background", type: "delete-stored" }));
  // The settings, and with them the device of this test, are forgotten, too.
  await useMini();
  assert.deepEqual(await scores(), before);
});
