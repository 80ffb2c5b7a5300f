/** The extension's files in the origin private file system. A file that another page deletes meanwhile is ignored. */

/** The entries of a folder. */
export async function entries(
  folder: FileSystemDirectoryHandle,
): Promise<(FileSystemFileHandle | FileSystemDirectoryHandle)[]> {
  const found: (FileSystemFileHandle | FileSystemDirectoryHandle)[] = [];
  const look = async () => {
    for await (const entry of folder.values()) found.push(entry as FileSystemFileHandle | FileSystemDirectoryHandle);
  };
  await look().catch(unlessGone);
  return found;
}

/** Bytes of all files in a folder and below it. */
export async function bytesIn(folder: FileSystemDirectoryHandle): Promise<number> {
  let bytes = 0;
  for (const entry of await entries(folder)) {
    bytes +=
      entry instanceof FileSystemFileHandle
        ? ((await entry.getFile().catch(unlessGone))?.size ?? 0)
        : await bytesIn(entry);
  }
  return bytes;
}

function unlessGone(error: unknown): undefined {
  if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
}
