// cappy-mini, which tests take where any model will do: it loads and scores in a tenth of the package's own model's time.
import { readFile } from "node:fs/promises";

/** Its files, by name. */
export async function miniFiles() {
  const names = ["config.json", "tokenizer.json", "model.safetensors"];
  const bytes = names.map((name) => readFile(new URL(`../../models/cappy-mini/${name}`, import.meta.url)));
  return Object.fromEntries((await Promise.all(bytes)).map((file, at) => [names[at], file]));
}
