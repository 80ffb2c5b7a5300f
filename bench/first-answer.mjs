// How long a page takes from importing the package to the ranks of four texts of about 200 tokens, by folders of the
// package in turn, each time in a new browser without a cache. Build the package first (npm run build).
//
// node bench/first-answer.mjs [--browser firefox] [--rounds 7] [FOLDER...]   by default target/modules and dist

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { openChromium, openFirefox, serve } from "../tests/web/hosts.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { browser: { type: "string", default: "firefox" }, rounds: { type: "string", default: "7" } },
});
const folders = positionals.length > 0 ? positionals : ["target/modules", "dist"];
const open = { firefox: openFirefox, chromium: openChromium }[values.browser];
if (!open) throw new Error(`--browser ${values.browser}: it is firefox or chromium`);

/** Runs in the page: milliseconds of importing, of loading, of ranking, and of all three. */
async function timesInPage() {
  const start = performance.now();
  const { Scorer } = await import("/dist/index.js");
  const imported = performance.now();
  const scorer = await Scorer.load();
  const loaded = performance.now();
  const text = "The quick brown fox jumps over the lazy dog and runs away. ".repeat(16);
  await scorer.rank(
    "Which is the best of these answers?",
    [0, 1, 2, 3].map((number) => `${number} ${text}`),
  );
  const end = performance.now();
  return [imported - start, loaded - imported, end - loaded, end - start];
}

/** One measurement, with the number of requests at its end. */
async function measure(folder) {
  const site = await serve("/", { "/dist/": resolve(folder) });
  const host = await open(site, { MESA_SHADER_CACHE_DISABLE: "true" });
  try {
    return [...(await host.page.evaluate(timesInPage)), site.log.length];
  } finally {
    await host.close();
    await site.close();
  }
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const samples = new Map(folders.map((folder) => [folder, []]));
for (let round = 0; round < Number(values.rounds); round++) {
  for (const folder of round % 2 ? folders.toReversed() : folders) samples.get(folder).push(await measure(folder));
}
for (const [folder, rows] of samples) {
  const [importing, loading, ranking, all, requests] = rows[0].map((_, at) => median(rows.map((row) => row[at])));
  const times = Object.entries({ importing, loading, ranking, "in all": all });
  const told = times.map(([what, ms]) => `${what} ${(ms / 1000).toFixed(2)} s`).join(", ");
  console.log(`${values.browser}, ${folder}: ${told}, ${requests} requests`);
}
