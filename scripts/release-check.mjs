// Whether this checkout can be released: node scripts/release-check.mjs [TAG] [--notes]
// Says what is in the way and fails, or prints the version. With --notes it prints what CHANGELOG.md says of the version.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { addressOf } from "./pack.mjs";

const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

/** What CHANGELOG.md has under the heading of a version, or undefined. */
export function notesOf(changelog, version) {
  const sections = changelog.split(/^## /m);
  const section = sections.find((text) => text.startsWith(`[${version}]`));
  return section?.slice(section.indexOf("\n")).trim();
}

/** What is in the way of releasing `version` under `tag`. */
export function problems({ manifest, changelog, tag }) {
  const found = [];
  if (tag && tag !== `v${manifest.version}`) found.push(`the tag is ${tag}, and package.json has ${manifest.version}`);
  if (addressOf(manifest).includes("/OWNER/"))
    found.push("the repository's address still has OWNER in it: docs/releasing.md says what to fill in");
  if (!notesOf(changelog, manifest.version)) found.push(`CHANGELOG.md has no section [${manifest.version}]`);
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [tag] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const manifest = JSON.parse(read("package.json"));
  const changelog = read("CHANGELOG.md");
  const found = problems({ manifest, changelog, tag });
  if (process.argv.includes("--notes")) console.log(notesOf(changelog, manifest.version) ?? "");
  else console.log(found.length > 0 ? found.map((each) => `- ${each}`).join("\n") : manifest.version);
  if (found.length > 0) process.exitCode = 1;
}
