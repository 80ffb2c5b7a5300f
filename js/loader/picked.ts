import { CappyError } from "../error.js";
import { type OpenFile, openFileAtHand } from "./files.js";

/** A file in a form that can be sent to a worker. Node would send a `File` without its name. */
export interface SentFile {
  /** Its name, with the folder that it was picked in, where that is known. */
  path: string;
  file: Blob;
}

/** Where a model comes from, in a form that can be sent to a worker; `undefined` for the package's own model. */
export type PlainSource = string | SentFile[] | undefined;

/** Files in that form. */
export function sendable(files: Iterable<File | SentFile>): SentFile[] {
  return Array.from(files, (file) => ("file" in file ? file : { file, path: file.webkitRelativePath || file.name }));
}

/**
 * Finds files by name among those that a person picked or dropped. In a folder with other folders in it, such
 * as a training's checkpoints, the model is what lies beside the outermost `config.json`; files in folders
 * below it have their path as a name. Throws `input` where two files have one name.
 */
export function pickedFiles(files: Iterable<File | SentFile>): { name: string; open(name: string): OpenFile | null } {
  // Files that were picked one by one have no path, so the name of a path's last part finds them, too.
  const picked = sendable(files);
  const configs = picked.filter(({ path }) => /(^|\/)(adapter_)?config\.json$/.test(path));
  const depth = (path: string) => path.split("/").length;
  const paths = (configs.length > 0 ? configs : picked).map(({ path }) => path);
  const outermost = paths.filter((path) => paths.every((other) => depth(path) <= depth(other)));
  const folders = new Set(outermost.map((path) => path.slice(0, path.lastIndexOf("/") + 1)));
  if (folders.size > 1) {
    throw new CappyError("input", outermost[0]!, `and ${outermost[1]} were picked; pick one model's folder`);
  }
  const [folder = ""] = folders;
  const byName = new Map<string, Blob>();
  for (const { file, path } of picked) {
    if (!path.startsWith(folder)) continue;
    const name = path.slice(folder.length);
    if (byName.has(name)) {
      throw new CappyError("input", name, "two files of this name were picked; pick one model's folder");
    }
    byName.set(name, file);
  }
  return {
    name: "the picked files",
    open(name) {
      const file = byName.get(name) ?? byName.get(name.slice(name.lastIndexOf("/") + 1));
      if (!file) return null;
      const read = async (start: number, end: number) => new Uint8Array(await file.slice(start, end).arrayBuffer());
      return openFileAtHand(name, file.size, read);
    },
  };
}
