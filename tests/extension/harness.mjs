// The built extension in real Chromium, for every test of it; firefox.mjs has the like for Firefox.
// Build it first: scripts/build-extension
//
//   const host = await openChromium();
//   await host.grant(["https://chatgpt.com/*"]);           // permissions, as if the user had agreed
//   const page = await host.openSite("https://chatgpt.com/c/1", "chatgpt.html"); // a fixture under its real address
//   const panel = await host.openPage("panel/panel.html"); // a page of the extension, in a tab
//   await host.worker((x) => chrome.tabs.query(x), {});    // runs in the service worker
//   await host.killWorker(); await host.offscreenCount(); await host.closeOffscreen();
//   await host.settings({ idleMinutes: 1 });               // changes settings as the options page does
//   await host.useMini();                                  // chooses cappy-mini on the CPU in place of the extension's own model
//   await host.kept(); await host.forget();                // what the background stores, and deletes
//   host.complaints                                        // uncaught errors and policy violations of all pages
//   await host.close();
//
// Nothing reaches the network: addresses other than those of fixtures and of loopback fail.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromiumArgs, chromiumPath } from "../web/browser.mjs";
import { bundleText } from "../../extension/build.mjs";
import { fixtureFile as textOf } from "./fixtures/open.mjs";
import { copyMini, MINI } from "./mini.mjs";

/** The folder of a browser's build. */
export function built(browser) {
  const folder = fileURLToPath(new URL(`../../extension/dist/${browser}/`, import.meta.url));
  if (!existsSync(folder)) throw new Error("extension/dist is missing: run scripts/build-extension first");
  return folder;
}

/** The engine's client as a script that sets `engine`, to be run in a page of the extension. */
export const clientScript = () => bundleText("engine/client.ts", { format: "iife", name: "engine" });

/**
 * Chromium with the extension. `profile` keeps the data of an earlier one.
 * @param {{ args?: string[], profile?: string, colorScheme?: "light" | "dark" }} [options]
 */
export async function openChromium({ args = [], profile, colorScheme } = {}) {
  const { chromium } = await import("playwright-core");
  const folder = built("chrome");
  const home = profile ?? (await mkdtemp(join(tmpdir(), "cappy-extension-")));
  const context = await chromium.launchPersistentContext(home, {
    executablePath: chromiumPath,
    headless: true,
    colorScheme,
    ignoreDefaultArgs: ["--disable-extensions"],
    args: [
      ...chromiumArgs,
      `--disable-extensions-except=${folder}`,
      `--load-extension=${folder}`,
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
      ...args,
    ],
  });
  const complaints = [];
  context.on("weberror", (error) => complaints.push(String(error.error())));
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
  const id = new URL(worker.url()).host;
  const address = (path) => `chrome-extension://${id}/${path}`;
  const browser = await context.browser().newBrowserCDPSession();
  const targets = async (keep) => {
    const { targetInfos } = await browser.send("Target.getTargets", { filter: [{}] });
    return targetInfos.filter((target) => target.url.startsWith(address("")) && keep(target));
  };
  const workers = () => targets(({ type }) => type === "service_worker");
  const offscreens = () =>
    targets(({ type, url }) => type === "background_page" && url === address("engine/offscreen.html"));
  let asking;

  /** Says something to the background as a page of the extension does. */
  async function ask(message) {
    asking ??= await host.openPage();
    const answer = await asking.evaluate(
      (message) => chrome.runtime.sendMessage({ v: 1, to: "background", ...message }),
      message,
    );
    if (!answer?.ok) throw new Error(`${message.type}: ${answer?.message}`);
    return answer.value;
  }

  /** Runs a function in a target that Playwright has no page for. */
  async function evaluateIn(targetId, act, args) {
    const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: false });
    try {
      const expression = `(${act})(...${JSON.stringify(args)})`;
      const message = {
        id: 1,
        method: "Runtime.evaluate",
        params: { expression, awaitPromise: true, returnByValue: true, userGesture: true },
      };
      const answer = new Promise((resolve) => {
        browser.on("Target.receivedMessageFromTarget", function heard(event) {
          const got = JSON.parse(event.message);
          if (event.sessionId !== sessionId || got.id !== 1) return;
          browser.off("Target.receivedMessageFromTarget", heard);
          resolve(got);
        });
      });
      await browser.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify(message) });
      const { result, error } = await answer;
      if (error || result.exceptionDetails) {
        throw new Error(
          error?.message ?? result.exceptionDetails.exception?.description ?? result.exceptionDetails.text,
        );
      }
      return result.result.value;
    } finally {
      await browser.send("Target.detachFromTarget", { sessionId }).catch(() => {});
    }
  }

  const host = {
    context,
    complaints,
    id,
    address,
    browser,

    /** Opens a page of the extension in a tab. Without a path, one that runs nothing by itself. */
    async openPage(path = "manifest.json") {
      const page = await context.newPage();
      await page.goto(address(path));
      return page;
    },

    /** A page of the extension with an engine client in it, as `client`. */
    async openClient() {
      const page = await host.openPage();
      await page.evaluate(
        `${await clientScript()}; globalThis.engine = engine; globalThis.client = engine.engineClient();`,
      );
      return page;
    },

    /** Opens a fixture under an address of a real site. */
    async openSite(url, fixture) {
      const page = await context.newPage();
      await host.serve(url, fixture);
      await page.goto(url);
      return page;
    },

    /** Makes an address answer with a fixture, or with `{ body }`; other addresses of its site answer 404. */
    async serve(url, fixture) {
      const { origin } = new URL(url);
      if (!served.has(origin)) {
        served.set(origin, new Map());
        await context.route(`${origin}/**`, (route) => {
          const body = served.get(origin).get(route.request().url());
          return body === undefined
            ? route.fulfill({ status: 404 })
            : route.fulfill({ body, contentType: "text/html; charset=utf-8" });
        });
      }
      served.get(origin).set(url, typeof fixture === "string" ? await textOf(fixture) : fixture.body);
    },

    /** Grants hosts and the permission to run scripts, as if the user had agreed to both. */
    async grant(origins, permissions = ["scripting"]) {
      const page = await context.newPage();
      await page.goto("chrome://extensions");
      for (const origin of origins) {
        await page.evaluate(([id, origin]) => chrome.developerPrivate.addHostPermission(id, origin), [id, origin]);
      }
      await page.goto(address("manifest.json"));
      const granted = await page.evaluate(
        (asked) => chrome.permissions.request(asked),
        /** @type {chrome.permissions.Permissions} */ ({ permissions, origins }),
      );
      await page.close();
      if (!granted) throw new Error(`not granted: ${permissions} ${origins}`);
    },

    /** Takes permissions back. */
    async revoke(origins, permissions = []) {
      const page = await host.openPage();
      await page.evaluate((asked) => chrome.permissions.remove(asked), { permissions, origins });
      await page.close();
    },

    /** Changes settings, as the options page does. */
    settings: (change) => ask({ type: "store", name: "settings", fields: change }),

    /**
     * Makes cappy-mini the chosen model, with settings that go with it. Forgotten like other settings. On the CPU, because
     * each load may otherwise find another device to be the faster one, and the scores of two devices are not equal to the bit.
     */
    async useMini(change = {}) {
      asking ??= await host.openPage();
      await copyMini(asking);
      await host.settings({ model: MINI, device: "cpu", ...change });
    },

    /** What the background keeps, by name: `settings`, `collection`, `ranking`, `decision`. What is not there is missing. */
    async kept() {
      const kept = {};
      for (const name of ["settings", "collection", "ranking", "decision"]) {
        const value = await ask({ type: "read-stored", name });
        if (value !== null) kept[name] = value;
      }
      return kept;
    },

    /** Deletes it. */
    forget: () => ask({ type: "delete-stored" }),

    /** Runs a function in the service worker, which is started if need be. */
    async worker(act, ...args) {
      if ((await workers()).length === 0) {
        // Any message wakes it.
        const page = await host.openPage();
        await page.evaluate(() => chrome.runtime.sendMessage({}).catch(() => {}));
        await page.close();
      }
      const [{ targetId }] = await until(async () => (await workers()).length > 0 && workers(), {
        what: "the service worker",
      });
      // One that is just being started has nothing in it yet.
      await until(() => evaluateIn(targetId, () => typeof chrome === "object", []), {
        what: "the service worker's start",
      });
      return evaluateIn(targetId, act, args);
    },

    /** Ends the service worker, as the browser does after some idle seconds. */
    async killWorker() {
      for (const { targetId } of await workers()) await browser.send("Target.closeTarget", { targetId });
      while ((await workers()).length > 0) await sleep(20);
    },

    /** How many service workers run. */
    workerCount: async () => (await workers()).length,

    /** How many offscreen documents there are. */
    offscreenCount: async () => (await offscreens()).length,

    /** Runs a function in the offscreen document. */
    async offscreen(act, ...args) {
      const [found] = await offscreens();
      return evaluateIn(found.targetId, act, args);
    },

    /** Closes the offscreen document, as a crash would, and waits until it is gone. Another one may be there by then. */
    async closeOffscreen() {
      const closed = (await offscreens()).map(({ targetId }) => targetId);
      for (const targetId of closed) await browser.send("Target.closeTarget", { targetId });
      while ((await offscreens()).some(({ targetId }) => closed.includes(targetId))) await sleep(20);
    },

    /** The state of the engine, as it tells those who connect to it; nothing where it does not run. */
    async engineState() {
      asking ??= await host.openPage();
      return asking.evaluate(
        () =>
          new Promise((resolve) => {
            const port = chrome.runtime.connect({ name: "cappy-engine-1" });
            port.onMessage.addListener(({ type, state }) => {
              if (type !== "state") return;
              port.disconnect();
              resolve(state);
            });
            port.onDisconnect.addListener(() => {
              // Browsers log an error that is not read.
              void chrome.runtime.lastError;
              resolve(undefined);
            });
          }),
      );
    },

    /** The text of the toolbar's badge. */
    badge: () => host.worker(() => chrome.action.getBadgeText({})),

    /** From now on the service worker writes down the texts of the badge, of which some stay for a moment alone. */
    async watchBadge() {
      await host.worker(() => {
        const watched = globalThis.badgeTexts !== undefined;
        globalThis.badgeTexts = [];
        if (watched) return;
        const { setBadgeText } = chrome.action;
        chrome.action.setBadgeText = (details) => {
          globalThis.badgeTexts.push(details.text);
          return setBadgeText.call(chrome.action, details);
        };
      });
      return {
        /** The texts since the last call. */
        texts: () => host.worker(() => globalThis.badgeTexts.splice(0)),
      };
    },

    async close() {
      await context.close();
      if (!profile) await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  const served = new Map();
  return host;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `test` gives something that is true. */
export async function until(test, { what = test, ms = 30_000 } = {}) {
  for (const end = Date.now() + ms; ; ) {
    const value = await test();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(50);
  }
}

/** Waits until `value` gives the same for half a second, as that of a page that has drawn all its parts does. */
export async function unchanging(value) {
  let [last, since] = [await value(), Date.now()];
  await until(async () => {
    const now = await value();
    if (now !== last) [last, since] = [now, Date.now()];
    return Date.now() - since > 500;
  });
}
