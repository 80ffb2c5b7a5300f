// Has Lighthouse judge the built pages as a phone on a slow network sees them, and fails below 95 in any of its four
// categories. Usage: lighthouse.mjs [SITE], with the package `lighthouse` installed beside the project, or in the folder
// that LIGHTHOUSE names; it is no dependency of the project, because it brings 190 MB. CHROME_PATH names the browser.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { createGzip } from "node:zlib";
import { chromium } from "playwright-core";
import { chromiumArgs, chromiumPath } from "../tests/web/browser.mjs";

const WANTED = 95;
const MOST_SHIFT = 0.05;
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".png": "image/png",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

const [site = "site"] = process.argv.slice(2);
const home = process.env.LIGHTHOUSE ?? ".";
const require = createRequire(join(resolve(home), "package.json"));
const { default: lighthouse } = await import(pathToFileURL(require.resolve("lighthouse")).href);

/** As usual hosts of static pages do: compressed, where it is text or WebAssembly. */
const server = createServer((request, response) => {
  const name = decodeURIComponent(new URL(request.url ?? "/", "http://local").pathname).replace(/\/$/, "/index.html");
  const file = join(site, name);
  if (name.includes("..") || !existsSync(file) || !statSync(file).isFile()) {
    response.writeHead(404).end();
    return;
  }
  const type = TYPES[extname(name)] ?? "application/octet-stream";
  const head = { "content-type": type, "cache-control": "max-age=600" };
  if (/text|json|svg|wasm/.test(type) && request.method === "GET") {
    response.writeHead(200, { ...head, "content-encoding": "gzip" });
    createReadStream(file).pipe(createGzip()).pipe(response);
  } else {
    response.writeHead(200, { ...head, "content-length": statSync(file).size });
    if (request.method === "HEAD") response.end();
    else createReadStream(file).pipe(response);
  }
});
await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());

const debugging = 9222 + (process.pid % 1000);
const browser = await chromium.launch({
  executablePath: chromiumPath,
  args: [...chromiumArgs, `--remote-debugging-port=${debugging}`],
});
let missed = false;
try {
  for (const page of ["", "bench.html"]) {
    const { lhr } = await lighthouse(`http://127.0.0.1:${port}/${page}`, {
      port: debugging,
      logLevel: "error",
      maxWaitForLoad: 90_000,
    });
    const scores = Object.values(lhr.categories).map(({ title, score }) => [title, Math.round(100 * (score ?? 0))]);
    const shift = lhr.audits["cumulative-layout-shift"].numericValue;
    const times = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "speed-index"].map(
      (id) => `${lhr.audits[id].title} ${lhr.audits[id].displayValue}`,
    );
    console.log(
      `/${page}: ${scores.map((each) => each.join(" ")).join(", ")}; layout shift ${shift}; ${times.join(", ")}`,
    );
    const failed = Object.values(lhr.audits).filter(
      ({ score, scoreDisplayMode }) => score !== null && score < 0.9 && scoreDisplayMode !== "informative",
    );
    for (const { id, title, displayValue } of failed) console.log(`  ${id}: ${title} ${displayValue ?? ""}`);
    missed ||= !(scores.every(([, score]) => Number(score) >= WANTED) && Number(shift) <= MOST_SHIFT);
  }
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
}
if (missed) {
  console.error(`wanted are ${WANTED} in all categories, and a layout shift of at most ${MOST_SHIFT}`);
  process.exit(1);
}
