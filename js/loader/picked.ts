import { CappyError } from "../error.js";
import { type OpenFile, openFileAtHand } from "./files.js";

/** Finds files that a person picked or dropped by name. Throws `input` where two have one name. */
export function pickedFiles(files: Iterable<File>): { name: string; open(name: string): OpenFile | null } {
  const byName = new Map<string, File>();
  for (const file of files) {
    if (byName.has(file.name)) {
      throw new CappyError("input", file.name, "two files of this name were picked; pick one model's folder");
    }
    byName.set(file.name, file);
  }
  return {
    name: "the picked files",
    open(name) {
      // A picked file does not say in which folder of the model it was.
      const file = byName.get(name.slice(name.lastIndexOf("/") + 1));
      if (!file) return null;
      const read = async (start: number, end: number) =>
        new Uint8Array(await file.slice(start, end).arrayBuffer());
      return openFileAtHand(name, file.size, read);
    },
  };
}
