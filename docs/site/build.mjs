// Builds the documentation site of docs/, of other pages that pages.mjs names, and of the doc comments of TypeScript
// and Rust. Usage: node docs/site/build.mjs FOLDER, where the site comes to be. It has to be below the demo page for the
// links between them: site/docs.
//
// DOCS_BASE  the path under which the folder is served, by default /docs/
//
// The pages are written to docs/site/pages/ first, with links between files of the repository turned into links
// between pages. VitePress makes the site of them, and fails where a link leads nowhere.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { addressOf } from "../../scripts/pack.mjs";
import { NAMES } from "./pages.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
const pages = join(here, "pages");
const out = process.argv[2];
if (!out) throw new Error("usage: node docs/site/build.mjs FOLDER");
const repository = addressOf(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));

rmSync(pages, { recursive: true, force: true });
mkdirSync(join(pages, "public"), { recursive: true });
for (const name of readdirSync(join(root, "docs"))) {
  if (name.endsWith(".md") && !NAMES.has(`docs/${name}`))
    throw new Error(`docs/${name} is in no group of docs/site/pages.mjs`);
}
cpSync(join(root, "www/favicon.svg"), join(pages, "public/favicon.svg"));
cpSync(join(here, "home.md"), join(pages, "index.md"));
for (const [file, name] of NAMES) writeFileSync(join(pages, `${name}.md`), pageOf(file));

/** A file as a page: its links lead to other pages, to pictures beside it, or to the repository. */
function pageOf(file) {
  let inCode = false;
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  return lines
    .map((line) => {
      if (/^\s*```/.test(line)) inCode = !inCode;
      if (inCode) return line;
      return line.replace(/\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)/g, (_, target, anchor = "") => {
        const path = posix.join(posix.dirname(file), target).replace(/\/$/, "");
        if (!existsSync(join(root, path))) throw new Error(`${file}: there is no ${path}`);
        if (NAMES.has(path)) return `](./${NAMES.get(path)}.md${anchor})`;
        if (!/\.(svg|png)$/.test(path)) return `](${repository}/blob/HEAD/${path}${anchor})`;
        mkdirSync(dirname(join(pages, "pictures", path)), { recursive: true });
        cpSync(join(root, path), join(pages, "pictures", path));
        return `](./pictures/${path})`;
      });
    })
    .join("\n");
}

function run(program, args, options = {}) {
  execFileSync(process.execPath, [join(here, "node_modules", program), ...args], { stdio: "inherit", ...options });
}

run("typedoc/bin/typedoc", ["--options", join(here, "typedoc.json"), "--out", join(pages, "api")], { cwd: root });
run("vitepress/bin/vitepress.js", ["build", here, "--outDir", resolve(out)], {
  env: { ...process.env, DOCS_REPOSITORY: repository },
});

// What rustdoc wrote, where it was run: `cargo doc --no-deps`.
if (existsSync(join(root, "target/doc/cappy")))
  cpSync(join(root, "target/doc"), join(out, "rust"), { recursive: true });
