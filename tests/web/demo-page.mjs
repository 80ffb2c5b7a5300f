// What the tests of the demo page share: a server, a browser, and pages that must not complain.
import assert from "node:assert/strict";
import { after, before } from "node:test";
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

export const ready = (page, name = "cappy-small") => page.locator("#model-name", { hasText: name }).waitFor();
export const ranked = (page) => page.locator("#copy").waitFor();
export const texts = (page) => page.locator(".result .text").allTextContents();
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
