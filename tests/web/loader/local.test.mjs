// Models that are not downloaded: picked files, folders of the disk, and the one in the package.

import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";

import { openModel } from "../../../target/modules/loader/loader.js";
import { deleteKept, keptModels } from "../../../target/modules/models.js";
import { config, fails, same, weights } from "./opening.mjs";

test("of a picked folder with checkpoints in it, its own files are taken", async () => {
  const file = (path, text) => {
    const made = new File([text], path.slice(path.lastIndexOf("/") + 1));
    Object.defineProperty(made, "webkitRelativePath", { value: path });
    return made;
  };
  const text = async (model, name) => {
    const found = await model.open(name);
    return found && Buffer.from(await found.read(0, found.size)).toString();
  };
  // In the order in which browsers list them, and the other way round.
  const files = [
    "checkpoint-500/config.json",
    "checkpoint-500/model.safetensors",
    "config.json",
    "model.safetensors",
    "onnx/config.json",
    "1_Pooling/config.json",
  ].map((path) => file(`mine/${path}`, `of ${path}`));
  for (const order of [files, files.toReversed()]) {
    const model = await openModel(order, {}, {});
    assert.equal(await text(model, "config.json"), "of config.json");
    assert.equal(await text(model, "model.safetensors"), "of model.safetensors");
    assert.equal(await text(model, "1_Pooling/config.json"), "of 1_Pooling/config.json");
    assert.equal(await text(model, "tokenizer.json"), null);
  }
  // A file of a checkpoint inside does not replace one that the folder lacks.
  const lacking = await openModel(
    files.filter(({ webkitRelativePath: path }) => path !== "mine/model.safetensors"),
    {},
    {},
  );
  assert.equal(await text(lacking, "model.safetensors"), null);
  // Shards of an index have paths of their own, and files that were picked one by one have none.
  const shards = await openModel([file("m/config.json", "c"), file("m/parts/a.safetensors", "in parts")], {}, {});
  assert.equal(await text(shards, "parts/a.safetensors"), "in parts");
  const single = await openModel([new File(["c"], "config.json"), new File(["alone"], "a.safetensors")], {}, {});
  assert.equal(await text(single, "parts/a.safetensors"), "alone");
  const two = ["a", "b"].map((name) => file(`both/${name}/config.json`, name));
  await fails(openModel(two, {}, {}), "input", /^both\/a\/config\.json: and both\/b\/config\.json were picked/);
});

test("picked files are read by name", async () => {
  const files = [new File([config], "config.json"), new File([weights], "model.safetensors")];
  const model = await openModel(files, {}, {});
  await same(await model.open("model.safetensors"));
  assert.equal(await model.open("tokenizer.json"), null);
  await fails(openModel([...files, new File([], "config.json")], {}, {}), "input", /config\.json: two files/);
});

test("folders of the disk are read in Node", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cappy-"));
  after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "config.json"), config);
  await writeFile(join(folder, "model.safetensors"), weights);
  const model = await openModel(pathToFileURL(folder), {}, {});
  await same(await model.open("model.safetensors"));
  assert.equal(await model.open("tokenizer.json"), null);
  await deleteKept("o/n");
  assert.deepEqual(await keptModels(), []);
});

test("the embedded model is read from the package", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cappy-"));
  after(() => rm(folder, { recursive: true }));
  const modules = new URL("../../../target/modules/", import.meta.url);
  await cp(new URL("loader", modules), join(folder, "loader"), { recursive: true });
  for (const name of ["error.js", "gpu.js", "threads.js"]) await cp(new URL(name, modules), join(folder, name));
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  await mkdir(join(folder, "model"));
  await writeFile(join(folder, "model", "config.json"), config);
  await writeFile(join(folder, "model", "model.safetensors"), weights);
  const loader = await import(pathToFileURL(join(folder, "loader", "loader.js")).href);
  const model = await loader.openModel(undefined, {}, {});
  await same(await model.open("config.json"), config);
  await same(await model.open("model.safetensors"));
  assert.equal(await model.open("pytorch_model.bin"), null);
});
