// Teaching in real Chromium: with the package itself from thumbs to other scores and back, and with a
// stand-in for it where progress, cancelling and failures have to come at a certain time.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { badges, openFixture, ranked as rankedBadges } from "./fixtures/open.mjs";
import { unchanging, until } from "./harness.mjs";
import { button, choose, noBrowser, setUp } from "./pages.mjs";

const EGG = "How do I boil an egg for breakfast?";
const NOON = "The train leaves at noon.";
const EIGHT = "Put the egg into boiling water and wait about eight minutes.";

/** Thumbs that are against all reason, so that nobody can mistake what was learned for what was known. */
const THUMBS = [
  [EGG, NOON, true],
  [EGG, EIGHT, false],
  ["Which animal barks?", "My favourite colour is purple.", true],
  ["Which animal barks?", "The animal that barks is the dog.", false],
  ["Who bakes bread?", "Lemons are sour.", true],
  ["Who bakes bread?", "A baker bakes bread.", false],
  ["What is two and two?", "The sea is deep.", true],
  ["What is two and two?", "It is four.", false],
  ["What does a cat say?", "Stones are heavy.", true],
  ["What does a cat say?", "It says meow.", false],
  ["Where do fish live?", "On Tuesdays, mostly.", true],
  ["Where do fish live?", "Fish live in water.", false],
];

describe("teaching", { skip: noBrowser }, () => {
  const pages = setUp();

  const reset = (settings = {}) => pages.reset({ learn: true, ...settings });
  const keep = (thumbs) =>
    pages.inPage(async (thumbs) => {
      for (const [instruction, answer, liked] of thumbs) {
        const { ok } = await chrome.runtime.sendMessage({
          v: 1,
          to: "background",
          type: "opinion",
          instruction,
          answer,
          liked,
        });
        if (!ok) throw new Error("not kept");
      }
    }, thumbs);
  const adaptations = () =>
    pages.inPage(async () => {
      const { keptAdaptations } = await import("/cappy-web/index.js");
      return keptAdaptations();
    });

  const scoresOf = (client) =>
    client.evaluate(
      async ([instruction, answers]) => {
        const scores = [];
        // So that the engine knows the newest settings.
        await client.load();
        await client.score(instruction, answers, {
          onScored: (first, batch) =>
            batch.forEach(({ score }, at) => {
              scores[first + at] = score;
            }),
        });
        return scores;
      },
      [EGG, [NOON, EIGHT]],
    );

  test("the extension's own model learns from thumbs, and forgets what it learned", async (t) => {
    await reset({ model: { kind: "embedded" } });
    await keep(THUMBS);
    const client = await pages.host.openClient();
    t.after(() => client.close());
    const before = await scoresOf(client);
    await pages.options(
      async (page) => {
        await page.getByText("6 lessons to learn from. Teaching adjusts the last layer of Cappy-small,").waitFor();
        await button(page, "Teach").click();
        await page
          .getByText(/^Learned from 6 lessons in \d+ steps on /)
          .first()
          .waitFor({ timeout: 180_000 });
        // The result is in the settings, and comes in another message than the end.
        await button(page, "Cancel teaching").waitFor({ state: "hidden" });
        const {
          taught: [taught],
        } = await pages.settings();
        assert.equal(taught.model, "Cappy-small");
        assert.ok(taught.after < taught.before, JSON.stringify(taught));
        const learned = await scoresOf(client);
        assert.ok(learned[0] - learned[1] > before[0] - before[1] + 0.02, `${before} became ${learned}`);
        await button(page, "Forget what it learned").click();
        await page.getByText("Forgotten. The model scores as it came.").waitFor();
        assert.deepEqual(await scoresOf(client), before, "forgotten");
      },
      { stay: true },
    );
  });

  test("teaching changes scores, and its result can be switched off, forgotten and deleted", async (t) => {
    await reset();
    const client = await pages.host.openClient();
    t.after(() => client.close());
    const scores = () => scoresOf(client);
    const before = await scores();
    assert.ok(before[0] < before[1], "the model knows better, as it came");

    await pages.host.grant(["https://chatgpt.com/*"]);
    const chat = await openFixture(pages.host, "https://chatgpt.com/c/1", "chatgpt.html");
    t.after(() => chat.close());
    const best = async () => (await badges(chat)).filter((badge) => badge.best && !badge.changing).map(({ y }) => y);
    await rankedBadges(chat, 2);
    await unchanging(async () => JSON.stringify((await badges(chat)).map(({ y }) => y)));
    const [, right] = (await badges(chat)).map(({ y }) => y);
    assert.deepEqual(await best(), [right]);

    await keep(THUMBS);
    await pages.options(
      async (page) => {
        await page
          .getByText(
            "6 lessons to learn from. Teaching adjusts the last layer of Folder cappy-mini, here on this device.",
          )
          .waitFor();
        await button(page, "Teach").click();
        await page
          .getByText(
            /^Learned from 6 lessons in \d+ steps on .+ Error on lessons held out: \d\.\d{4} before, \d\.\d{4} after\.$/,
          )
          .first()
          .waitFor({ timeout: 180_000 });
        // The result is in the settings, and comes in another message than the end.
        await button(page, "Cancel teaching").waitFor({ state: "hidden" });
        assert.equal(await page.getByLabel("Use what it learned").isChecked(), true);
        const {
          taught: [taught],
        } = await pages.settings();
        assert.ok(taught.after < taught.before, JSON.stringify(taught));
        assert.deepEqual(
          (await adaptations()).map(({ name, complete }) => [name, complete]),
          [[taught.name, true]],
        );

        const learned = await scores();
        assert.ok(learned[0] - learned[1] > before[0] - before[1] + 0.05, `${before} became ${learned}`);
        await chat.bringToFront();
        await until(async () => (await badges(chat))[0]?.score.toFixed(2) === learned[0].toFixed(2), {
          what: "badges to follow",
        });

        await page.bringToFront();
        await choose(page.getByLabel("Use what it learned"), false);
        await until(async () => (await pages.settings()).useLearned === false);
        assert.deepEqual(await scores(), before, "switched off");
        await choose(page.getByLabel("Use what it learned"));
        await until(async () => (await pages.settings()).useLearned === true);
        assert.deepEqual(await scores(), learned, "switched on again");
        await pages.host.settings({ learn: false });
        assert.deepEqual(await scores(), before, "learning is off");
        await pages.host.settings({ learn: true });
        await button(page, "Teach").waitFor();

        // Once more: what was learned before makes room.
        await button(page, "Teach").click();
        await until(async () => ((await pages.settings()).taught[0]?.name ?? taught.name) !== taught.name, {
          ms: 180_000,
          what: "to be taught again",
        });
        await button(page, "Cancel teaching").waitFor({ state: "hidden" });
        await until(async () => (await adaptations()).length === 1, { what: "the first one to be deleted" });
        assert.deepEqual(await scores(), learned, "the same lessons teach the same");

        await button(page, "Forget what it learned").click();
        await page.getByText("Forgotten. The model scores as it came.").waitFor();
        assert.deepEqual(await adaptations(), []);
        assert.deepEqual(await scores(), before, "forgotten");
        await chat.bringToFront();
        await until(async () => (await best()).join() === String(right), { what: "badges as they were" });
      },
      { stay: true },
    );

    // From the panel; and all is deleted with the lessons.
    await pages.panel(
      async (page) => {
        await button(page, "Teach").click();
        await page
          .getByText(/^Learned from 6 lessons/)
          .first()
          .waitFor({ timeout: 180_000 });
      },
      { stay: true },
    );
    await pages.options(
      async (page) => {
        await page.locator("#stored", { hasText: /Learned from them\s*Folder cappy-mini/ }).waitFor();
        await button(page, "Delete all lessons and what was learned").click();
        await button(page, "Delete them").click();
        await page.getByText("Deleted all lessons, and all that was learned from them.").waitFor();
        await until(async () => !(await page.locator("#lessons-part").isVisible()));
      },
      { stay: true },
    );
    assert.deepEqual(await adaptations(), []);
    assert.deepEqual((await pages.settings()).taught, []);
    assert.deepEqual(await scores(), before, "deleted");
  });

  /** Puts a stand-in for the package's `adapt` into the engine, which does what `fake` is told. */
  const standIn = async (t) => {
    // Also where a test fails, so that the next one does not find what this one teaches.
    t.after(() => pages.host.closeOffscreen());
    await pages.inPage(() => chrome.runtime.sendMessage({ v: 1, to: "background", type: "ensure-engine" }));
    await pages.host.offscreen(async () => {
      const { Scorer } = await import("/cappy-web/index.js");
      globalThis.real ??= Scorer.prototype.adapt;
      globalThis.fake = { calls: [] };
      Scorer.prototype.adapt = (lessons, options) =>
        new Promise((resolve, reject) => {
          const { signal, onProgress } = options;
          globalThis.fake.calls.push({ lessons, heldOut: options.heldOut, depth: options.depth, seed: options.seed });
          signal.addEventListener("abort", () => reject(Object.assign(new Error("stopped"), { code: "aborted" })));
          Object.assign(globalThis.fake, {
            step: onProgress,
            fail: (code) => reject(Object.assign(new Error("It failed"), { code })),
          });
        });
    });
  };
  const fake = (act, ...args) => pages.host.offscreen(`(...args) => (${act})(globalThis.fake, ...args)`, ...args);
  const begun = (count = 1) =>
    until(() => fake((fake, count) => fake.calls.length === count, count), { what: "teaching" });

  test("teaching shows its progress on every page, and can be cancelled on any", async (t) => {
    await reset();
    await keep(THUMBS.slice(0, 3));
    await standIn(t);
    await pages.options(
      async (page) => {
        await button(page, "Teach").click();
        await page.getByText("Reading 2 lessons").waitFor();
        await begun();
        assert.deepEqual(await fake((fake) => fake.calls), [
          {
            lessons: [
              { instruction: EGG, chosen: [NOON], rejected: [EIGHT] },
              { instruction: "Which animal barks?", response: "My favourite colour is purple.", label: 1 },
            ],
            heldOut: 0,
            depth: "head",
            seed: 0,
          },
        ]);
        await fake((fake) => fake.step({ step: 1, steps: 8, loss: 0.5, heldOut: 0.25 }));
        await fake((fake) => fake.step({ step: 3, steps: 8, loss: 0.125, heldOut: null }));
        await page.getByText("Step 3 of 8 · error 0.1250 · 0.2500 on lessons held out").waitFor();
        assert.deepEqual(
          await page.getByRole("progressbar", { name: "Teaching" }).evaluate(({ value, max }) => [value, max]),
          [3, 8],
        );
        assert.equal(await button(page, "Teach").getAttribute("aria-disabled"), "true");
        await button(page, "Teach").click({ force: true });
        await page.waitForTimeout(200);
        assert.equal(await fake((fake) => fake.calls.length), 1, "one at a time");
        await pages.panel(
          async (panel) => {
            await panel.getByText("Step 3 of 8").waitFor();
            await button(panel, "Cancel teaching").click();
            await until(async () => !(await button(panel, "Cancel teaching").isVisible()));
          },
          { stay: true },
        );
        await page.getByText("Cancelled. Nothing was learned.").waitFor();
        assert.deepEqual((await pages.settings()).taught ?? [], []);
        assert.equal(await page.locator("#teach .error").count(), 0);

        // Teaching goes on when the page that began it is closed.
        await button(page, "Teach").click();
        await begun(2);
      },
      { stay: true },
    );
    await pages.panel(
      async (panel) => {
        await fake((fake) => fake.step({ step: 5, steps: 8, loss: 0.1, heldOut: null }));
        await panel.getByText("Step 5 of 8 · error 0.1000").waitFor();
        // Without lessons, which a page counts a moment after it was opened, its buttons do nothing.
        await panel.getByText("2 lessons to learn from.").waitFor();
        await fake((fake) => fake.fail("out-of-memory"));
        await panel.getByRole("heading", { name: "The graphics memory is full" }).waitFor();
        await button(panel, "Try again").click();
        await begun(3);
        await until(async () => (await panel.locator("#teach .error").count()) === 0);
        await panel.locator("#model", { hasText: /Ready/ }).waitFor();
        await button(panel, "Cancel teaching").click();
        await panel.getByText("Cancelled. Nothing was learned.").waitFor();
      },
      { stay: true },
    );
  });

  test("teaching holds out lessons where there are enough, and only pages of the extension may ask for it", async (t) => {
    await reset();
    await keep(THUMBS);
    await standIn(t);
    const page = await pages.host.openPage();
    t.after(() => page.close());
    await page.evaluate(() => {
      globalThis.port = chrome.runtime.connect({ name: "cappy-engine-1" });
      globalThis.heard = [];
      port.onMessage.addListener(({ type, teaching, code }) => heard.push(teaching?.phase ?? code ?? type));
      for (const id of [1, 2]) port.postMessage({ v: 1, type: "teach", id });
    });
    await begun();
    await page.evaluate(() => port.postMessage({ v: 1, type: "stop-teaching", id: 3 }));
    const heard = await until(() => page.evaluate(() => heard.includes("aborted") && heard.includes("done") && heard), {
      what: "the end",
    });
    assert.deepEqual(heard.filter((what) => what !== "state").sort(), [
      "aborted",
      "busy",
      "done",
      "idle",
      "idle",
      "running",
    ]);
    const [{ heldOut }] = await fake((fake) => fake.calls);
    assert.equal(heldOut, 0.2);
    await pages.host.grant(["https://chatgpt.com/*"]);
    const chat = await openFixture(pages.host, "https://chatgpt.com/c/2", "chatgpt.html");
    t.after(() => chat.close());
    for (const type of ["teach", "stop-teaching"]) {
      const said = await pages.host.worker(async (type) => {
        const [{ id }] = await chrome.tabs.query({ url: "https://chatgpt.com/c/2" });
        const [{ result }] = await chrome.scripting.executeScript({
          target: { tabId: id },
          args: [type],
          func: (type) =>
            new Promise((resolve) => {
              const port = chrome.runtime.connect({ name: "cappy-engine-1" });
              const heard = [];
              port.onMessage.addListener(({ type }) => heard.push(type));
              port.onDisconnect.addListener(() => resolve([...heard, "cut"]));
              port.postMessage({ v: 1, type, id: 1 });
              setTimeout(() => resolve([...heard, "silence"]), 20_000);
            }),
        });
        return result;
      }, type);
      assert.deepEqual(said, ["state", "cut"], "content scripts are not told of teaching either");
    }
  });

  test("teaching without lessons is refused", async () => {
    await reset();
    const failed = await pages.inPage(
      () =>
        new Promise((resolve) => {
          chrome.runtime.sendMessage({ v: 1, to: "background", type: "ensure-engine" }).then(() => {
            const port = chrome.runtime.connect({ name: "cappy-engine-1" });
            port.onMessage.addListener((message) => message.type === "failed" && resolve(message));
            port.postMessage({ v: 1, type: "teach", id: 1 });
          });
        }),
    );
    assert.deepEqual([failed.code, failed.message], ["input", "There are no lessons"]);
  });
});
