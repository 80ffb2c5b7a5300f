// A static server with a strict policy, and a browser page that reports everything that goes wrong.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

// Nothing that is not written out here: fetching what a bundler has inlined is not.
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:";

/** Serves the files of `folder` on this machine, with `headers` besides; `{ url, close }`. */
export async function serve(folder, headers = {}) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname === "/favicon.ico") {
      response.writeHead(204).end();
      return;
    }
    const name = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
    try {
      const body = await readFile(join(folder, normalize(decodeURIComponent(name))));
      const type = TYPES[extname(name)] ?? "application/octet-stream";
      response.writeHead(200, { "Content-Type": type, "Content-Security-Policy": POLICY, ...headers }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
  return {
    url: `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/`,
    close: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  };
}

/**
 * Opens `url` and waits until its list has entries: `{ items, faults }`. Faults are errors in the
 * console (violations of the policy among them), uncaught ones, failed answers and requests
 * elsewhere but to the origin `other`. A page that fails before it lists anything is given up as soon as it does.
 */
export async function openList(browser, url, other) {
  const context = await browser.newContext();
  const faults = [];
  let failed;
  const failure = new Promise((done) => (failed = done));
  const fault = (what) => {
    faults.push(what);
    failed();
  };
  context.on(
    "console",
    (message) => message.type() === "error" && fault(`console: ${message.text()} (${message.location().url})`),
  );
  context.on("weberror", (error) => fault(`uncaught: ${error.error()}`));
  context.on("requestfailed", (r) => {
    const why = r.failure()?.errorText;
    // What a page itself cancels, such as an answer's body that it does not need, has not failed.
    if (why !== "net::ERR_ABORTED") {
      fault(`failed: ${r.url()}: ${why}`);
    }
  });
  context.on("response", (r) => r.status() >= 400 && fault(`${r.status()}: ${r.url()}`));
  context.on("request", (r) => {
    const { protocol, origin } = new URL(r.url());
    if (protocol !== "data:" && origin !== new URL(url).origin && origin !== other) {
      fault(`elsewhere: ${r.url()}`);
    }
  });
  try {
    const page = await context.newPage();
    await page.goto(url);
    const item = page.locator("ol > li").first();
    // The first fault is the one to tell: waiting is cut short after it, which is no fault more.
    const listed = item.waitFor({ timeout: 120_000 }).catch((error) => faults.length === 0 && fault(String(error)));
    await Promise.race([listed, failure]);
    // Errors of the page may be reported a little later.
    await page.waitForTimeout(300);
    return { items: await page.locator("ol > li").allTextContents(), faults };
  } finally {
    await context.close();
  }
}
