// Writes what is inside of what we give out as lists in CycloneDX's form (SBOM), for the npm package, the extension
// and the command line. Usage: node scripts/sbom.mjs FOLDER
//
// `npm sbom` describes the package itself, which has no dependencies. What it was made from, crates and the model, is
// taken from the notices, which cargo-about wrote and tests compare with the lock files.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (name) => readFileSync(join(root, name), "utf8");

/** What a notice says of others' software: lines of `name version: licence, address`. */
export function listed(notice, ecosystem) {
  const lines = [...notice.matchAll(/^([\w@/.-]+) (\d+\.[^\s:]+): ([^,\n]+)(?:, (https:\S+))?$/gm)];
  return lines.map(([, name, version, license, address]) => {
    const purl = `pkg:${ecosystem}/${name.replace("@", "%40")}@${version.replace("+", "%2B")}`;
    return {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      licenses: [{ expression: license }],
      purl,
      ...(address && { externalReferences: [{ type: "vcs", url: address }] }),
    };
  });
}

/** The lists by product. */
export function lists() {
  const { name, version } = JSON.parse(read("package.json"));
  const npm = [
    "sbom",
    "--sbom-format=cyclonedx",
    "--package-lock-only",
    "--omit=dev",
    "--omit=peer",
    "--omit=optional",
  ];
  const base = JSON.parse(execFileSync("npm", npm, { cwd: root, encoding: "utf8" }));
  const model = {
    type: "machine-learning-model",
    "bom-ref": "cappy-small",
    name: "cappy-small",
    version,
    licenses: [{ expression: "Apache-2.0" }],
  };
  const web = listed(read("notices/web.txt"), "cargo");
  const product = (own, components) => {
    const component = { ...base.metadata.component, ...own, "bom-ref": own.purl };
    delete component.properties;
    return {
      ...base,
      serialNumber: `urn:uuid:${crypto.randomUUID()}`,
      metadata: { ...base.metadata, component },
      components: [model, ...components],
      dependencies: [{ ref: own.purl, dependsOn: [model, ...components].map((each) => each["bom-ref"]) }],
    };
  };
  const own = (type, name, purl) => ({ type, name, version, purl: `${purl}@${version}` });
  return {
    [name]: product(own("library", name, `pkg:npm/${name}`), web),
    "cappy-extension": product(own("application", "cappy-extension", "pkg:generic/cappy-extension"), [
      ...web,
      ...listed(read("extension/dist/chrome/THIRD-PARTY-NOTICES.txt"), "npm"),
    ]),
    "cappy-cli": product(
      own("application", "cappy-cli", "pkg:cargo/cappy-cli"),
      listed(read("crates/cli/src/notices.txt"), "cargo"),
    ),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (!folder) throw new Error("usage: node scripts/sbom.mjs FOLDER");
  mkdirSync(folder, { recursive: true });
  for (const [name, list] of Object.entries(lists())) {
    const file = join(folder, `${name}.cdx.json`);
    writeFileSync(file, `${JSON.stringify(list, null, 2)}\n`);
    console.log(`${file}: ${list.components.length} components`);
  }
}
