// Which files are documentation, for the tests that look at them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Folders with pages of their own, besides the root and docs/. */
const FOLDERS = ["js", "bench/peers", "models/cappy-mini", "models/cappy-small"];

/** Each page's path from the root with its text. */
export function pages() {
  const below = (folder) =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${folder}/${name}`);
  const folders = [".", "docs", "store", ...FOLDERS, ...below("examples"), ...below("crates")];
  const files = folders.flatMap((folder) => {
    let names;
    try {
      names = readdirSync(join(root, folder));
    } catch {
      return [];
    }
    return names.filter((name) => name.endsWith(".md")).map((name) => (folder === "." ? name : `${folder}/${name}`));
  });
  return new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
}

/** The blocks of code of a page: what language it says, the text, and the line where it begins. */
export function blocksOf(text) {
  return [...text.matchAll(/^( *)```(\S*)[^\n]*\n(.*?)^\1```$/gms)].map(
    ({ 1: indent, 2: language, 3: code, index }) => ({
      language,
      code: code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
      line: text.slice(0, index).split("\n").length,
    }),
  );
}
