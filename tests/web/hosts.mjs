// Where the package runs in tests: two browsers and Node, each with a software adapter unless CAPPY_ADAPTER names another one.
import { createReadStream, existsSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { pipeline } from "node:stream";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { chromiumArgs, chromiumPath, onSoftwareAdapter } from "./browser.mjs";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Serves `root`, and `mounts` (address to folder) beside it. Every page is empty. `log` has a line a request. */
export async function serve(root, mounts = {}) {
  const log = [];
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://local").pathname));
    log.push(`${request.method} ${path}`);
    if (path === "/") {
      response.writeHead(200, { "content-type": TYPES[".html"] }).end("<!doctype html><title>test</title>");
      return;
    }
    const mount = Object.keys(mounts).find((at) => path.startsWith(at));
    const file = mount ? join(mounts[mount], path.slice(mount.length)) : join(root, path);
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const first = Number(start ?? 0);
    const last = end ? Math.min(Number(end), found.size - 1) : found.size - 1;
    response.writeHead(start === undefined ? 200 : 206, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      "content-length": last - first + 1,
      "accept-ranges": "bytes",
      etag: `"${found.mtimeMs}"`,
      ...(start === undefined ? {} : { "content-range": `bytes ${first}-${last}/${found.size}` }),
    });
    if (request.method === "HEAD" || found.size === 0) response.end();
    else pipeline(createReadStream(file, { start: first, end: last }), response, () => {});
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return {
    log,
    url: `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

/** Runs in the page: every pair's logits, by calls of their own, all at once. By the GPU, unless `options` say otherwise. */
async function logitsInPage({ module, address, pairs, options }) {
  const { Scorer } = await import(module);
  const scorer = await Scorer.load(address, { cache: false, device: "gpu", ...options });
  try {
    const all = await Promise.all(pairs.map(({ instruction, response }) => scorer.logits(instruction, [response])));
    return { info: scorer.info(), logits: all.map(([logits]) => [...logits]) };
  } finally {
    scorer.dispose();
  }
}

/** Chromium: WebGPU on SwiftShader, which has no f16. */
export async function openChromium(site) {
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
  const page = await browser.newPage();
  await page.goto(`${site.url}/`);
  return {
    page,
    logits: (address, pairs, options) =>
      page.evaluate(logitsInPage, { module: "/dist/index.js", address, pairs, options }),
    close: () => browser.close(),
  };
}

/** Firefox: WebGPU on lavapipe, with f16. @param {string[]} [args] */
export async function openFirefox(site, extraEnv = {}, args = []) {
  const { default: puppeteer } = await import("puppeteer-core");
  const home = await mkdtemp(join(tmpdir(), "cappy-firefox-"));
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: firefoxPath,
    headless: true,
    args,
    protocolTimeout: 1_800_000,
    env: { ...process.env, ...lavapipe(), HOME: home, XDG_RUNTIME_DIR: home, ...extraEnv },
    extraPrefsFirefox: {
      "dom.webgpu.enabled": true,
      "dom.webgpu.workers.enabled": true,
      "gfx.webgpu.ignore-blocklist": true,
      "gfx.webgpu.force-enabled": true,
    },
  });
  const page = await browser.newPage();
  await page.goto(`${site.url}/`);
  return {
    browser,
    page,
    logits: (address, pairs, options) =>
      page.evaluate(logitsInPage, { module: "/dist/index.js", address, pairs, options }),
    async close() {
      await browser.close();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Node: the same package on Dawn, Chrome's WebGPU, and lavapipe. */
export async function openNode() {
  Object.assign(process.env, lavapipe());
  const module = new URL("../../dist/index.js", import.meta.url).href;
  return {
    logits: (address, pairs, options) => logitsInPage({ module, address, pairs, options }),
    close: () => {},
  };
}

/** Firefox, by FIREFOX_PATH or in its usual places; `undefined` where there is none. */
export const firefoxPath = [
  process.env.FIREFOX_PATH,
  "/usr/bin/firefox-esr",
  "/usr/bin/firefox",
  "/Applications/Firefox.app/Contents/MacOS/firefox",
].find((path) => path && existsSync(path));

/** Where the Vulkan loader finds lavapipe, unless somebody chose a driver or another adapter. */
export function lavapipe() {
  if (process.env.VK_DRIVER_FILES || !onSoftwareAdapter) return {};
  const found = ["x86_64", "aarch64"]
    .map((cpu) => `/usr/share/vulkan/icd.d/lvp_icd.${cpu}.json`)
    .concat("/usr/share/vulkan/icd.d/lvp_icd.json")
    .find((path) => existsSync(path));
  return found ? { VK_DRIVER_FILES: found } : {};
}
