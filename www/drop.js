import { byId } from "./dom.js";

/**
 * Handles files and folders that are dropped anywhere on the page.
 * @param {(files: File[]) => void} take
 * @param {(error: unknown) => void} fail called when a folder cannot be read
 */
export function dropped(take, fail) {
  const hint = byId("drop-hint", HTMLElement);
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hint.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) hint.hidden = true;
  });
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hint.hidden = true;
    // The entries must be read before any `await`, after which the list is empty.
    const items = [...(event.dataTransfer?.items ?? [])].filter(({ kind }) => kind === "file");
    const taken = items.map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
    try {
      const files = await Promise.all(
        taken.map(({ entry, file }) => (entry?.isDirectory ? filesIn(entry) : file ? [file] : [])),
      );
      if (files.flat().length > 0) take(files.flat());
    } catch (error) {
      fail(error);
    }
  });
}

/**
 * The files of a folder, with their paths, and where it lists modules, those of the folders in it, too.
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesIn(entry) {
  const entries = await entriesOf(entry);
  const files = await filesOf(entry.name, entries);
  if (files.length === 0) {
    throw new Error(`${entry.name} has no files of its own; drop the folder with the model's files`);
  }
  if (!files.some(({ name }) => name === "modules.json")) return files;
  for (const module of entries.filter(({ isDirectory }) => isDirectory)) {
    files.push(...(await filesOf(`${entry.name}/${module.name}`, await entriesOf(module))));
  }
  return files;
}

/**
 * @param {FileSystemEntry} folder
 * @returns {Promise<FileSystemEntry[]>}
 */
async function entriesOf(folder) {
  const reader = /** @type {FileSystemDirectoryEntry} */ (folder).createReader();
  /** @type {FileSystemEntry[]} */
  const entries = [];
  for (;;) {
    // A reader hands out a folder in pieces, and ends with an empty one.
    const piece = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (piece.length === 0) return entries;
    entries.push(...piece);
  }
}

/**
 * Those of a folder's entries that are files, with their paths, which the browser gives only to chosen files.
 * @param {string} folder
 * @param {FileSystemEntry[]} entries
 * @returns {Promise<File[]>}
 */
function filesOf(folder, entries) {
  const files = /** @type {FileSystemFileEntry[]} */ (entries.filter(({ isFile }) => isFile));
  return Promise.all(
    files.map(async (entry) => {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      return Object.defineProperty(file, "webkitRelativePath", { value: `${folder}/${file.name}` });
    }),
  );
}
