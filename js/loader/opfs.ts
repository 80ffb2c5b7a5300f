import type { Entry, PieceStore } from "./store.js";

/** The store in the origin private file system; `null` where the browser has none or refuses it. */
export async function openOpfsStore(): Promise<PieceStore | null> {
  try {
    const handles = FileSystemFileHandle.prototype;
    // A browser without both cannot write from this thread.
    if (!("createWritable" in handles) && !("createSyncAccessHandle" in handles)) return null;
    const root = await navigator.storage.getDirectory();
    return new OpfsStore(await root.getDirectoryHandle("cappy", { create: true }));
  } catch {
    return null;
  }
}

/** A method that only dedicated workers have, and that the DOM's types lack. */
interface SyncHandles {
  createSyncAccessHandle(): Promise<{
    write(bytes: Uint8Array, options: { at: number }): number;
    truncate(size: number): void;
    flush(): void;
    close(): void;
  }>;
}

class OpfsStore implements PieceStore {
  constructor(readonly root: FileSystemDirectoryHandle) {}

  async get(path: readonly string[]): Promise<Uint8Array | null> {
    return absentAsNull(async () => {
      const file = await (await this.#file(path, false)).getFile();
      return new Uint8Array(await file.arrayBuffer());
    });
  }

  async put(path: readonly string[], bytes: Uint8Array): Promise<void> {
    const handle = await this.#file(path, true);
    if ("createWritable" in handle) {
      const out = await handle.createWritable();
      try {
        await out.write(bytes as Uint8Array<ArrayBuffer>);
      } catch (error) {
        await out.abort().catch(() => {});
        throw error;
      }
      return out.close();
    }
    const out = await (handle as SyncHandles).createSyncAccessHandle();
    try {
      out.truncate(0);
      // On a full disk fewer bytes are written than were given.
      if (out.write(bytes, { at: 0 }) !== bytes.length) {
        throw new DOMException("a write fell short", "QuotaExceededError");
      }
      out.flush();
    } finally {
      out.close();
    }
  }

  async delete(path: readonly string[]): Promise<void> {
    await absentAsNull(async () => {
      const folder = await this.#folder(path.slice(0, -1), false);
      await folder.removeEntry(path.at(-1)!, { recursive: true });
    });
  }

  async list(path: readonly string[]): Promise<Entry[]> {
    const entries = await absentAsNull(async () => {
      const found: Entry[] = [];
      for await (const [name, handle] of (await this.#folder(path, false)).entries()) {
        const file = handle.kind === "file" ? (handle as FileSystemFileHandle) : null;
        // Another tab may delete it after it was listed.
        const size = file && (await absentAsNull(async () => (await file.getFile()).size));
        if (!file || size !== null) found.push({ name, size: size ?? 0 });
      }
      return found;
    });
    return entries ?? [];
  }

  async #folder(path: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle> {
    let folder = this.root;
    for (const name of path) folder = await folder.getDirectoryHandle(name, { create });
    return folder;
  }

  async #file(path: readonly string[], create: boolean): Promise<FileSystemFileHandle> {
    const folder = await this.#folder(path.slice(0, -1), create);
    return folder.getFileHandle(path.at(-1)!, { create });
  }
}

async function absentAsNull<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotFoundError") return null;
    throw error;
  }
}
