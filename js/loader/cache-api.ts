import { entriesBelow } from "./memory.js";
import type { Entry, PieceStore } from "./store.js";

/** The cache takes only addresses as names. This host never exists. */
const BASE = "https://cappy.invalid/";
/** The header with an item's length, so that listing does not read the item. */
const SIZE = "x-size";

/** The store in the Cache API; `null` where the browser has none or refuses it. */
export async function openCacheStore(): Promise<PieceStore | null> {
  try {
    return new CacheStore(await caches.open("cappy"));
  } catch {
    return null;
  }
}

class CacheStore implements PieceStore {
  constructor(readonly cache: Cache) {}

  async get(path: readonly string[]): Promise<Uint8Array | null> {
    const found = await this.cache.match(BASE + path.join("/"));
    return found ? new Uint8Array(await found.arrayBuffer()) : null;
  }

  async put(path: readonly string[], bytes: Uint8Array): Promise<void> {
    const headers = { [SIZE]: String(bytes.length) };
    await this.cache.put(BASE + path.join("/"), new Response(bytes as Uint8Array<ArrayBuffer>, { headers }));
  }

  async delete(path: readonly string[]): Promise<void> {
    const at = BASE + path.join("/");
    for (const { url } of await this.cache.keys()) {
      if (url === at || url.startsWith(`${at}/`)) await this.cache.delete(url);
    }
  }

  async list(path: readonly string[]): Promise<Entry[]> {
    const items: [string[], number][] = [];
    for (const request of await this.cache.keys()) {
      const names = request.url.slice(BASE.length).split("/");
      if (!path.every((part, i) => names[i] === part)) continue;
      // Only items in this folder itself have a size in the list.
      const found = names.length === path.length + 1 ? await this.cache.match(request) : undefined;
      items.push([names, Number(found?.headers.get(SIZE) ?? 0)]);
    }
    return entriesBelow(path, items);
  }
}
