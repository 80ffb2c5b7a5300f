// What the tests of the demo page share: a server, a browser, and pages that must not complain.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { chromiumArgs, chromiumPath, serve } from "./browser.mjs";

export { checkAccess } from "./access.mjs";

export const noBrowser = chromiumPath ? false : "no Chromium; set CHROME_PATH";

/**
 * Serves `mounts` and opens pages that must not complain, nor ask another origin for anything. What is
 * `sent` to the page that is open is noted. Service workers, which would answer in place of the server,
 * are there only with the option `serviceWorker`.
 */
export function setUp(mounts, sent = []) {
  let browser, server;
  before(async () => {
    server = await serve(mounts, sent);
    browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });
  /**
   * @param {string} query
   * @param {(page: any, context?: any) => Promise<void>} act
   * @param {import("playwright-core").BrowserContextOptions & { serviceWorker?: boolean }} [options]
   */
  return async (query, act, { serviceWorker = false, ...options } = {}) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(30_000);
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => {
      if (!["error", "warning"].includes(message.type())) return;
      complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    context.on("request", (request) => {
      if (!request.url().startsWith(server.url)) complaints.push(`request to ${request.url()}`);
    });
    if (!serviceWorker)
      await page.addInitScript(() => {
        Reflect.deleteProperty(Navigator.prototype, "serviceWorker");
      });
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    sent.length = 0;
    try {
      await page.goto(server.url + query);
      await act(page, context);
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
    }
  };
}

/**
 * Mounts by which the built page of `site` has a package that computes on the CPU unless a load names another device.
 * Without them a measurement chooses the device, and each load may be on another one than the load before.
 */
export const onCpu = (/** @type {string} */ site) => [
  ["cappy-web/index.js", fileURLToPath(new URL("cappy-on-cpu.mjs", import.meta.url))],
  ["cappy-web/own-index.js", join(site, "cappy-web/index.js")],
];

export const ready = (page, name = "cappy-small") => page.locator("#model-name", { hasText: name }).waitFor();
export const ranked = (page) => page.locator("#copy").waitFor();
export const texts = (page) => page.locator(".result .text").allTextContents();
/** The sum of all layout shifts that no click or key came before, as browsers count them. */
export const layoutShift = (page) =>
  page.evaluate(async () => {
    let sum = 0;
    const add = (/** @type {any[]} */ entries) => {
      for (const { value, hadRecentInput } of entries) if (!hadRecentInput) sum += value;
    };
    const observer = new PerformanceObserver((list) => add(list.getEntries()));
    observer.observe({ type: "layout-shift", buffered: true });
    // The browser knows of a shift when the frame is drawn that it is in, however long that takes.
    for (let frame = 0; frame < 3; frame += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
    add(observer.takeRecords());
    observer.disconnect();
    return sum;
  });
export const values = (page, selector) => page.locator(selector).evaluateAll((all) => all.map(({ value }) => value));

/** Writes a task in place of the one on the page. */
export async function write(page, instruction, candidates) {
  await page.getByRole("button", { name: "Forget it" }).click();
  await page.locator("#instruction").fill(instruction);
  while ((await page.locator(".candidate").count()) < candidates.length) await page.locator("#add").click();
  for (const [at, text] of candidates.entries()) {
    await page.getByRole("textbox", { name: `Candidate ${at + 1}`, exact: true }).fill(text);
  }
}
