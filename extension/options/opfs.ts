/** What is in a folder of the extension's storage. */
export async function entries(folder: FileSystemDirectoryHandle): Promise<(FileSystemFileHandle | FileSystemDirectoryHandle)[]> {
  const found: (FileSystemFileHandle | FileSystemDirectoryHandle)[] = [];
  for await (const entry of folder.values()) found.push(entry as FileSystemFileHandle | FileSystemDirectoryHandle);
  return found;
}

/** Bytes of all files in a folder and below it. */
export async function bytesIn(folder: FileSystemDirectoryHandle): Promise<number> {
  let bytes = 0;
  for (const entry of await entries(folder)) {
    bytes += entry instanceof FileSystemFileHandle ? (await entry.getFile()).size : await bytesIn(entry);
  }
  return bytes;
}
