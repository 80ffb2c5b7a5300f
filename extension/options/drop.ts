/** Files and folders that are dropped on a page. */
import { coded } from "../ui/errors.js";

/**
 * Calls `take` with the files that are dropped anywhere on the page. Of a folder, these are the files directly in it,
 * with the folder's name. Calls `fail` with the error where it cannot be read.
 */
export function onDropped(
  take: (files: File[], folder: string | undefined) => void,
  fail: (error: unknown) => void,
): void {
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    // The dropped items must be read before any `await`, after which the browser has removed them.
    const items = [...event.dataTransfer!.items].filter(({ kind }) => kind === "file");
    const dropped = items.map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
    const folders = dropped.map(({ entry }) => entry).filter((entry) => entry?.isDirectory);
    read(dropped, folders as FileSystemDirectoryEntry[]).then((files) => take(files, folders[0]?.name), fail);
  });
}

async function read(dropped: { file: File | null }[], [folder, another]: FileSystemDirectoryEntry[]): Promise<File[]> {
  if (!folder) return dropped.flatMap(({ file }) => file ?? []);
  if (another || dropped.length > 1)
    throw coded("input", "several things were dropped: drop one folder, or files without folders");
  const files = await filesIn(folder);
  if (files.length === 0)
    throw coded("input", `${folder.name} has no files of its own: drop the folder with the model's files`);
  return files;
}

async function filesIn(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const files: File[] = [];
  for (;;) {
    // A reader hands out a folder in pieces, and ends with an empty one.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return files;
    for (const entry of entries) {
      if (entry.isFile)
        files.push(await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)));
    }
  }
}
