// The built package in a real browser: served by a server that can misbehave, under a strict policy,
// without cross-origin isolation.
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { chromiumArgs, chromiumPath } from "./browser.mjs";
import { serve } from "./loader/server.mjs";
import { miniFiles } from "./mini.mjs";
import { tinyModel } from "./tiny-model.mjs";

const dist = new URL("../../dist/", import.meta.url);
/** The package before it is bundled, by which tests reach what it does not export. */
const modules = new URL("../../target/modules/", import.meta.url);

/** What a page needs to allow. */
export const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:";

/** The same candidates everywhere: of many lengths, and too many for one batch. */
export const INSTRUCTION = "Which of these is an animal that barks at night?";
export const CANDIDATES = Array.from({ length: 24 }, (_, i) => `${i} ${"dog ".repeat((i * 7) % 9)}cat`);

/** Runs in the page. What a call throws becomes a plain object, so that a test can look at it. */
const PAGE = `
  import * as cappy from "/dist/index.js";
  globalThis.instruction = ${JSON.stringify(INSTRUCTION)};
  globalThis.candidates = ${JSON.stringify(CANDIDATES)};
  globalThis.failure = (work) => Promise.resolve(work).then(
    (value) => ({ value }),
    (error) => ({ code: error.code, message: error.message, cappy: error instanceof cappy.CappyError }),
  );
  globalThis.sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  globalThis.cappy = cappy;
`;

/** All files below `folder`, by their path under `at`. */
export async function filesIn(folder, at) {
  const files = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files[at + relative(fileURLToPath(folder), path)] = await readFile(path);
  }
  return files;
}

/**
 * A server and a browser. `open({ prelude, workerPrelude, cpuPrelude, policy, coep })` opens a page in a context of its
 * own, with scripts that run before anything else there, in its workers, and in those that compute on the CPU. The
 * package is served below `/dist/`, `unbundled` where a test needs what it does not export; its modules are below
 * `/modules/` as well. A tiny model below `/m/`, beside the page and as the hub's `some/model`, and cappy-mini below `/mini/`.
 */
export async function startPackage({ unbundled = false } = {}) {
  const [files, single] = await Promise.all([
    filesIn(unbundled ? modules : dist, "/dist/"),
    filesIn(modules, "/modules/"),
  ]).catch(() => {
    throw new Error("dist/ or target/modules/ is missing: build the package first");
  });
  for (const [path, bytes] of Object.entries(single)) if (path.endsWith(".js")) files[path] = bytes;
  const mini = await miniFiles();
  for (const [name, bytes] of Object.entries(mini)) files[`/mini/${name}`] = bytes;
  const { vocab_size } = JSON.parse(mini["config.json"].toString());
  const model = tinyModel(mini["tokenizer.json"], vocab_size);
  for (const [name, bytes] of Object.entries(model)) {
    files[`/m/${name}`] = files[`/folder/m/${name}`] = files[`/some/model/resolve/main/${name}`] = bytes;
  }
  const [gpuWorkers, cpuWorker] = [["/dist/worker.js", "/dist/families/family-worker.js"], "/dist/cpu/cpu-worker.js"];
  const scripts = Object.fromEntries([...gpuWorkers, cpuWorker].map((path) => [path, files[path]]));
  files["/page.js"] = Buffer.from(PAGE);
  files["/folder/page.html"] = Buffer.from(`<!doctype html><title>test</title><link rel="icon" href="data:,">
    <script src="/prelude.js"></script><script type="module" src="/page.js"></script><input type="file" multiple>`);
  const site = await serve(files);
  site.policy = POLICY;
  const executablePath = chromiumPath;
  const browser = await chromium.launch({ executablePath, args: chromiumArgs });
  return {
    site,
    model,
    browser,
    /** @param {{ prelude?: string, workerPrelude?: string, cpuPrelude?: string, policy?: string, coep?: string | boolean }} [options] */
    async open({ prelude = "", workerPrelude = "", cpuPrelude = "", policy = POLICY, coep } = {}) {
      Object.assign(site, { slow: 0, slowPath: "/m/", status: {}, policy, needs: undefined, coep });
      site.log.length = 0;
      files["/prelude.js"] = Buffer.from(`${prelude};`);
      files["/worker-prelude.js"] = Buffer.from(`${workerPrelude};`);
      files["/cpu-prelude.js"] = Buffer.from(`${cpuPrelude};`);
      // Imports run in order, and so does this one before those of the worker.
      for (const path of gpuWorkers) files[path] = Buffer.from(`import "/worker-prelude.js"; ${scripts[path]}`);
      files[cpuWorker] = Buffer.from(`import "/cpu-prelude.js"; ${scripts[cpuWorker]}`);
      const context = await browser.newContext();
      const page = await context.newPage();
      page.setDefaultTimeout(30_000);
      page.complaints = [];
      page.on("pageerror", (error) => page.complaints.push(String(error)));
      await page.goto(`${site.url}/folder/page.html`);
      await page.waitForFunction(() => globalThis.cappy);
      return page;
    },
    async close() {
      await browser.close();
      site.close();
    },
  };
}
