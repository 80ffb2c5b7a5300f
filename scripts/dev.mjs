// Serves the demo page and keeps it up to date: an edit to a shader, to Rust, to TypeScript or to www/
// is built and the page is loaded again. Usage: npm run dev [-- MODULE...]
//
// Only the module for the page's own model, a BERT, is built; it scores all models here. Name others to have what they
// do, too: cappy (RoBERTa models as published), cappy_adapt (teaching, and the bench page), cappy_cpu (no GPU).

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { build } from "esbuild";
import { preview } from "vite";
import { factsOf, fillPage, knownDevices, linksOf, strengths } from "./page-facts.mjs";

const SITE = "target/dev-page";
const FOLDERS = { cappy: "wasm", cappy_adapt: "adapt/wasm", cappy_cpu: "cpu/wasm", cappy_families: "families/wasm" };
const modules = [...new Set(["cappy_families", ...process.argv.slice(2)])];
const unknown = modules.find((name) => !(name in FOLDERS));
if (unknown) {
  console.error(`npm run dev: '${unknown}' is none of ${Object.keys(FOLDERS).join(", ")}`);
  process.exit(2);
}

/** What is built, by the files that it is built from. */
const PARTS = [
  { name: "WebAssembly", from: /^(shaders|src|crates)\/|^(Cargo\.toml|build\.rs)$/, build: buildModules },
  { name: "TypeScript", from: /^js\/.*\.ts$/, build: buildScripts },
  { name: "the page", from: /^(www|docs)\//, build: copyPage },
];
/** Where pages are told of edits. */
const EDITS = "/edits";
/** Written by the build itself. */
const BUILT = /(^|\/)(wasm|dist|target|node_modules)\//;

async function buildModules() {
  await run("scripts/web-module", ["--quick", ...modules]);
  for (const module of modules) {
    cpSync(join("js", FOLDERS[module]), join(SITE, "cappy-web", FOLDERS[module]), { recursive: true });
  }
  // The scripts import the module for RoBERTa in any case. The one for all families does the same and more, so it stands
  // in for it: building both would take twice as long after each edit.
  if (!modules.includes("cappy")) {
    for (const end of [".js", "_bg.wasm"]) {
      cpSync(`js/families/wasm/cappy_families${end}`, join(SITE, "cappy-web/wasm", `cappy${end}`));
    }
  }
  if (modules.includes("cappy_adapt")) cpSync("js/adapt/wasm", join(SITE, "cappy-bench"), { recursive: true });
}

/** Without a check of types: an editor shows them, and so does `npx tsc --noEmit`. */
async function buildScripts() {
  const files = readdirSync("js", { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".ts") && !name.endsWith(".d.ts"),
  );
  await build({
    entryPoints: files.map((name) => join("js", name)),
    outdir: join(SITE, "cappy-web"),
    outbase: "js",
    format: "esm",
    target: "es2022",
    sourcemap: "linked",
    logLevel: "warning",
  });
  // The page has this file beside it, too; see scripts/build-web.
  cpSync(join(SITE, "cappy-web/order.js"), join(SITE, "order.js"));
}

async function copyPage() {
  // The service worker would answer with what it kept of the page as it was.
  const wanted = (name) => !name.endsWith("sw.js") && !name.endsWith("tsconfig.json") && name !== "www/types";
  cpSync("www", SITE, { recursive: true, filter: wanted });
  await run(process.execPath, ["scripts/docs-pages.mjs", SITE]);
  // Pages allow no scripts between their lines, so this one is a file.
  writeFileSync(join(SITE, "reload.js"), `new EventSource("${EDITS}").onmessage = () => location.reload();\n`);
  writeFileSync(join(SITE, "devices.json"), JSON.stringify(knownDevices()));
  const facts = factsOf(join(SITE, "cappy-web"), { quick: true });
  for (const name of readdirSync(SITE).filter((file) => file.endsWith(".html"))) {
    const html = fillPage(readFileSync(join(SITE, name), "utf8"), facts, strengths(), linksOf());
    writeFileSync(join(SITE, name), html.replace("</head>", '<script src="reload.js" defer></script></head>'));
  }
}

/** The pages that want to know of edits. */
const pages = new Set();

function answerPage(request, response) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  // Sends the headers at once: until then the page does not know that it is connected.
  response.write("\n");
  pages.add(response);
  request.on("close", () => pages.delete(response));
}

function reloadPages() {
  for (const page of pages) page.write("data: edited\n\n");
}

/** @returns {Promise<void>} */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "inherit" });
    child.on("error", reject);
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${command} failed`))));
  });
}

/** Builds one part and says how long that took; a part that fails is built again after the next edit. */
async function made(part) {
  const start = performance.now();
  try {
    await part.build();
  } catch (error) {
    console.error(`${part.name} could not be built: ${error.message}`);
    return false;
  }
  console.log(`built ${part.name} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return true;
}

rmSync(SITE, { recursive: true, force: true });
for (const model of ["config.json", "decide.json", "tokenizer.json", "model.safetensors"]) {
  mkdirSync(join(SITE, "cappy-web/model"), { recursive: true });
  cpSync(join("models/cappy-small", model), join(SITE, "cappy-web/model", model));
}
for (const part of PARTS) if (!(await made(part))) process.exit(1);

// As any web server would, without changing the files: vite's own development server rewrites modules,
// which takes strings for imports and breaks the page's rules of what may be loaded.
const server = await preview({
  configFile: false,
  root: dirname(SITE),
  appType: "mpa",
  build: { outDir: basename(SITE) },
  preview: { host: "127.0.0.1", port: Number(process.env.PORT ?? 8000) },
  plugins: [{ name: "edits", configurePreviewServer: ({ middlewares }) => void middlewares.use(EDITS, answerPage) }],
});
server.printUrls();
console.log("waiting for edits");

const stale = new Set();
let building = false;

async function rebuild() {
  if (building) return;
  building = true;
  while (stale.size > 0) {
    const parts = PARTS.filter((part) => stale.has(part));
    stale.clear();
    const done = [];
    for (const part of parts) done.push(await made(part));
    if (!done.includes(true)) continue;
    reloadPages();
    console.log("reloaded the page; waiting for edits");
  }
  building = false;
}

function edited(path) {
  const file = path.replaceAll("\\", "/");
  const part = BUILT.test(file) ? undefined : PARTS.find(({ from }) => from.test(file));
  if (!part) return;
  stale.add(part);
  // Editors write a file in several steps.
  setTimeout(rebuild, 50);
}

for (const folder of ["shaders", "src", "crates", "js", "www", "docs"].filter((name) => existsSync(name))) {
  watch(folder, { recursive: true }, (_, name) => name && edited(`${folder}/${name}`));
}
watch(".", (_, name) => name && edited(name));
