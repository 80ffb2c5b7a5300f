// Writes into a built site's service worker which files ranking with the package's own model needs. Usage: offline-files.mjs SITE

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const site = process.argv[2];
const files = readdirSync(site, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(join(site, "/").length).replaceAll("\\", "/"));

/** What a page loads only when it is asked for more, as for RoBERTa models, or what no page loads. */
const others =
  /\.d\.ts$|\.txt$|^sw\.js$|^card\.png$|^devices\.json$|^bench|^cappy-bench\/|^cappy-web\/adapt\/|^cappy-web\/wasm\/.*\.wasm$|^cappy-web\/(rerank|ai-sdk|langchain)\.js$/;
const ofCpu = /^cappy-web\/cpu\//;
// The model is a BERT. The WebAssembly alone: what calls it is loaded before it is known what computes.
const ofGpu = /^cappy-web\/families\/wasm\/.*\.wasm$/;
const needed = files.filter((name) => !others.test(name)).sort();
const lists = {
  // The page by its folder's address, too, which is what people open.
  all: ["", ...needed.filter((name) => !ofCpu.test(name) && !ofGpu.test(name))],
  gpu: needed.filter((name) => ofGpu.test(name)),
  cpu: needed.filter((name) => ofCpu.test(name)),
};
for (const [name, list] of Object.entries(lists))
  if (list.length === 0) throw new Error(`nothing is needed for ${name}: is the site built?`);

const worker = join(site, "sw.js");
const [before, after, ...rest] = readFileSync(worker, "utf8").split("{ all: [], gpu: [], cpu: [] }");
if (after === undefined || rest.length > 0) throw new Error(`${worker} has no place for its list`);
writeFileSync(worker, before + JSON.stringify(lists) + after);
