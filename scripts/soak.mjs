// Uses the package for a long time in one page of Chromium and of Firefox, and reads how much memory the browser has
// meanwhile: it must not grow. Build the package first (npm run build). Linux alone, where /proc tells of memory.
//
// node scripts/soak.mjs [--browser chromium|firefox] [--rankings 10000] [--loads 1000] [--losses 100]
//
// It prints a line for each twentieth of each part, and fails where memory was higher in the last quarter of a part than
// in its second quarter by more than a tenth and 32 MiB. The first quarter does not count: there caches fill.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openChromium, openFirefox, serve } from "../tests/web/hosts.mjs";

const MIB = 2 ** 20;
/** How often each part's memory is read. */
const READINGS = 20;

const { values } = parseArgs({
  options: {
    browser: { type: "string" },
    rankings: { type: "string", default: "10000" },
    loads: { type: "string", default: "1000" },
    losses: { type: "string", default: "100" },
  },
});
const browsers = values.browser ? [values.browser] : ["chromium", "firefox"];

/** What runs in the page: `times` times one part's work. */
const PARTS = {
  async rankings(times) {
    const scorer = (globalThis.scorer ??= await globalThis.load());
    for (let i = 0; i < times; i++) {
      const ranked = await scorer.rank(`Which of these is number ${i}?`, [
        `It is ${i}.`,
        "It is another one.",
        "A dog.",
      ]);
      if (ranked.length !== 3) throw new Error(`${ranked.length} results`);
    }
  },
  async loads(times) {
    globalThis.scorer?.dispose();
    globalThis.scorer = undefined;
    for (let i = 0; i < times; i++) {
      const scorer = await globalThis.load();
      await scorer.score("Which animal barks?", "A dog.");
      scorer.dispose();
      // Kept, they would not be freed.
      globalThis.devices.length = 0;
    }
  },
  async losses(times) {
    for (let i = 0; i < times; i++) {
      const scorer = await globalThis.load();
      const before = await scorer.score("Which animal barks?", "A dog.");
      globalThis.devices.at(-1).destroy();
      const after = await scorer.score("Which animal barks?", "A dog.");
      if (before !== after || scorer.info().losses !== 1) throw new Error(`${before}, then ${after}`);
      scorer.dispose();
      globalThis.devices.length = 0;
    }
  },
};

/** Runs in the page before anything else: keeps the devices, and knows how to load. */
async function prepare() {
  globalThis.devices = [];
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await request.apply(this, args);
    globalThis.devices.push(device);
    return device;
  };
  const { Scorer } = await import(`${location.origin}/dist/index.js`);
  // From memory: on a machine that does much else, this program's server answers late at its low priority, and a load fails.
  const files = [];
  for (const name of ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]) {
    const response = await fetch(`/models/cappy-mini/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    files.push(new File([await response.blob()], name));
  }
  // On the page's own thread, where devices can be caught.
  globalThis.load = () => Scorer.load(files, { device: "gpu", worker: false, cache: false });
}

/** Bytes of memory that the processes below ours have, each page that several share counted once. */
function memory() {
  const parents = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      // The name of a program, in brackets, may have any characters in it.
      const [, parent] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ");
      parents.set(pid, parent);
    } catch {
      // It has ended meanwhile.
    }
  }
  const isOurs = (pid) => pid !== undefined && (pid === String(process.pid) || isOurs(parents.get(pid)));
  let bytes = 0;
  for (const pid of parents.keys()) {
    if (pid === String(process.pid) || !isOurs(pid)) continue;
    try {
      const [, kib] = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
      bytes += Number(kib) * 1024;
    } catch {
      // It has ended meanwhile.
    }
  }
  return bytes;
}

/**
 * Has Firefox collect what its pages do not use any more. By itself it does so late, because the objects of a device are
 * small in the page's memory, and frees of a destroyed device only its buffers before: about 8 MiB stay, of any page.
 */
async function collect({ connection }) {
  const tree = await connection.send("browsingContext.getTree", { "moz:scope": "chrome" });
  const expression = `new Promise((resolve) => {
    Services.obs.notifyObservers(null, "child-mmu-request");
    const manager = Cc["@mozilla.org/memory-reporter-manager;1"].getService(Ci.nsIMemoryReporterManager);
    manager.minimizeMemoryUsage(() => resolve(1));
  })`;
  const target = { context: tree.result.contexts[0].context };
  await connection.send("script.evaluate", { expression, awaitPromise: true, target });
  // The pages' processes do it meanwhile, and the browser's frees what they give back.
  await sleep(3000);
}

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const mib = (bytes) => `${Math.round(bytes / MIB)} MiB`;

const site = await serve(fileURLToPath(new URL("..", import.meta.url)), {});
let grew = false;
try {
  for (const name of browsers) {
    const browser = await (name === "firefox"
      ? openFirefox(site, {}, ["--remote-allow-system-access"])
      : openChromium(site));
    // Chromium's page is playwright's and Firefox's is puppeteer's: what is used here is alike in both.
    const page = /** @type {{ evaluate(work: string): Promise<unknown> }} */ (browser.page);
    try {
      await page.evaluate(`(${prepare})()`);
      for (const [part, work] of Object.entries(PARTS)) {
        const times = Number(values[part]);
        const readings = [];
        const began = performance.now();
        for (let reading = 1, done = 0; reading <= READINGS && done < times; reading++) {
          const until = Math.round((times * reading) / READINGS);
          await page.evaluate(`(${work.toString().replace(/^async \w+/, "async function")})(${until - done})`);
          done = until;
          // Puppeteer has no public name for what it speaks to the browser by.
          if ("browser" in browser) await collect(/** @type {any} */ (browser.browser));
          readings.push(memory());
          const seconds = Math.round((performance.now() - began) / 1000);
          console.log(`${name}: ${done} of ${times} ${part}, ${mib(readings.at(-1))}, ${seconds} s`);
        }
        const quarter = Math.floor(readings.length / 4);
        const [early, late] = [readings.slice(quarter, 2 * quarter + 1), readings.slice(-quarter || undefined)].map(
          median,
        );
        const grown = late > early * 1.1 + 32 * MIB;
        grew ||= grown;
        console.log(`${name}: ${times} ${part}: ${mib(early)}, then ${mib(late)}: ${grown ? "IT GREW" : "flat"}`);
      }
    } finally {
      await browser.close();
    }
  }
} finally {
  await site.close();
}
process.exitCode = grew ? 1 : 0;
