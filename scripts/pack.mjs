// Writes the npm package as it is published into a folder: dist/, its page, the licence, and package.json without what
// only this repository needs. Usage: node scripts/pack.mjs [FOLDER], by default target/npm/cappy-web
//
// The page is js/README.md. A registry shows it outside of the repository, so its links are made absolute, to where
// `repository` in package.json says.

import { access, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The repository's address for people, of package.json's `repository`. */
export function addressOf(manifest) {
  return manifest.repository.url.replace(/^git\+/, "").replace(/\.git$/, "");
}

/** The Markdown of a file in the repository, with its relative links and pictures made absolute. */
export function absoluteLinks(markdown, file, address) {
  return markdown.replace(/(!?)(\[[^\]]*\])\((?!https?:|#)([^)\s]+)\)/g, (_, picture, text, target) => {
    const path = posix.join(posix.dirname(file), target);
    return `${picture}${text}(${address}/${picture ? "raw" : "blob"}/HEAD/${path})`;
  });
}

/** Writes the package into `folder`, which is replaced. */
export async function pack(folder) {
  await access(join(root, "dist/index.js")).catch(() => {
    throw new Error("dist/index.js is missing: run `npm run build` first");
  });
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const page = await readFile(join(root, "js/README.md"), "utf8");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await cp(join(root, "dist"), join(folder, "dist"), { recursive: true });
  await cp(join(root, "LICENSE"), join(folder, "LICENSE"));
  await writeFile(join(folder, "README.md"), absoluteLinks(page, "js/README.md", addressOf(manifest)));
  for (const name of ["private", "scripts", "devDependencies"]) delete manifest[name];
  await writeFile(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? "target/npm/cappy-web";
  await pack(folder);
  console.log(folder);
}
