/** Models from folders: the options page copied their files into the extension's own storage. */

/** Where the copies are, at the root of the origin's private files: one folder a model. */
export const PICKED = "picked";

/** The files of a copied folder. A missing folder has none, which loading then complains of. */
export async function pickedFiles(name: string): Promise<File[]> {
  const files: File[] = [];
  try {
    const root = await navigator.storage.getDirectory();
    const folder = await (await root.getDirectoryHandle(PICKED)).getDirectoryHandle(name);
    for await (const handle of folder.values()) {
      if (handle.kind === "file") files.push(await (handle as FileSystemFileHandle).getFile());
    }
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
  }
  return files;
}
