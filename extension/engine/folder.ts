/** Models from folders: the options page copied their files into the extension's own storage. */

/** Where the copies are, at the root of the origin's private files: one folder a model. */
export const PICKED = "picked";

/** The files of a copied folder, and of the folders of its modules. A missing folder has none, which loading then complains of. */
export async function pickedFiles(name: string): Promise<File[]> {
  try {
    const root = await navigator.storage.getDirectory();
    return await filesIn(await (await root.getDirectoryHandle(PICKED)).getDirectoryHandle(name), name);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
    return [];
  }
}

async function filesIn(folder: FileSystemDirectoryHandle, path: string): Promise<File[]> {
  const files: File[] = [];
  for await (const handle of folder.values()) {
    const below = `${path}/${handle.name}`;
    if (handle.kind === "file") files.push(located(await (handle as FileSystemFileHandle).getFile(), below));
    else files.push(...(await filesIn(handle as FileSystemDirectoryHandle, below)));
  }
  return files;
}

/** A file's path: the chosen folder's name and those below it, as far as the browser tells them, and its own name. */
export const pathOf = (file: File): string => file.webkitRelativePath || file.name;

/** The file with a path, which browsers give only to what was chosen by a folder. */
export const located = (file: File, path: string): File =>
  Object.defineProperty(file, "webkitRelativePath", { value: path });
