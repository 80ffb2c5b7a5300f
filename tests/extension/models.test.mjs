// Which model a text names, and which files of a folder make up a model. Without a browser.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { bundleText } from "../../extension/build.mjs";

const load = async (path) => import(`data:text/javascript,${encodeURIComponent(await bundleText(path))}`);
globalThis.chrome = /** @type {any} */ ({ runtime: { getURL: () => "chrome-extension://it/" } });
const { modelNamed } = await load("options/address.ts");
const { planOf } = await load("options/folders.ts");

const hub = (id) => ({ kind: "hub", id });
const url = (url) => ({ kind: "url", url });

/** What is written into the field, and the model that it names. */
const NAMED = [
  ["btan2/cappy-large", hub("btan2/cappy-large")],
  ["btan2/cappy-large@main", hub("btan2/cappy-large")],
  ["btan2/cappy-large@refs/pr/1", hub("btan2/cappy-large@refs/pr/1")],
  ["roberta-base", hub("roberta-base")],
  ["roberta-base@v1.0", hub("roberta-base@v1.0")],
  ["https://huggingface.co/btan2/cappy-large", hub("btan2/cappy-large")],
  ["https://huggingface.co/btan2/cappy-large/", hub("btan2/cappy-large")],
  ["https://huggingface.co/btan2/cappy-large?library=transformers#usage", hub("btan2/cappy-large")],
  ["https://huggingface.co/roberta-base", hub("roberta-base")],
  ["https://huggingface.co/roberta-base/tree/main", hub("roberta-base")],
  ["https://huggingface.co/btan2/cappy-large/tree/main", hub("btan2/cappy-large")],
  ["https://huggingface.co/btan2/cappy-large/tree/refs%2Fpr%2F1", hub("btan2/cappy-large@refs/pr/1")],
  ["https://huggingface.co/btan2/cappy-large/blob/v2/config.json", hub("btan2/cappy-large@v2")],
  [
    "https://huggingface.co/o/n/tree/main/checkpoint-500",
    url("https://huggingface.co/o/n/resolve/main/checkpoint-500/"),
  ],
  [
    "https://huggingface.co/o/n/blob/refs%2Fpr%2F1/a%20b/config.json",
    url("https://huggingface.co/o/n/resolve/refs%2Fpr%2F1/a%20b/"),
  ],
  ["https://huggingface.co/datasets/o/n", url("https://huggingface.co/datasets/o/n")],
  ["https://example.org/my-model/?token=x", url("https://example.org/my-model/?token=x")],
  ["http://127.0.0.1:8000/tree/main", url("http://127.0.0.1:8000/tree/main")],
  ["", undefined],
  ["two words", undefined],
  ["a/b/c", undefined],
  ["ftp://example.org/m/", undefined],
  ["file:///m/", undefined],
];

describe("a model is named", () => {
  for (const [text, model] of NAMED)
    test(`a model is named by “${text}”`, () => assert.deepEqual(modelNamed(text), model));
});

/** A chosen file at a path. */
function fileAt(path, content = "x") {
  const file = new File([content], path.split("/").at(-1));
  Object.defineProperty(file, "webkitRelativePath", { value: path.includes("/") ? path : "" });
  return file;
}
const plan = async (paths) => {
  const { name, files, missing } = await planOf(paths.map((path) => (typeof path === "string" ? fileAt(path) : path)));
  for (const { path, file } of files) assert.ok(`/${file.webkitRelativePath || file.name}`.endsWith(`/${path}`), path);
  return { name, files: files.map(({ file }) => file.webkitRelativePath || file.name), missing };
};
const OWN = ["config.json", "tokenizer.json", "model.safetensors"];
const at = (folder) => OWN.map((name) => `${folder}/${name}`);

describe("a chosen folder", () => {
  test("a chosen folder with checkpoints and other forms inside is the model of its own files", async () => {
    const inside = [...at("m/checkpoint-500"), ...at("m/checkpoint-1000"), "m/onnx/config.json", "m/onnx/model.onnx"];
    assert.deepEqual(await plan([...inside, ...at("m")]), { name: "m", files: at("m"), missing: [] });
    assert.deepEqual(await plan([...at("m"), ...inside]), { name: "m", files: at("m"), missing: [] });
  });

  test("files in folders below a chosen folder do not complete its own files", async () => {
    assert.deepEqual((await plan(["m/config.json", "m/tokenizer.json", ...at("m/checkpoint-500")])).missing, [
      "model.safetensors or pytorch_model.bin",
    ]);
    assert.deepEqual((await plan(["m/config.json", "m/model.safetensors", ...at("m/onnx")])).missing, [
      "tokenizer.json",
    ]);
  });

  test("a chosen folder with one model in a folder below it is that model, and with several it is an error that names them", async () => {
    assert.deepEqual(await plan(["runs/README.md", ...at("runs/best")]), {
      name: "best",
      files: at("runs/best"),
      missing: [],
    });
    await assert.rejects(plan([...at("runs/checkpoint-500"), ...at("runs/checkpoint-1000")]), {
      code: "input",
      message:
        "the folder holds several models: runs/checkpoint-500, runs/checkpoint-1000. Choose the folder of one of them",
    });
  });

  test("a chosen folder brings the files that say how to read its tokenizer and its head, and no other weights", async () => {
    const beside = [
      "tokenizer_config.json",
      "special_tokens_map.json",
      "added_tokens.json",
      "config_sentence_transformers.json",
    ];
    const others = [
      "README.md",
      "optimizer.pt",
      "pytorch_model.bin",
      "pytorch_model.bin.index.json",
      "flax_model.msgpack",
    ];
    assert.deepEqual(await plan([...OWN, ...beside, ...others]), {
      name: "model",
      files: [...OWN, ...beside],
      missing: [],
    });
    for (const vocabulary of [["vocab.txt"], ["sentencepiece.bpe.model"], ["vocab.json", "merges.txt"]]) {
      assert.deepEqual(
        (await plan(["config.json", "model.safetensors", ...vocabulary])).missing,
        [],
        vocabulary.join(),
      );
    }
    assert.deepEqual((await plan(["config.json", "model.safetensors", "vocab.json"])).missing, ["tokenizer.json"]);
  });

  test("a chosen folder whose head is a chain of modules brings their folders, and none that is no module's", async () => {
    const listed = ["", "1_Pooling", "2_Dense", "3_LayerNorm", "../4_Dense"].map((path) => ({
      path,
      type: `sentence_transformers.base.modules.${path.split("_")[1] ?? "Transformer"}`,
    }));
    const list = (folder, modules) => fileAt(`${folder}/modules.json`, JSON.stringify(modules));
    const index = JSON.stringify({ weight_map: { a: "one.safetensors", b: "two.safetensors" } });
    const settings = ["1_Pooling", "2_Dense", "3_LayerNorm"].map((path) => `m/${path}/config.json`);
    const weights = ["m/2_Dense/model.safetensors", "m/3_LayerNorm/pytorch_model.bin.index.json"];
    const shards = ["m/3_LayerNorm/one.safetensors", "m/3_LayerNorm/two.safetensors"];
    const others = ["m/2_Dense/README.md", "m/onnx/config.json", "m/onnx/model.safetensors", "4_Dense/config.json"];
    const files = [...at("m"), ...settings, weights[0], fileAt(weights[1], index), ...shards, ...others];

    const whole = await plan([...files, list("m", listed)]);
    assert.deepEqual(
      whole.files.toSorted(),
      [...at("m"), ...settings, ...weights, ...shards, "m/modules.json"].toSorted(),
    );
    assert.deepEqual({ ...whole, files: [] }, { name: "m", files: [], missing: [] });
    const lacking = files.filter((file) => file !== settings[1] && file !== shards[1]);
    assert.deepEqual((await plan([...lacking, list("m", listed)])).missing, [
      "2_Dense/config.json",
      "3_LayerNorm/two.safetensors",
    ]);
    // As files that were chosen one by one are: their folders are not known.
    assert.deepEqual((await plan([...OWN, fileAt("modules.json", JSON.stringify(listed.slice(0, 2)))])).missing, [
      "1_Pooling/config.json",
    ]);
    // Without settings, as the module that makes vectors as long as one has none.
    const normalize = [{ path: "1_Normalize", type: "sentence_transformers.models.Normalize" }];
    assert.deepEqual((await plan([...at("m"), list("m", normalize)])).missing, []);
    await assert.rejects(plan([...at("m"), fileAt("m/modules.json", "[")]), { code: "config" });
  });
});
