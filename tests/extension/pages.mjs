// What the tests of the popup, the panel and the options share: one browser, pages that must not complain.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { chromiumPath } from "../web/browser.mjs";
import { openChromium, until } from "./harness.mjs";
import { modelFiles } from "./model-server.mjs";

export const noBrowser = chromiumPath ? false : "no Chromium; set CHROME_PATH";

export const QUESTION = "Which animal barks?";
export const ANSWERS = [
  "A cat purrs and meows.",
  "The animal that barks is the dog.",
  "I do not know.",
  "Blue, mostly on Tuesdays.",
];

/** A button by its whole name. */
export const button = (page, name) => page.getByRole("button", { name, exact: true });

/** Writes an instruction and answers into the panel. */
export async function write(page, instruction, answers) {
  const fields = page.locator("#answers textarea");
  const before = await fields.count();
  await page.locator("#instruction").fill(instruction);
  await button(page, "Paste several").click();
  await page.locator("#paste-text").fill(answers.join("\n---\n"));
  await button(page, "Add").click();
  // The event of a closed dialog, which adds them, comes a little later.
  await fields.nth(before + answers.length - 1).waitFor();
}

/** Waits until the panel has ranked, and has stored the ranking: before that it begins no other, and marks no answers. */
export async function ranked(page) {
  await page.locator("#copy-result").waitFor();
  await page.locator("#cancel").waitFor({ state: "hidden" });
}

/**
 * Presses a switch or a radio button and waits until it shows the choice. Playwright's own `check` looks once, and what
 * is drawn of earlier settings may show the choice before for a moment.
 */
export async function choose(control, on = true) {
  await until(async () => (await control.isChecked()) !== on, { what: "the other choice to be shown" });
  await control.click();
  await until(async () => (await control.isChecked()) === on, { what: "the choice to be shown" });
}

/**
 * An init script that makes the timers of a page ten times as long. The panel stores what is written after a pause; a test
 * in which something happens during that pause needs it to be long on a slow machine.
 */
export const slowTimers = () => {
  const { setTimeout } = window;
  /** @type {any} */ (window).setTimeout = (act, ms, ...args) => setTimeout(act, 10 * ms, ...args);
};

/** A browser for the tests of a suite. Its parts are there once the suite has begun. */
export function setUp() {
  const pages = {
    host: undefined,
    /** The files of a small model. */
    files: undefined,

    /**
     * Opens a page of the extension that must not complain. Nothing is stored before but the choice of cappy-mini,
     * which takes a tenth of the time of the extension's own model; with `stay` everything stays as it is.
     * @param {string} path
     * @param {(page: any) => Promise<void>} act
     * @param {{ stay?: boolean, prepare?: any }} [options]
     */
    async open(path, act, { stay = false, prepare } = {}) {
      const page = await pages.host.context.newPage();
      const said = [];
      page.on("console", (message) => {
        // Servers that are not there are part of these tests.
        const expected = /net::ERR_|status of 404/.test(message.text());
        if (["error", "warning"].includes(message.type()) && !expected) said.push(message.text());
      });
      page.on("pageerror", (error) => said.push(String(error)));
      try {
        if (!stay) {
          await pages.host.forget();
          await pages.host.useMini();
        }
        if (prepare) await page.addInitScript(...prepare);
        await page.goto(pages.host.address(path));
        // The first test of a file opens the harness's own page after this one, and behind another no folder can be chosen.
        await page.bringToFront();
        await act(page);
        assert.deepEqual(said, []);
        await checkPage(page);
      } finally {
        await page.close();
      }
    },

    /**
     * Waits until the engine has loaded the model of this name, and the page shows these words. A page shows the name of
     * a model as soon as that is chosen, for a moment beside the state of the one before, which may be ready, too.
     */
    async ready(page, name, words) {
      let state;
      const isLoaded = async () => {
        state = await pages.host.engineState();
        return state?.phase === "ready" && state.model === name;
      };
      await until(isLoaded, { ms: 60_000 }).catch(() => {
        throw new Error(`waited in vain for ${name} to be loaded; the engine's state is ${JSON.stringify(state)}`);
      });
      await page.locator("#model", { hasText: words }).waitFor();
    },

    panel: (act, options) => pages.open("panel/panel.html", act, options),
    options: (act, more) => pages.open("options/options.html", act, more),

    /** Runs something in a page of the extension that does nothing else. */
    async inPage(act, ...args) {
      const page = await pages.host.openPage();
      try {
        return await page.evaluate(act, ...args);
      } finally {
        await page.close();
      }
    },

    /** Deletes what is stored and all thumbs, and waits for that: a page that is closed meanwhile may end it. */
    async reset(settings = {}) {
      await pages.inPage(async () => {
        await chrome.runtime.sendMessage({ v: 1, to: "background", type: "delete-stored" });
        for (const { name } of await indexedDB.databases()) {
          await new Promise((resolve, reject) => {
            const deleting = indexedDB.deleteDatabase(name);
            deleting.addEventListener("success", resolve);
            deleting.addEventListener("error", reject);
          });
        }
      });
      await pages.host.useMini(settings);
    },

    stored: () => pages.host.kept(),
    settings: async () => (await pages.stored()).settings,
  };
  before(async () => {
    pages.host = await openChromium({ args: ["--force-prefers-reduced-motion"] });
    await pages.host.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    pages.host.context.setDefaultTimeout(20_000);
    pages.files = await modelFiles();
  });
  after(() => pages.host?.close());
  return pages;
}

/** Every control has a name, ids are unique, and nothing is wider than the narrowest panel. */
async function checkPage(page) {
  const nameless = await page
    .locator("button, input, select, textarea, progress")
    .evaluateAll((all) =>
      all
        .filter(
          (each) =>
            each.checkVisibility() &&
            !each.labels?.length &&
            !each.ariaLabel &&
            !each.getAttribute("aria-labelledby") &&
            !each.innerText?.trim(),
        )
        .map((each) => each.outerHTML),
    );
  assert.deepEqual(nameless, [], "controls without a name");
  const ids = await page.locator("[id]").evaluateAll((all) => all.map(({ id }) => id));
  assert.deepEqual(
    ids.filter((id, at) => ids.indexOf(id) !== at),
    [],
    "ids that are not unique",
  );
  await page.setViewportSize({ width: 300, height: 600 });
  const wide = await page
    .locator("body *")
    .evaluateAll((all) =>
      all
        .filter(
          (each) =>
            each.checkVisibility() && each.getBoundingClientRect().right > 300 && !each.closest(".sr-only, .toast"),
        )
        .map((each) => each.outerHTML.slice(0, 100)),
    );
  assert.deepEqual(wide, [], "wider than 300 px");
}
