import { CappyError } from "../error.js";
import { threadsFor } from "../threads.js";
import type { Cost } from "../types.js";
import type { OpenFile } from "./files.js";
import type { OpenedModel } from "./open.js";

/** Weights in the order in which they are looked for. */
export const WEIGHTS = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/** What a tokenizer consists of where there is no `tokenizer.json`; one of these. */
const VOCABULARIES = [["vocab.json", "merges.txt"], ["vocab.txt"], ["sentencepiece.bpe.model"]];

/** The largest header or JSON file, and the most shards of a model. A file with more is broken. */
export const MOST = 4 * 1024 * 1024;
const MOST_SHARDS = 1024;

/** Other files that a model may have and that change its scores. */
const OPTIONAL = ["modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"];

/** What loading `model` would cost. Reads JSON files and headers only, and caches nothing. */
export async function costOf(model: OpenedModel, quota: number | null): Promise<Cost> {
  const config = await needed(model, "config.json");
  const files = [config, ...(await tokenizer(model))];
  for (const name of OPTIONAL) {
    const file = await model.open(name);
    if (!file) break;
    files.push(file);
  }
  const weights = await firstOf(model, WEIGHTS);
  if (!weights) throw new CappyError("not-found", model.description, `has none of ${WEIGHTS.join(", ")}`);
  const parts = await partsOf(model, weights, "", files);
  await addModules(model, files, parts);
  let gpuBytes = 0;
  for (const part of parts) {
    gpuBytes += part.name.endsWith(".safetensors")
      ? (await numbersInSafetensors(part)) * 2
      : (part.size / bytesPerNumber(await json(config))) * 2;
  }
  files.push(...parts);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const cached = files.reduce((sum, file) => sum + file.cachedBytes, 0);
  const gpuBytesAs = bytesAs(((await json(config)) ?? {}) as Record<string, number>);
  return {
    model: model.description,
    bytes,
    download: bytes - cached,
    gpuBytes,
    gpuBytesAs,
    // Its integers take as many bytes as f16.
    cpuBytes: gpuBytesAs && gpuBytesAs.f16 * threadsFor(gpuBytesAs.f16),
    weights: weights.name,
    quota,
  };
}

/** The files that hold the numbers of `weights`, in the folder `inside`. An index of shards is one of `files`. */
async function partsOf(model: OpenedModel, weights: OpenFile, inside: string, files: OpenFile[]): Promise<OpenFile[]> {
  if (!weights.name.endsWith(".json")) return [weights];
  files.push(weights);
  const shards = shardsIn(weights.name, await json(weights));
  return Promise.all(shards.map((shard) => needed(model, inside + shard)));
}

/** Modules of sentence-transformers that have weights. */
const WITH_WEIGHTS = /^sentence_transformers\.(.*\.)?(Dense|LayerNorm)$/;

/** What a tensor of the head is called where one file has the weights of all modules. */
const PROJECTION = "classifier.weight";

/** Adds what modules have in folders of their own, as `src/checkpoint/modules.rs` reads it. */
async function addModules(model: OpenedModel, files: OpenFile[], parts: OpenFile[]): Promise<void> {
  const list = files.find(({ name }) => name === "modules.json");
  const modules = list && (await json(list));
  if (!Array.isArray(modules)) return;
  const isWhole =
    parts.length === 1 && parts[0]!.name.endsWith(".safetensors") && PROJECTION in (await header(parts[0]!));
  for (const { path, type } of modules as { path?: unknown; type?: unknown }[]) {
    if (typeof path !== "string" || !/^\w[\w.-]*$/.test(path)) continue;
    const settings = await model.open(`${path}/config.json`);
    if (settings) files.push(settings);
    if (isWhole || !WITH_WEIGHTS.test(String(type))) continue;
    const weights = await firstOf(
      model,
      WEIGHTS.map((name) => `${path}/${name}`),
    );
    if (weights) parts.push(...(await partsOf(model, weights, `${path}/`, files)));
  }
}

/** Bytes of the weights that `config.json` describes, by how they are held; `null` where it does not tell their shape. */
function bytesAs(config: Record<string, number>): Cost["gpuBytesAs"] {
  const hidden = (config.hidden_size ?? config.dim)!;
  const inner = ((config.model_type as unknown) === "distilbert" ? config.hidden_dim : config.intermediate_size)!;
  const layers = (config.num_hidden_layers ?? config.n_layers)!;
  // ModernBERT has a gate beside each inner number, and no table of positions.
  const modern = (config.model_type as unknown) === "modernbert";
  const positions = modern ? 0 : config.max_position_embeddings!;
  // Bytes of a number in the matrices of layers, in the head's first one, and in the word table.
  const held = (layer: number, head: number, word: number) =>
    layers * (layer * (4 * hidden + (modern ? 3 : 2) * inner) * hidden + 18 * hidden + 2 * inner) +
    (head * hidden + word * config.vocab_size! + 2 * positions) * hidden;
  const [f16, q8, q4] = [held(2, 2, 2), held(17 / 16, 17 / 16, 1), held(17 / 32, 17 / 16, 1)];
  return f16 ? { f16, q8, q4 } : null;
}

/** The files that an index of shards names, each once. Throws `checkpoint` for another kind of JSON. */
export function shardsIn(name: string, index: unknown): string[] {
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  const shards = [...new Set(Object.values(map ?? {}))];
  if (!shards.length || !shards.every((shard) => typeof shard === "string")) {
    throw new CappyError("checkpoint", name, "has no weight_map that names files");
  }
  if (shards.length > MOST_SHARDS) {
    throw new CappyError("checkpoint", name, `lists ${shards.length} shards, at most ${MOST_SHARDS} work`);
  }
  return shards as string[];
}

/** The files of the tokenizer, in the order in which `src/tokenizer` asks for them. */
async function tokenizer(model: OpenedModel): Promise<OpenFile[]> {
  const found = (files: (OpenFile | null)[]) => files.filter((file) => file !== null);
  const settings = await model.open("tokenizer_config.json");
  const one = await model.open("tokenizer.json");
  const all = found([settings, one]);
  if (!settings || !((await json(settings)) as { added_tokens_decoder?: unknown } | null)?.added_tokens_decoder) {
    all.push(...found([await model.open("special_tokens_map.json"), await model.open("added_tokens.json")]));
  }
  if (one) return all;
  for (const [first, ...others] of VOCABULARIES) {
    const file = await model.open(first!);
    if (file) return [...all, file, ...(await Promise.all(others.map((name) => needed(model, name))))];
  }
  const forms = VOCABULARIES.map((names) => names.join(" with ")).join(" nor ");
  throw new CappyError("not-found", model.description, `has no tokenizer: neither tokenizer.json nor ${forms}`);
}

async function needed(model: OpenedModel, name: string): Promise<OpenFile> {
  const file = await model.open(name);
  if (!file) throw new CappyError("not-found", name, `${model.description} does not have it`);
  return file;
}

async function firstOf(model: OpenedModel, names: string[]): Promise<OpenFile | null> {
  for (const name of names) {
    const file = await model.open(name);
    if (file) return file;
  }
  return null;
}

/** Matches the name of the table of words. */
const WORDS = /(word|tok)_embeddings\.weight$/;

/** What the header of a safetensors file says of its tensors. */
async function header(file: OpenFile): Promise<Record<string, { shape?: unknown; dtype?: unknown }>> {
  const broken = (what: string) => new CappyError("checkpoint", file.name, what);
  if (file.size < 8) throw broken("is too short for safetensors");
  const start = await file.peek(0, 8);
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (length > Math.min(MOST, file.size - 8)) throw broken(`says its header has ${length} bytes`);
  return (parse(file.name, await file.peek(8, 8 + length)) ?? {}) as Awaited<ReturnType<typeof header>>;
}

/** How many numbers of two bytes the tensors of a safetensors file take together on the GPU. */
async function numbersInSafetensors(file: OpenFile): Promise<number> {
  const broken = (what: string) => new CappyError("checkpoint", file.name, what);
  const tensors = await header(file);
  // Kernels read the word table in f16 or q8. One that is stored in q4 is expanded: its bytes hold two numbers each.
  const expanded = Object.keys(tensors).find((name) => WORDS.test(name) && tensors[name]?.dtype === "U8");
  let numbers = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    if (name === "__metadata__" || name === `${expanded}.scales`) continue;
    const shape = tensor?.shape;
    if (!Array.isArray(shape) || !shape.every(Number.isSafeInteger)) throw broken(`${name} has no shape`);
    // Quantised tensors are loaded as the bytes that they are.
    const share = name === expanded ? 2 : tensor.dtype === "I8" || tensor.dtype === "U8" ? 0.5 : 1;
    numbers += share * shape.reduce((product: number, side: number) => product * side, 1);
  }
  return numbers;
}

/** Bytes of a number in a torch file, by `config.json`: the file itself says so only deep inside. */
function bytesPerNumber(config: unknown): number {
  const { dtype, torch_dtype } = (config ?? {}) as { dtype?: unknown; torch_dtype?: unknown };
  const name = String(dtype ?? torch_dtype ?? "float32").replace("torch.", "");
  return { float16: 2, bfloat16: 2, float64: 8 }[name] ?? 4;
}

async function json(file: OpenFile): Promise<unknown> {
  if (file.size > MOST) throw new CappyError("config", file.name, `has ${file.size} bytes, at most ${MOST}`);
  return parse(file.name, await file.peek(0, file.size));
}

function parse(name: string, bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder().decode(bytes);
    // Python writes constants that JSON does not have.
    return JSON.parse(
      name !== "config.json"
        ? text
        : text.replace(/"(?:[^"\\]+|\\.)*"|-?(?:NaN|Infinity)/gs, (found) => (found.startsWith('"') ? found : "null")),
    );
  } catch (cause) {
    throw new CappyError(name === "config.json" ? "config" : "checkpoint", name, "is not JSON", { cause });
  }
}
