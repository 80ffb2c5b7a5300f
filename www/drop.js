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
 * The files of a folder, without those of folders in it.
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesIn(entry) {
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {File[]} */
  const files = [];
  for (;;) {
    // A reader hands out a folder in pieces, and ends with an empty one.
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) {
      if (files.length > 0) return files;
      throw new Error(`${entry.name} has no files of its own; drop the folder with the model's files`);
    }
    for (const each of entries) {
      if (each.isFile) files.push(await new Promise((resolve, reject) => each.file(resolve, reject)));
    }
  }
}
