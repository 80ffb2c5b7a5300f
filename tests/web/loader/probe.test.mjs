import { availableParallelism } from "node:os";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { modelsIn } from "../../../target/modules/loader/manage.js";
import { openIn } from "../../../target/modules/loader/open.js";
import { costOf } from "../../../target/modules/loader/probe.js";
import { probe } from "../../../target/modules/models.js";
import { config, site, store, open, openWeights, same, fails } from "./opening.mjs";

test("probe says what a load would cost", async () => {
  const json = (value) => Buffer.from(JSON.stringify(value));
  const header = json({ a: { dtype: "F32", shape: [3, 5] }, b: { dtype: "F16", shape: [] }, __metadata__: {} });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const tensors = Buffer.concat([length, header, Buffer.alloc(62)]);
  const tokenizer = json({ a: 1 });
  site.files = { "/m/config.json": config, "/m/tokenizer.json": tokenizer, "/m/model.safetensors": tensors };
  const small = config.length + tokenizer.length;
  const cost = await probe(`${site.url}/m`, {});
  assert.deepEqual(cost, {
    model: `${site.url}/m/`,
    bytes: small + tensors.length,
    download: small + tensors.length,
    gpuBytes: 32,
    gpuBytesAs: null,
    cpuBytes: null,
    weights: "model.safetensors",
    quota: null,
  });
  // Constants that Python writes, and what sentence-transformers keeps beside the model.
  const shape = {
    hidden_size: 4,
    intermediate_size: 8,
    num_hidden_layers: 1,
    vocab_size: 9,
    max_position_embeddings: 5,
  };
  const plain = { "/m/config.json": json({ ...shape, text: 'NaN \\" NaN' }) };
  const odd = {
    "/m/config.json": Buffer.from(
      `{"a": NaN, "b": [-Infinity, Infinity], ${plain["/m/config.json"].toString().slice(1)}`,
    ),
  };
  const more = {
    "/m/modules.json": json([]),
    "/m/config_sentence_transformers.json": json({}),
    "/m/sentence_bert_config.json": json([1]),
  };
  const rest = { ...site.files };
  const costs = [];
  for (const files of [plain, odd, { ...odd, ...more }, { ...odd, ...more, "/m/modules.json": undefined }]) {
    site.files = Object.fromEntries(Object.entries({ ...rest, ...files }).filter(([, file]) => file));
    costs.push(await probe(`${site.url}/m`, {}));
  }
  site.files = rest;
  assert.ok(costs[0].gpuBytesAs.f16 > 0);
  for (const { gpuBytesAs } of costs) assert.deepEqual(gpuBytesAs, costs[0].gpuBytesAs);
  const longer = odd["/m/config.json"].length - plain["/m/config.json"].length;
  assert.deepEqual(
    costs.map(({ bytes }) => bytes - costs[0].bytes),
    [0, longer, longer + 2 + 2 + 3, longer],
  );
  // Kept bytes count, and asking keeps nothing.
  await same(await openWeights(), tensors);
  const stored = JSON.stringify(await modelsIn(store));
  const again = await costOf(
    await openIn({ openStore: async () => store, retryPause: 1, stalled: 99 }, `${site.url}/m`, {}, {}, false),
    7,
  );
  assert.equal(again.download, small);
  assert.equal(again.quota, 7);
  assert.equal(JSON.stringify(await modelsIn(store)), stored);

  // Shards, vocab and merges, and a torch file in f32.
  const index = json({ weight_map: { a: "one.bin", b: "two.bin", c: "one.bin" } });
  site.files = {
    "/m/config.json": config,
    "/m/vocab.json": json({}),
    "/m/merges.txt": json({}),
    "/m/pytorch_model.bin.index.json": index,
    "/m/one.bin": Buffer.alloc(100),
    "/m/two.bin": Buffer.alloc(60),
  };
  const sharded = await probe(`${site.url}/m`, {});
  assert.equal(sharded.bytes, config.length + 4 + index.length + 160);
  assert.deepEqual([sharded.gpuBytes, sharded.weights], [80, "pytorch_model.bin.index.json"]);
  site.files["/m/config.json"] = json({ torch_dtype: "float16" });
  assert.equal((await probe(`${site.url}/m`, {})).gpuBytes, 160);
  delete site.files["/m/two.bin"];
  await fails(probe(`${site.url}/m`, {}), "not-found", /two\.bin/);
});

test("probe counts the other files of a tokenizer, and knows all its forms", async () => {
  const json = (value) => Buffer.from(JSON.stringify(value));
  const tensors = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), json({})]);
  const cost = async (files) => {
    site.files = { "/m/config.json": config, "/m/model.safetensors": tensors };
    for (const [name, bytes] of Object.entries(files)) site.files[`/m/${name}`] = bytes;
    return (await probe(`${site.url}/m`, {})).bytes - config.length - tensors.length;
  };
  const [ten, more] = [Buffer.alloc(10), json({ added_tokens_decoder: {} })];
  assert.equal(await cost({ "vocab.txt": ten }), 10);
  assert.equal(await cost({ "sentencepiece.bpe.model": ten, "added_tokens.json": ten }), 20);
  assert.equal(await cost({ "tokenizer.json": ten, "special_tokens_map.json": ten, "vocab.txt": ten }), 20);
  // Where the settings name the added tokens, the older files are not read.
  const settings = { "tokenizer.json": ten, "tokenizer_config.json": more, "special_tokens_map.json": ten };
  assert.equal(await cost(settings), 10 + more.length);
  await fails(cost({ "vocab.json": ten }), "not-found", /merges\.txt/);
  await fails(cost({}), "not-found", /neither tokenizer\.json nor vocab\.json with merges\.txt nor vocab\.txt/);
});

test("a tokenizer's optional files that a model does not have are asked for once", async () => {
  const names = ["config.json", "tokenizer_config.json", "added_tokens.json"];
  const asked = async (options) => {
    site.log.length = 0;
    const model = await open(options);
    const files = [];
    for (const name of names) {
      const file = await model.open(name);
      if (file) await same(file, site.files[`/m/${name}`]);
      files.push(file !== null);
    }
    return [files, new Set(site.log.map((line) => /\/m\/(\S+)/.exec(line)[1]))];
  };
  const [none, all] = [[true, false, false], new Set(names)];
  assert.deepEqual(await asked(), [none, all]);
  assert.deepEqual(await asked(), [none, new Set(["config.json"])]);
  assert.deepEqual(await asked({ cache: false }), [none, all]);
  // A model that changed is looked at anew.
  site.files["/m/config.json"] = Buffer.from('{"model_type":"other"}');
  site.files["/m/tokenizer_config.json"] = Buffer.from("{}");
  assert.deepEqual(await asked(), [[true, true, false], all]);
});

test("probe says what weights take that are rounded while they load", async () => {
  const read = (name) => readFile(new URL(`../../../models/cappy-mini/${name}`, import.meta.url));
  const costs = {};
  for (const [format, weights] of [
    ["f16", "model.safetensors"],
    ["q8", "q8/model.safetensors"],
    ["q4", "q4/model.safetensors"],
  ]) {
    site.files = { "/m/model.safetensors": await read(weights) };
    for (const name of ["config.json", "tokenizer.json"]) site.files[`/m/${name}`] = await read(name);
    costs[format] = await probe(`${site.url}/m`, {});
  }
  const foretold = costs.f16.gpuBytesAs;
  // Two of four layers are one step finer, and nothing but layers differs between q4 and q8.
  const expected = { f16: foretold.f16, q4: (foretold.q4 + foretold.q8) / 2 };
  for (const [format, bytes] of Object.entries(expected)) {
    const stored = costs[format].gpuBytes;
    assert.ok(Math.abs(stored / bytes - 1) <= 0.01, `${format}: ${bytes}, stored ${stored}`);
  }
  assert.ok(foretold.q8 < costs.q8.gpuBytes && costs.q8.gpuBytes < (foretold.q8 + foretold.f16) / 2);
  for (const { gpuBytesAs } of Object.values(costs)) assert.deepEqual(gpuBytesAs, foretold);
  // The CPU's integers take as many bytes as f16, once for each worker.
  const copies = costs.q8.cpuBytes / foretold.f16;
  assert.ok(Number.isInteger(copies) && copies >= 1 && copies <= availableParallelism(), `${copies} copies`);
  assert.ok(costs.q4.download < costs.q8.download && costs.q8.download < costs.f16.download);
});

test("probe knows that a word table in 4 bits is expanded on the GPU", async () => {
  const own = new URL("../../../dist/model/", import.meta.url);
  site.files = {};
  for (const name of ["config.json", "tokenizer.json", "model.safetensors"])
    site.files[`/m/${name}`] = await readFile(new URL(name, own));
  const cost = await probe(`${site.url}/m`, {});
  const { vocab_size, hidden_size } = JSON.parse(site.files["/m/config.json"].toString());
  // By the config: layers in q4 and the rest as with `dtype: "q4"`, but for the table, which has two bytes a number in place of one.
  const expected = cost.gpuBytesAs.q4 + vocab_size * hidden_size;
  assert.ok(Math.abs(cost.gpuBytes / expected - 1) <= 0.01, `${cost.gpuBytes}, expected ${expected}`);
  assert.ok(cost.gpuBytes > 2 * cost.bytes, "the table is the most of it");
  assert.equal(
    cost.bytes,
    Object.values(site.files).reduce((sum, { length }) => sum + length, 0),
  );
});

test("probe counts modules that have folders of their own", async () => {
  const json = (value) => Buffer.from(JSON.stringify(value));
  const tensors = (names) => {
    const header = json(
      Object.fromEntries(
        names.map((name, i) => [name, { dtype: "F32", shape: [2], data_offsets: [8 * i, 8 * i + 8] }]),
      ),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    return Buffer.concat([length, header, Buffer.alloc(8 * names.length)]);
  };
  const module = (path, kind) => ({ path, type: `sentence_transformers.models.${kind}` });
  const modules = json([
    module("", "Transformer"),
    module("1_Pooling", "Pooling"),
    module("2_Dense", "Dense"),
    module("3_LayerNorm", "LayerNorm"),
    module("../x", "Dense"),
  ]);
  const base = {
    "/m/config.json": config,
    "/m/tokenizer.json": json({}),
    "/m/modules.json": modules,
    "/m/1_Pooling/config.json": json({ a: 1 }),
    "/m/2_Dense/config.json": json({}),
    "/m/3_LayerNorm/config.json": json({}),
  };
  const cost = async (files) => {
    site.files = { ...base, ...files };
    const { bytes, gpuBytes } = await probe(`${site.url}/m`, {});
    const all = Object.values(site.files).reduce((sum, file) => sum + file.length, 0);
    return { rest: all - bytes, gpuBytes };
  };
  const norm = Buffer.alloc(12);
  const apart = {
    "/m/model.safetensors": tensors(["a", "b"]),
    "/m/2_Dense/model.safetensors": tensors(["linear.weight"]),
    "/m/3_LayerNorm/pytorch_model.bin.index.json": json({ weight_map: { a: "one.bin" } }),
    "/m/3_LayerNorm/one.bin": norm,
  };
  assert.deepEqual(await cost(apart), { rest: 0, gpuBytes: 2 * (4 + 2 + 3) });
  // One file with all weights needs no others.
  const whole = { "/m/model.safetensors": tensors(["a", "head.dense.weight", "classifier.weight"]) };
  assert.deepEqual(await cost(whole), { rest: 0, gpuBytes: 12 });
  assert.deepEqual(await cost({ ...apart, ...whole }), {
    rest:
      apart["/m/2_Dense/model.safetensors"].length + 12 + apart["/m/3_LayerNorm/pytorch_model.bin.index.json"].length,
    gpuBytes: 12,
  });
});
