// Builds the extension into extension/dist/chrome and extension/dist/firefox.
// The package is not bundled: dist/ is copied beside the pages, so that reviewers find it unchanged.
// Nothing is minified, because reviewers read it.
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import licensePlugin from "rollup-plugin-license";

/** Its types name a default export that it does not have. @type {any} */
const license = licensePlugin;

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "dist");
const packageFolder = join(here, "../dist");
/** The colours that the pages of the site have, too. */
const PALETTE = join(here, "../www/palette.css");
const { version, exports } = await readJson("../package.json");

/** Pages by their path without ending: a script, and an html file beside it. */
const PAGES = ["popup/popup", "panel/panel", "options/options"];

const ENTRIES = {
  chrome: { "background/background": "background/chrome.ts", "engine/offscreen": "engine/offscreen.ts" },
  firefox: { "background/background": "background/firefox.ts" },
};

/** A file that is left out of one browser's build. */
const NOT_IN = { firefox: ["engine/offscreen.html"], chrome: [] };

async function readJson(path) {
  return JSON.parse(await readFile(join(here, path), "utf8"));
}

/** The hosts of all site adapters, and any other one that a person may allow: the manifest and the adapters cannot disagree. */
async function hosts() {
  const code = await bundleText("sites/index.ts");
  const { SITES } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  return [...new Set(SITES.flatMap(({ matches }) => matches)), "http://*/*", "https://*/*"];
}

/** The colours of the palette by name, for scripts. */
async function palette() {
  const css = await readFile(PALETTE, "utf8");
  const [light, dark, ...more] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, block]) =>
    Object.fromEntries([...block.matchAll(/(--[\w-]+):\s*(#[0-9a-f]{6});/g)].map(([, name, color]) => [name, color])),
  );
  if (!dark || more.length > 0) throw new Error(`${PALETTE} does not have one list of light and one of dark colours`);
  return { light, dark };
}

/** Bytes of the files of the model that comes along, which pages tell people. */
async function ownModelBytes() {
  const folder = join(packageFolder, "model");
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Bundles; what is in it of packages by others is put into `others` by name. */
async function bundle(input, output, others = new Map()) {
  const define = { PALETTE: JSON.stringify(await palette()), OWN_MODEL_BYTES: String(await ownModelBytes()) };
  const build = await rolldown({
    input,
    plugins: [license({ thirdParty: (packages) => packages.forEach((each) => others.set(each.name, each)) })],
    // The address is that of the extension's root, wherever the importing script is.
    external: ["cappy-web"],
    tsconfig: false,
    transform: { target: "es2022", define },
    onLog(level, log) {
      if (level === "warn") throw new Error(log.message);
    },
  });
  const result = await build[output.dir ? "write" : "generate"]({
    paths: { "cappy-web": "/cappy-web/index.js" },
    chunkFileNames: "shared/[name].js",
    // What documents the source stays, for reviewers.
    comments: { jsdoc: true, legal: true, annotation: false },
    ...output,
  });
  await build.close();
  return result.output;
}

/** A script as one text, for whoever runs it elsewhere: this build, and tests. */
export async function bundleText(path, output = {}) {
  const [chunk] = await bundle(join(here, path), { format: "es", codeSplitting: false, ...output });
  return chunk.code;
}

async function buildManifest(browser, folder) {
  const manifest = { ...(await readJson("manifest.json")), version, ...(await readJson(`manifest.${browser}.json`)) };
  manifest.optional_host_permissions = await hosts();
  await writeFile(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Copies pages and styles to where they are in the source. */
async function copyPages(browser, folder) {
  for (const entry of await readdir(here, { recursive: true, withFileTypes: true })) {
    const path = relative(here, join(entry.parentPath, entry.name));
    if (!entry.isFile() || path.startsWith("dist") || !/\.(html|css|png)$/.test(path)) continue;
    if (NOT_IN[browser].includes(path)) continue;
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await cp(join(here, path), join(folder, path));
  }
  await cp(PALETTE, join(folder, "ui/palette.css"));
}

/** The package without its types and without its adapters for other libraries. */
async function copyPackage(folder) {
  const others = Object.entries(exports)
    .filter(([name, { default: file }]) => name !== "." && file)
    .map(([, { default: file }]) => join(here, "..", file));
  await cp(packageFolder, folder, {
    recursive: true,
    filter: (path) => !path.endsWith(".d.ts") && !others.includes(path),
  });
}

/** The terms of the packages that are bundled. Those of the package's WebAssembly are in its own folder. */
function notices(others) {
  const each = [...others.values()]
    .sort((a, b) => a.name.localeCompare(b.name))
    .map(({ name, version, license, licenseText, repository }) => {
      if (!licenseText) throw new Error(`${name} comes without the text of its licence`);
      return `${name} ${version}: ${license}, ${repository?.url ?? repository}\n\n${licenseText.trim()}\n`;
    });
  return `Software by others in this extension's scripts. For the work of others in cappy-web/, that in its model too, see the file of this name there.\n\n${each.join("\n")}`;
}

async function buildFor(browser) {
  const folder = join(out, browser);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const pages = PAGES.map((name) => [name, `${name}.ts`]);
  const entries = [...Object.entries(ENTRIES[browser]), ...pages].map(([name, path]) => [name, join(here, path)]);
  const others = new Map();
  await bundle(Object.fromEntries(entries), { dir: folder, format: "es" }, others);
  // A content script is a classic script, and has to be one file.
  await bundle({ content: join(here, "content/content.ts") }, { dir: folder, format: "iife" }, others);
  await writeFile(join(folder, "THIRD-PARTY-NOTICES.txt"), notices(others));
  await buildManifest(browser, folder);
  await copyPages(browser, folder);
  await copyPackage(join(folder, "cappy-web"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const browser of Object.keys(ENTRIES)) await buildFor(browser);
}
