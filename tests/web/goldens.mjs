// The models of tests/golden/models, as files, and what PyTorch made of them.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeCheckpoint } from "./command.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

const read = async (name) => JSON.parse(await readFile(join(root, "tests/golden", name), "utf8"));

/** What is known of a golden model. */
export const golden = (name) => read(`models/${name}.json`);

/** Writes a golden model of random weights below `folder`; the crate makes them from their seed. */
export async function makeModel(name, folder) {
  const { source } = await golden(name);
  if (source.directory) return;
  await mkdir(join(folder, name));
  const tokenizer = `tests/golden/${source.tokenizer ?? "tokenizer.json"}`;
  const { seed, profile } = source;
  await makeCheckpoint({
    config: `tests/golden/models/${name}.json`,
    seed,
    profile,
    tokenizer,
    folder: join(folder, name),
  });
  // Without it a BERT has no capitals, whatever tokenizer.json says.
  const { normalizer } = JSON.parse(await readFile(join(root, tokenizer), "utf8"));
  if (normalizer?.lowercase === false) {
    await writeFile(join(folder, name, "tokenizer_config.json"), JSON.stringify({ do_lower_case: false }));
  }
}

/** The pairs as a golden model was given them: BERT writes special tokens in another way. */
export async function pairsOf({ config }) {
  const { pairs } = await read("pairs.json");
  if (!config.model_type.endsWith("bert")) return pairs;
  const theirs = { "<pad>": "[PAD]", "<unk>": "[UNK]", "<s>": "[CLS]", "</s>": "[SEP]", "<mask>": "[MASK]" };
  const written = (text) => text.replace(/<(pad|unk|s|\/s|mask)>/g, (token) => theirs[token]);
  return pairs.map(({ instruction, response }) => ({ instruction: written(instruction), response: written(response) }));
}
