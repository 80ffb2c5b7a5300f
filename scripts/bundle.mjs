// Joins the package's modules into few files, because a browser takes milliseconds for each before anything runs, and a
// page and each of its workers load their own. What is imported later stays a file of its own, and so does all that is no
// JavaScript. Usage: bundle.mjs MODULES DIST, which is replaced

import { cpSync, rmSync } from "node:fs";
import { dirname, join, posix, relative, resolve } from "node:path";
import { rollup } from "rollup";

const [modules, dist] = process.argv.slice(2).map((folder) => resolve(folder));
const PAGE = "index";
const WORKERS = ["worker", "families/family-worker", "cpu/cpu-worker", "adapt/adapted-worker", "adapt/train-worker"];
const ADAPTERS = ["rerank", "ai-sdk", "langchain"];
/** What wasm-bindgen wrote stays as it is, beside its module. */
const GLUE = /(^|\/)wasm\/cappy\w*\.js$/;
/** Stands in an address for the package's folder, until it is known which file the address ends up in. */
const HERE = "cappy-package:";

/** Lets `new URL("./file", import.meta.url)` mean the same file whatever its module is joined to. */
const addresses = {
  name: "addresses",
  transform(code, id) {
    const from = pathOf(dirname(id));
    const inPackage = (_, path) => `new URL("${HERE}${posix.join(from, path)}", import.meta.url)`;
    const moved = code.replace(/new URL\("([^":]+)", import\.meta\.url\)/g, inPackage);
    // In the package's own folder any other address stays right, because that is where files are joined.
    if (from && moved.match(/(?<!new URL\("[^"]*", )import\.meta\.url/))
      throw new Error(`${pathOf(id)}: write the address out, as new URL("./file", import.meta.url)`);
    return { code: moved, map: null };
  },
  renderChunk(code, { fileName }) {
    const home = posix.relative(posix.dirname(fileName), ".") || ".";
    return { code: code.replaceAll(HERE, `${home}/`), map: null };
  },
};

/** A module's path in the package. */
function pathOf(id) {
  return relative(modules, id).replaceAll("\\", "/");
}

/** The modules that are loaded with this one, itself among them. */
function loadedWith(id, getModuleInfo, seen = new Set()) {
  if (seen.has(id) || GLUE.test(id)) return seen;
  seen.add(id);
  for (const imported of getModuleInfo(id).importedIds) loadedWith(imported, getModuleInfo, seen);
  return seen;
}

/** The file that a module is joined to, of those that pages begin with. */
function fileFor(id, { getModuleInfo }) {
  // A worker does without the WebAssembly of other workers.
  if (id.endsWith("wasm.js")) return posix.basename(id, ".js");
  const needs = (entry) => loadedWith(join(modules, `${entry}.js`), getModuleInfo).has(id);
  if (!needs(PAGE)) return undefined;
  return [...WORKERS, ...ADAPTERS].some(needs) ? "shared" : "scorer";
}

rmSync(dist, { recursive: true, force: true });
cpSync(modules, dist, { recursive: true, filter: (file) => !file.endsWith(".js") || GLUE.test(pathOf(file)) });
const bundle = await rollup({
  input: Object.fromEntries([PAGE, ...WORKERS, ...ADAPTERS].map((name) => [name, join(modules, `${name}.js`)])),
  external: (id) => !/^[./]/.test(id) || GLUE.test(id),
  plugins: [addresses],
  onwarn: ({ message }) => {
    throw new Error(message);
  },
});
await bundle.write({
  dir: dist,
  entryFileNames: "[name].js",
  // What is not named above keeps the path of the module that it is named after.
  chunkFileNames: ({ name, moduleIds }) =>
    moduleIds.map(pathOf).find((path) => posix.basename(path, ".js") === name) ?? `${name}.js`,
  manualChunks: fileFor,
  hoistTransitiveImports: false,
  minifyInternalExports: false,
});
