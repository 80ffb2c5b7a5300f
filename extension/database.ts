/** Small databases of the extension's own origin, each with one store. Pages and content scripts cannot reach them. */

const STORE = "kept";

/** What is stored under a key; `undefined` where nothing is. Reading does not create the database. */
export async function readFrom(database: string, key: string): Promise<unknown> {
  const databases = await indexedDB.databases();
  if (!databases.some(({ name }) => name === database)) return undefined;
  return inStore(database, "readonly", (store) => done(store.get(key)));
}

/** Changes what is stored under a key and returns it, in one transaction, so that concurrent changes are not lost. */
export async function changeIn<T>(database: string, key: string, change: (stored: unknown) => T): Promise<T> {
  return inStore(database, "readwrite", async (store) => {
    const changed = change(await done(store.get(key)));
    await done(store.put(changed, key));
    return changed;
  });
}

/** Deletes a database; nothing happens where there is none. */
export async function deleteDatabase(database: string): Promise<void> {
  await done(indexedDB.deleteDatabase(database));
}

/** Opens the store for one transaction: a database that stays open could not be deleted. */
async function inStore<T>(
  name: string,
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => Promise<T>,
): Promise<T> {
  const opening = indexedDB.open(name, 1);
  opening.addEventListener("upgradeneeded", () => opening.result.createObjectStore(STORE));
  const database = await done(opening);
  database.addEventListener("versionchange", () => database.close());
  try {
    const transaction = database.transaction(STORE, mode);
    const ended = new Promise<void>((resolve, reject) => {
      transaction.addEventListener("complete", () => resolve());
      transaction.addEventListener("abort", () =>
        reject(transaction.error ?? new Error("The browser did not store it")),
      );
    });
    // When the transaction fails, so does `work`, whose error is the one that is thrown.
    ended.catch(() => {});
    const result = await work(transaction.objectStore(STORE));
    await ended;
    return result;
  } finally {
    database.close();
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });
}
