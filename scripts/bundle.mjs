// Bundles the package into few files, because a browser takes milliseconds for each module before anything runs, and a
// page and each of its workers load their own. What is imported on demand stays a file of its own. WebAssembly, the model
// and declarations are copied. Usage: bundle.mjs MODULES DIST, where DIST is replaced.

import { cpSync, rmSync } from "node:fs";
import { dirname, join, posix, relative, resolve } from "node:path";
import { rollup } from "rollup";

const [modules, dist] = process.argv.slice(2).map((folder) => resolve(folder));
const PAGE = "index";
const WORKERS = ["worker", "families/family-worker", "cpu/cpu-worker", "adapt/adapted-worker", "adapt/train-worker"];
const ADAPTERS = ["rerank", "ai-sdk", "langchain"];
/** The JavaScript that wasm-bindgen wrote is not bundled: it stays beside its WebAssembly. */
const GLUE = /(^|\/)wasm\/cappy\w*\.js$/;
/** Stands in an address for the package's folder, until it is known which file the address ends up in. */
const HERE = "cappy-package:";

/** Lets `new URL("./file", import.meta.url)` lead to the same file, whichever file its module is bundled into. */
const addresses = {
  name: "addresses",
  transform(code, id) {
    const from = pathOf(dirname(id));
    const inPackage = (_, path) => `new URL("${HERE}${posix.join(from, path)}", import.meta.url)`;
    const moved = code.replace(/new URL\("([^":]+)", import\.meta\.url\)/g, inPackage);
    // Modules of the package's own folder are bundled into files of that folder, where any other address stays right.
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

/** The file that a module is bundled into, for modules that a page loads at once. */
function fileFor(id, { getModuleInfo }) {
  // Each worker needs the WebAssembly of one build alone.
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
  // Any other file keeps the path of the module that rollup names it after.
  chunkFileNames: ({ name, moduleIds }) =>
    moduleIds.map(pathOf).find((path) => posix.basename(path, ".js") === name) ?? `${name}.js`,
  manualChunks: fileFor,
  hoistTransitiveImports: false,
  minifyInternalExports: false,
});
