// The folders of sentence-transformers in tests/golden/chains.json, whose heads are chains of modules, as files.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeCheckpoint } from "./command.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What is known of the chains. */
export const chains = async () => JSON.parse(await readFile(join(root, "tests/golden/chains.json"), "utf8"));

/**
 * Writes the chain that is as Ettin's rerankers are into `folder`: the small files, and the weights of each module
 * in its own file. A tensor's random numbers hang on its name in the class, which therefore makes them.
 */
export async function makeChain({ seed, tokenizer, chains: [chain] }, folder) {
  const put = async (name, content) => {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  };
  for (const [name, text] of Object.entries(chain.files)) await put(name, text);
  await put("tokenizer.json", await readFile(join(root, "tests/golden", tokenizer)));

  const made = await mkdtemp(join(tmpdir(), "cappy-chain-"));
  try {
    const config = JSON.parse(chain.files["config.json"]);
    // The module LayerNorm has a bias where the encoder's have none.
    const classOf = {
      ...config,
      architectures: ["ModernBertForSequenceClassification"],
      norm_bias: true,
      num_labels: 1,
    };
    await writeFile(join(made, "asked.json"), JSON.stringify(classOf));
    const tokenizer = join(folder, "tokenizer.json");
    await makeCheckpoint({ config: join(made, "asked.json"), seed, tokenizer, folder: made });
    const tensors = read(await readFile(join(made, "model.safetensors")));
    for (const [prefix, theirs, module] of [
      ["model.", "", ""],
      ["head.dense.", "linear.", "2_Dense/"],
      ["head.norm.", "norm.", "3_LayerNorm/"],
      ["classifier.", "linear.", "4_Dense/"],
    ]) {
      const chosen = tensors.filter(({ name }) => name.startsWith(prefix) && !/^model\..*norm\.bias$/.test(name));
      const renamed = chosen.map((tensor) => ({ ...tensor, name: tensor.name.replace(prefix, theirs) }));
      await put(`${module}model.safetensors`, write(renamed));
    }
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

/** The tensors of a safetensors file. */
function read(bytes) {
  const header = Number(bytes.readBigUInt64LE());
  const described = Object.entries(JSON.parse(bytes.subarray(8, 8 + header).toString()));
  return described
    .filter(([name]) => name !== "__metadata__")
    .map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [begin, end],
        },
      ]) => ({
        name,
        dtype,
        shape,
        data: bytes.subarray(8 + header + begin, 8 + header + end),
      }),
    );
}

/** A safetensors file of these tensors. */
function write(tensors) {
  let at = 0;
  const header = Object.fromEntries(
    tensors.map(({ name, dtype, shape, data }) => [name, { dtype, shape, data_offsets: [at, (at += data.length)] }]),
  );
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...tensors.map(({ data }) => data)]);
}
