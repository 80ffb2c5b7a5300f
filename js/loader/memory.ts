import type { Entry, PieceStore } from "./store.js";

/** A store in memory, for small files where the browser has no storage. */
export class MemoryStore implements PieceStore {
  readonly #items = new Map<string, Uint8Array>();

  async get(path: readonly string[]): Promise<Uint8Array | null> {
    return this.#items.get(path.join("/"))?.slice() ?? null;
  }

  async put(path: readonly string[], bytes: Uint8Array): Promise<void> {
    this.#items.set(path.join("/"), bytes.slice());
  }

  async delete(path: readonly string[]): Promise<void> {
    const at = path.join("/");
    for (const key of this.#items.keys()) {
      if (key === at || key.startsWith(`${at}/`)) this.#items.delete(key);
    }
  }

  async list(path: readonly string[]): Promise<Entry[]> {
    return entriesBelow(
      path,
      [...this.#items].map(([key, bytes]) => [key.split("/"), bytes.length]),
    );
  }
}

/** The entries of a folder, from the paths and sizes of all items. */
export function entriesBelow(path: readonly string[], items: [string[], number][]): Entry[] {
  const entries = new Map<string, Entry>();
  for (const [item, size] of items) {
    const name = item[path.length];
    if (name === undefined || !path.every((part, i) => item[i] === part)) continue;
    entries.set(name, { name, size: item.length === path.length + 1 ? size : 0 });
  }
  return [...entries.values()];
}
