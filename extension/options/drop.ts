/** Files and folders that are dropped on a page. */
import { located } from "../engine/folder.js";
import { coded } from "../ui/errors.js";

/**
 * Calls `take` with the files that are dropped anywhere on the page. Of a folder, these are the files directly in it,
 * and where it lists modules those of the folders in it, too. Calls `fail` with the error where it cannot be read.
 */
export function onDropped(take: (files: File[]) => void, fail: (error: unknown) => void): void {
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
    read(dropped, folders as FileSystemDirectoryEntry[]).then(take, fail);
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

/** The files of a folder, with their paths. Of one that is a chain of modules, each module has a folder in it. */
async function filesIn(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const entries = await entriesOf(folder);
  const files = await filesOf(folder.name, entries);
  if (!files.some(({ name }) => name === "modules.json")) return files;
  for (const module of entries.filter(({ isDirectory }) => isDirectory) as FileSystemDirectoryEntry[]) {
    files.push(...(await filesOf(`${folder.name}/${module.name}`, await entriesOf(module))));
  }
  return files;
}

/** Those of a folder's entries that are files. The browser does not give their paths. */
function filesOf(folder: string, entries: FileSystemEntry[]): Promise<File[]> {
  const files = entries.filter(({ isFile }) => isFile) as FileSystemFileEntry[];
  return Promise.all(
    files.map(async (entry) => {
      const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
      return located(file, `${folder}/${file.name}`);
    }),
  );
}

async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    // A reader hands out a folder in pieces, and ends with an empty one.
    const piece = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (piece.length === 0) return entries;
    entries.push(...piece);
  }
}
