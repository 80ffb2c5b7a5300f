// Builds the demo page and the bench page into a site that any web server can serve: the scripts and the stylesheets of
// each in one file, so that a phone on a slow network waits for few answers, and the figures filled in.
// Usage: build-pages.mjs SITE DIST [--quick], with the built package's folder. With --quick nothing is minified.

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { factsOf, fillPage, knownDevices, linksOf, strengths } from "./page-facts.mjs";

const www = fileURLToPath(new URL("../www", import.meta.url));
const [site, dist, quick] = process.argv.slice(2);
if (!site || !dist) throw new Error("usage: build-pages.mjs SITE DIST [--quick]");
mkdirSync(site, { recursive: true });

const options = /** @type {const} */ ({
  bundle: true,
  minify: !quick,
  format: "esm",
  target: "es2022",
  logLevel: "warning",
  outdir: site,
});

await build({
  ...options,
  entryPoints: ["main", "bench", "bench-worker"].map((name) => join(www, `${name}.js`)),
  plugins: [
    {
      name: "what the build puts beside the page",
      setup({ onResolve }) {
        onResolve({ filter: /^\.\/cappy-(web|bench)\// }, ({ path }) => ({ path, external: true }));
        // Not from the package's folder: without the package the page still has to say what is missing.
        onResolve({ filter: /^\.\/order\.js$/ }, () => ({ path: join(www, "../js/order.ts") }));
      },
    },
  ],
});

const facts = factsOf(dist, { quick: Boolean(quick) });
const sets = strengths();
for (const name of ["index", "bench"]) {
  const html = fillPage(readFileSync(join(www, `${name}.html`), "utf8"), facts, sets, linksOf());
  const sheets = /(?:\s*<link rel="stylesheet" href="[\w.-]+">)+/;
  const [links] = sheets.exec(html) ?? [""];
  const files = [...links.matchAll(/href="([^"]+)"/g)].map(([, file]) => `@import "./${file}";`);
  await build({
    ...options,
    stdin: { contents: files.join("\n"), resolveDir: www, loader: "css" },
    outdir: undefined,
    outfile: join(site, `${name}.css`),
  });
  writeFileSync(join(site, `${name}.html`), html.replace(sheets, `\n  <link rel="stylesheet" href="${name}.css">`));
}

writeFileSync(join(site, "devices.json"), JSON.stringify(knownDevices()));

// As they are: pictures, the service worker, and what the pages of the docs look like.
const asTheyAre = /\.(svg|png|webmanifest)$|^sw\.js$|^(palette|style|tables|docs)\.css$/;
for (const name of readdirSync(www).filter((file) => asTheyAre.test(file))) cpSync(join(www, name), join(site, name));
