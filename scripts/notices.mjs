// Writes notices/native.txt and notices/web.txt: which crates are in what we give out, and their
// licences. By hand, after the lock file has changed; tests/notices.rs says when. CI does not run it,
// because cargo-about takes minutes to install and minutes to read all crates. It reads their files alone:
// nothing is asked of a server.
//
//   cargo install --locked --features cli --version 0.9.3 cargo-about
//   node scripts/notices.mjs
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const products = JSON.parse(readFileSync(join(root, "notices/products.json"), "utf8"));
const scratch = mkdtempSync(join(tmpdir(), "cappy-notices-"));
try {
  for (const [product, about] of Object.entries(products)) {
    writeFileSync(join(root, `notices/${product}.txt`), text(about, collect(product, about)));
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

function text({ title }, { crates, licenses }) {
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
    heading(title, "="),
    "Cappy itself is under the Apache License 2.0. It contains the Rust crates that are listed here, unchanged,\n" +
      "and the Rust standard library (MIT or Apache-2.0, https://github.com/rust-lang/rust). The source of each\n" +
      "crate is at the address beside it. Where a crate offers a choice of licences, the text that is used follows.",
    heading("Crates", "-"),
    [...new Set(lines)].sort().join("\n"),
    ...notices(packages),
    ...grouped(licenses).flatMap(({ name, users, text }) => [
      heading(name, "-"),
      `For ${[...users].sort().join(", ")}.`,
      text.trim(),
    ]),
  ];
  return `${parts.join("\n\n")}\n`.replaceAll("\r", "");
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
