// What is published, without publishing it: the npm package as a registry would get it, its page, and what the
// crates and the extension say of themselves.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { absoluteLinks, addressOf, pack } from "../../scripts/pack.mjs";

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
