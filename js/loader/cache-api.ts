import { entriesBelow } from "./memory.js";
import type { Entry, PieceStore } from "./store.js";

/** A host that never exists: the cache wants addresses as names. */
const BASE = "https://cappy.invalid/";
/** Length of an item, so that listing need not read it. */
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
    const kept = await this.cache.match(BASE + path.join("/"));
    return kept ? new Uint8Array(await kept.arrayBuffer()) : null;
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
      // Sizes matter for items of this folder only.
      const kept = names.length === path.length + 1 ? await this.cache.match(request) : undefined;
      items.push([names, Number(kept?.headers.get(SIZE) ?? 0)]);
    }
    return entriesBelow(path, items);
  }
}
