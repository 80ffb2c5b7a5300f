// cappy-mini as a model from a folder, for tests that are not about the extension's own: it loads and scores in a
// tenth of the time.
import { miniFiles } from "../web/mini.mjs";

/** The choice of it, as settings have it, and what pages call it. */
export const MINI = { kind: "folder", name: "cappy-mini" };
export const MINI_NAME = "Folder cappy-mini";

/** Puts a model's files where the options page copies those of a folder to. `page` is a page of the extension. */
export function copyModel(page, name, files) {
  const texts = Object.entries(files).map(([file, bytes]) => [file, bytes.toString("base64")]);
  return page.evaluate(
    async ([name, texts]) => {
      const root = await navigator.storage.getDirectory();
      const picked = await root.getDirectoryHandle("picked", { create: true });
      const folder = await picked.getDirectoryHandle(name, { create: true });
      for (const [file, base64] of texts) {
        const writable = await (await folder.getFileHandle(file, { create: true })).createWritable();
        await writable.write(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
        await writable.close();
      }
    },
    [name, texts],
  );
}

/** Makes it a model that settings may name, where it is not there already. */
export async function copyMini(page) {
  const isThere = await page.evaluate(async (name) => {
    const root = await navigator.storage.getDirectory();
    const folder = await root
      .getDirectoryHandle("picked")
      .then((picked) => picked.getDirectoryHandle(name))
      .catch(() => undefined);
    return folder !== undefined;
  }, MINI.name);
  if (!isThere) await copyModel(page, MINI.name, await miniFiles());
}
