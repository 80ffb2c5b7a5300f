import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { setFlagsFromString } from "node:v8";
import { after, afterEach, beforeEach, test } from "node:test";
import { pathToFileURL } from "node:url";

import { openModel } from "../../../dist/loader/loader.js";
import { deleteIn, modelsIn } from "../../../dist/loader/manage.js";
import { MemoryStore } from "../../../dist/loader/memory.js";
import { openIn } from "../../../dist/loader/open.js";
import { costOf } from "../../../dist/loader/probe.js";
import { deleteKept, keptModels, probe } from "../../../dist/models.js";
import { noise, serve } from "./server.mjs";

const MIB = 1024 * 1024;
const PIECE = 4 * MIB;
const weights = noise(11 * MIB + 12345);
const config = Buffer.from('{"model_type":"roberta"}');
let site;
let store;
const opened = [];

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const hasher = () => {
  const hash = createHash("sha256");
  return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("hex") };
};

beforeEach(async () => {
  store = new MemoryStore();
  site = await serve({ "/m/config.json": config, "/m/model.safetensors": weights });
});
afterEach(() => {
  for (const model of opened.splice(0)) model.close();
  site.close();
});

/** Opens the model as a new page would that has `store`. */
async function open(options = {}, context = {}, source = `${site.url}/m`, around = {}) {
  const surroundings = { openStore: async () => store, retryPause: 1, stalled: 2000, ...around };
  const model = await openIn(surroundings, source, options, { hasher, ...context });
  opened.push(model);
  return model;
}
const openWeights = async (...args) => (await open(...args)).open("model.safetensors");

async function same(file, bytes = weights, step = 1_000_003) {
  assert.equal(file.size, bytes.length);
  for (let at = 0; at < bytes.length; at += step) {
    const end = Math.min(bytes.length, at + step);
    assert.ok(Buffer.from(await file.read(at, end)).equals(bytes.subarray(at, end)), `bytes ${at} to ${end}`);
  }
}
const fails = (work, code, message) =>
  assert.rejects(work, (error) => {
    assert.equal(error.code, code, `${error}`);
    assert.match(error.message, message);
    return true;
  });

test("reads what the server has, through one request", async () => {
  const model = await open();
  assert.equal(model.description, `${site.url}/m/`);
  await same(await model.open("config.json"), config);
  const file = await model.open("model.safetensors");
  assert.equal(site.gets("safetensors").length, 0, "opening reads nothing");
  await same(file);
  assert.deepEqual(site.gets("safetensors"), ["GET /m/model.safetensors bytes=0-"]);
  assert.equal(await model.open("tokenizer.json"), null);
});

test("ranges outside of the file are refused", async () => {
  const file = await openWeights();
  await fails(file.read(0, weights.length + 1), "checkpoint", /model\.safetensors: bytes 0 to/);
  await fails(file.read(5, 4), "checkpoint", /wanted/);
  assert.equal((await file.read(7, 7)).length, 0);
});

test("what is kept is not fetched again, and a changed file is", async () => {
  await same(await openWeights());
  site.log.length = 0;
  await same(await openWeights());
  assert.deepEqual(site.log, ["HEAD /m/model.safetensors bytes=0-"]);
  await same(await openWeights({ checkFreshness: false }));
  assert.equal(site.log.length, 1, "no request at all");

  const other = noise(weights.length, 2);
  site.files["/m/model.safetensors"] = other;
  await same(await openWeights(), other);
  const kept = await store.list([(await store.list([]))[0].name, "model.safetensors"]);
  assert.equal(kept.length, 4, "old pieces are gone: meta.json and three pieces");
});

test("an aborted download goes on where it was", async () => {
  site.slow = 3;
  const controller = new AbortController();
  const file = await openWeights({}, { signal: controller.signal });
  await file.read(PIECE, PIECE + 10);
  const waiting = file.read(weights.length - 10, weights.length);
  controller.abort();
  await fails(waiting, "aborted", /caller stopped/);
  await fails(file.read(0, 10), "aborted", /caller stopped/);
  site.slow = 0;
  site.log.length = 0;
  const reports = [];
  await same(await openWeights({}, { onProgress: (p) => reports.push(p) }));
  assert.deepEqual(site.gets("safetensors"), [`GET /m/model.safetensors bytes=${2 * PIECE}-`]);
  assert.equal(reports[0].bytes, 2 * PIECE, "kept bytes count at once");
  assert.deepEqual(reports.at(-1), { file: "model.safetensors", bytes: weights.length, total: weights.length });
});

test("progress grows, and not too often", async () => {
  site.slow = 2;
  const reports = [];
  await same(await openWeights({}, { onProgress: (p) => reports.push([p.bytes, performance.now()]) }));
  assert.ok(reports.length > 2);
  for (let i = 1; i < reports.length; i++) {
    assert.ok(reports[i][0] > reports[i - 1][0]);
    if (i < reports.length - 1) assert.ok(reports[i][1] - reports[i - 1][1] > 90);
  }
});

test("a cut connection is resumed at the last byte", async () => {
  site.cuts = [1_000_000, 5_000_000];
  await same(await openWeights());
  const starts = site.gets("safetensors").map((line) => Number(/bytes=(\d+)/.exec(line)[1]));
  assert.deepEqual(starts, [0, 1_000_000, 6_000_000]);
});

test("without ranges it starts over, and the bytes are right", async () => {
  site.ranges = false;
  site.cuts = [5_000_000];
  await same(await openWeights());
  assert.equal(site.gets("safetensors").length, 2);
});

test("a server that always cuts is given up", async () => {
  site.cuts = new Array(50).fill(0);
  await fails((await openWeights()).read(0, 1), "network", /127\.0\.0\.1.*model\.safetensors could not be fetched/);
  assert.equal(site.gets("safetensors").length, 5);
  site.ranges = false;
  site.cuts = new Array(50).fill(300_000);
  await fails((await openWeights()).read(0, 1), "network", /could not be fetched/);
});

test("a server that hangs is not waited for forever", async () => {
  const hang = () => new Promise(() => {});
  await fails(open({ fetch: hang }, {}, undefined, { stalled: 50 }).then((m) => m.open("x")), "network", /nothing came/);
  const controller = new AbortController();
  const opening = open({ fetch: hang }, { signal: controller.signal }).then((m) => m.open("x"));
  setTimeout(() => controller.abort(), 10);
  await fails(opening, "aborted", /caller/);
});

test("a file that changes in the middle is noticed, and nothing of it stays", async () => {
  for (const ranges of [true, false]) {
    site.ranges = ranges;
    site.files["/m/model.safetensors"] = weights;
    const file = await openWeights();
    site.cuts = [5_000_000];
    const reading = file.read(weights.length - 1, weights.length).then(() => same(file));
    reading.catch(() => {});
    while (!site.gets("safetensors").length) await sleep(1);
    site.files["/m/model.safetensors"] = noise(weights.length, 3);
    await fails(reading, "network", /model\.safetensors changed on the server/);
    assert.equal((await modelsIn(store))[0]?.bytes ?? 0, 0);
    site.log.length = 0;
  }
});

test("what is waited for comes first", async () => {
  const large = noise(60 * MIB, 4);
  site.files["/m/model.safetensors"] = large;
  site.slow = 1;
  const file = await openWeights();
  await file.read(0, 10);
  const end = large.length;
  assert.ok(Buffer.from(await file.read(end - 100, end)).equals(large.subarray(end - 100)));
  assert.ok(site.sent < 30 * MIB, `${site.sent} bytes were sent for two pieces`);
  site.slow = 0;
  await same(file, large);
  assert.deepEqual((await modelsIn(store)).map(({ bytes }) => bytes), [large.length]);
});

test("without storage, small files lie in memory and large ones are streamed", async () => {
  store = null;
  await same(await openWeights());
  const large = noise(40 * MIB, 5);
  site.files["/m/model.safetensors"] = large;
  site.log.length = 0;
  const file = await openWeights();
  await same(file, large);
  assert.equal(site.gets("safetensors").length, 1);
  assert.ok(Buffer.from(await file.read(3, 300)).equals(large.subarray(3, 300)), "backwards");
  assert.equal(site.gets("safetensors").length, 2);
  site.cuts = [100];
  assert.ok(Buffer.from(await file.read(30 * MIB, 31 * MIB)).equals(large.subarray(30 * MIB, 31 * MIB)));
  site.ranges = false;
  await fails((await openWeights()).read(0, 1), "network", /no HTTP Range/);
});

test("`cache: false` keeps nothing", async () => {
  await same(await openWeights({ cache: false }));
  assert.deepEqual(await store.list([]), []);
});

test("offline, what is complete is used", async () => {
  const model = await open();
  await same(await model.open("model.safetensors"));
  assert.equal(await model.open("tokenizer.json"), null);
  const fetch = () => Promise.reject(new TypeError("offline"));
  const offline = await open({ fetch });
  await same(await offline.open("model.safetensors"));
  assert.equal(await offline.open("tokenizer.json"), null, "it is remembered that there is none");
  await fails(offline.open("merges.txt"), "network", /merges\.txt could not be fetched: offline/);
});

test("statuses become errors that name server, file and cure", async () => {
  const model = await open();
  for (const status of [401, 403]) {
    site.status["/m/config.json"] = status;
    await fails(model.open("config.json"), "unauthorized", /127\.0\.0\.1.*config\.json.*Authorization/);
  }
  site.status["/m/config.json"] = 500;
  await fails(model.open("config.json"), "network", /status 500 for config\.json/);
  site.status["/m/config.json"] = 404;
  site.headers = { "x-error-code": "RevisionNotFound" };
  await fails(model.open("config.json"), "not-found", /no such revision/);
  delete site.status["/m/config.json"];
  await same(await model.open("config.json"), config);
});

test("servers that refuse HEAD, compress, redirect, or have no ETag", async () => {
  for (const head of [403, 405, 501]) {
    site.head = head;
    await same(await (await open()).open("config.json"), config);
  }
  assert.equal(site.gets("config.json bytes=0-0").length, 3);
  site.head = 200;
  site.etags = false;
  await same(await openWeights({}, {}, `${site.url}/moved/m`));
  site.encoding = "identity2";
  site.type = "text/html";
  assert.equal(await (await open({}, {}, `${site.url}/moved/m/`)).open("config.json"), null, "a page is no model file");
});

test("a compressed file's length is not its size", async () => {
  const { gzipSync } = await import("node:zlib");
  const text = Buffer.from("merges ".repeat(100_000));
  site.files["/m/merges.txt"] = gzipSync(text);
  site.encoding = "gzip";
  site.ranges = false;
  await same(await (await open()).open("merges.txt"), text);
  site.log.length = 0;
  await same(await (await open()).open("merges.txt"), text);
  assert.deepEqual(site.gets("merges"), ["GET /m/merges.txt bytes=0-0"], "asked for the size only");
  store = null;
  await same(await (await open()).open("merges.txt"), text);
});

test("a body that is longer than announced is refused", async () => {
  const lie = async (url, init) => {
    if (init.method === "HEAD") return new Response(null, { headers: { "content-length": "10" } });
    return new Response("x".repeat(11));
  };
  await fails((await open({ fetch: lie })).open("a.json").then((f) => f.read(0, 10)), "network", /longer than/);
});

test("hub ids, revisions, headers and addresses", async () => {
  const asked = [];
  const fetch = async (url, init) => {
    asked.push([url, init.headers.Authorization]);
    return new Response(null, { status: 404 });
  };
  const ask = async (source, options) => {
    const model = await open({ fetch, ...options }, {}, source);
    await model.open("a b.json");
    return [model.description, ...asked.pop()];
  };
  const file = "a%20b.json";
  const hub = "https://huggingface.co/o/n/resolve";
  const headers = { Authorization: "Bearer x" };
  assert.deepEqual(await ask("o/n", { headers }), ["o/n", `${hub}/main/${file}`, "Bearer x"]);
  assert.deepEqual(await ask("o/n@refs/pr/1"), ["o/n@refs/pr/1", `${hub}/refs%2Fpr%2F1/${file}`, undefined]);
  assert.deepEqual((await ask("o/n", { revision: "v1" })).slice(0, 2), ["o/n@v1", `${hub}/v1/${file}`]);
  assert.equal((await ask("o/n", { endpoint: "https://mirror/hf/" }))[1], `https://mirror/hf/o/n/resolve/main/${file}`);
  const query = await ask(new URL("https://host/dir?key=secret"));
  assert.deepEqual(query.slice(0, 2), ["https://host/dir/", `https://host/dir/${file}?key=secret`]);
  assert.ok(!JSON.stringify(await modelsIn(store)).includes("secret"));
  for (const bad of ["a/b/c", "", "-a/b", "a/-b", "a/..", "a b", "ftp://host/x"]) {
    await fails(open({}, {}, bad), "input", /hub id|address|only http/);
  }
  await fails(open({ revision: "b" }, {}, "o/n@a"), "input", /revision/);
  await fails((await open()).open("../secret"), "checkpoint", /not the name of a file/);
});

test("hub ids without an owner, and addresses of models' pages", async () => {
  const asked = [];
  const fetch = async (url) => {
    asked.push(url);
    return new Response(null, { status: 404 });
  };
  const ask = async (source, options = {}) => {
    const model = await open({ fetch, ...options }, {}, source);
    await model.open("config.json");
    return [model.description, asked.pop()];
  };
  const hub = "https://huggingface.co";
  const main = ["o/n", `${hub}/o/n/resolve/main/config.json`];
  assert.deepEqual(await ask("bert-base-uncased"), ["bert-base-uncased", `${hub}/bert-base-uncased/resolve/main/config.json`]);
  assert.equal((await ask("bert-base-uncased@v1"))[0], "bert-base-uncased@v1");
  for (const page of ["o/n", "o/n/", "o/n?library=transformers", "o/n#usage", "o/n/tree/main", "o/n/tree/main/"]) {
    assert.deepEqual(await ask(`${hub}/${page}`), main, page);
    assert.deepEqual(await ask(new URL(`${hub}/${page}`)), main, page);
  }
  for (const revision of ["refs/pr/1", "refs%2Fpr%2F1"]) {
    assert.deepEqual(await ask(`${hub}/o/n/tree/${revision}`), ["o/n@refs/pr/1", `${hub}/o/n/resolve/refs%2Fpr%2F1/config.json`]);
  }
  assert.deepEqual(await ask(`${hub}/bert-base-uncased/tree/86b5`), ["bert-base-uncased@86b5", `${hub}/bert-base-uncased/resolve/86b5/config.json`]);
  // A folder inside a model is another model than the one around it, and kept apart.
  const inside = `${hub}/o/n/resolve/v1/checkpoint-500/`;
  assert.deepEqual(await ask(`${hub}/o/n/tree/v1/checkpoint-500`), [inside, `${inside}config.json`]);
  assert.equal((await ask(inside))[1], `${inside}config.json`);
  const mirror = { endpoint: "https://mirror/hf" };
  assert.deepEqual(await ask("https://mirror/hf/o/n/tree/v1", mirror), ["o/n@v1", "https://mirror/hf/o/n/resolve/v1/config.json"]);
  assert.deepEqual(await ask("https://mirror/hf/o/n"), ["https://mirror/hf/o/n/", "https://mirror/hf/o/n/config.json"]);
  await fails(open({ revision: "v2" }, {}, `${hub}/o/n/tree/v1`), "input", /^revision: /);
});

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
  const files = ["checkpoint-500/config.json", "checkpoint-500/model.safetensors", "config.json", "model.safetensors", "onnx/config.json", "1_Pooling/config.json"]
    .map((path) => file(`mine/${path}`, `of ${path}`));
  for (const order of [files, files.toReversed()]) {
    const model = await openModel(order, {}, {});
    assert.equal(await text(model, "config.json"), "of config.json");
    assert.equal(await text(model, "model.safetensors"), "of model.safetensors");
    assert.equal(await text(model, "1_Pooling/config.json"), "of 1_Pooling/config.json");
    assert.equal(await text(model, "tokenizer.json"), null);
  }
  // What lies in a checkpoint alone does not stand in for a file that the folder lacks.
  const lacking = await openModel(files.filter(({ webkitRelativePath: path }) => path !== "mine/model.safetensors"), {}, {});
  assert.equal(await text(lacking, "model.safetensors"), null);
  // Shards of an index have paths of their own, and files that were picked one by one have none.
  const shards = await openModel([file("m/config.json", "c"), file("m/parts/a.safetensors", "in parts")], {}, {});
  assert.equal(await text(shards, "parts/a.safetensors"), "in parts");
  const single = await openModel([new File(["c"], "config.json"), new File(["alone"], "a.safetensors")], {}, {});
  assert.equal(await text(single, "parts/a.safetensors"), "alone");
  const two = ["a", "b"].map((name) => file(`both/${name}/config.json`, name));
  await fails(openModel(two, {}, {}), "input", /^both\/a\/config\.json: and both\/b\/config\.json were picked/);
});

test("picked files", async () => {
  const files = [new File([config], "config.json"), new File([weights], "model.safetensors")];
  const model = await openModel(files, {}, {});
  await same(await model.open("model.safetensors"));
  assert.equal(await model.open("tokenizer.json"), null);
  await fails(openModel([...files, new File([], "config.json")], {}, {}), "input", /config\.json: two files/);
});

test("folders of this machine, in Node", async () => {
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

test("the embedded model, as it lies in the package", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cappy-"));
  after(() => rm(folder, { recursive: true }));
  const dist = new URL("../../../dist/", import.meta.url);
  await cp(new URL("loader", dist), join(folder, "loader"), { recursive: true });
  for (const name of ["error.js", "gpu.js"]) await cp(new URL(name, dist), join(folder, name));
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  await mkdir(join(folder, "model"));
  await writeFile(join(folder, "model", "config.json"), config);
  await writeFile(join(folder, "model", "model.safetensors"), weights);
  const loader = await import(pathToFileURL(join(folder, "loader", "loader.js")));
  const model = await loader.openModel(undefined, {}, {});
  await same(await model.open("config.json"), config);
  await same(await model.open("model.safetensors"));
  assert.equal(await model.open("pytorch_model.bin"), null);
});

test("SHA-256: not a byte before all is right, for every kind of source", async () => {
  const good = { "model.safetensors": sha256(weights) };
  const bad = { "model.safetensors": sha256(config) };
  await same(await openWeights({ sha256: good }));
  await fails((await openWeights({ sha256: bad })).read(0, 1), "integrity", /model\.safetensors: its SHA-256 is/);
  assert.deepEqual((await modelsIn(store)).length, 0, "nothing of it stays");
  const picked = await openModel([new File([weights], "model.safetensors")], { sha256: bad }, { hasher });
  await fails((await picked.open("model.safetensors")).read(0, 1), "integrity", /SHA-256/);
  await fails(open({ sha256: { a: "12" } }), "input", /64 hexadecimal/);
  await fails(open({ sha256: good }, { hasher: undefined }), "input", /no hasher/);

  store = null;
  const large = noise(40 * MIB, 6);
  site.files["/m/model.safetensors"] = large;
  site.etags = false;
  const file = await openWeights({ sha256: { "model.safetensors": sha256(large) } });
  await same(file, large);
  site.files["/m/model.safetensors"] = noise(40 * MIB, 7);
  await fails(file.read(0, 10), "network", /changed/);
});

test("a file with a sum that is not there is an error, for every kind of source, every time", async () => {
  const sums = { "config.json": sha256(config), "model.safetensors": sha256(weights) };
  delete site.files["/m/model.safetensors"];
  const model = await open({ sha256: sums });
  for (let i = 0; i < 2; i++) {
    await fails(model.open("model.safetensors"), "not-found", /^model\.safetensors: .*sha256 names it/);
  }
  // What is remembered to be absent, as well.
  await fails((await open({ sha256: sums, checkFreshness: false })).open("model.safetensors"), "not-found", /sha256/);
  site.type = "text/html";
  site.files["/m/model.safetensors"] = weights;
  await fails((await open({ sha256: sums })).open("model.safetensors"), "not-found", /sha256/);
  const picked = await openModel([new File([config], "config.json")], { sha256: sums }, { hasher });
  assert.ok(await picked.open("config.json"));
  await fails(picked.open("model.safetensors"), "not-found", /sha256/);
});

test("nothing without a sum takes the place of something that has one", async () => {
  const index = Buffer.from(JSON.stringify({ weight_map: { a: "other.safetensors" } }));
  for (const name of ["model.safetensors.index.json", "other.safetensors", "pytorch_model.bin",
    "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "sentencepiece.bpe.model", "tokenizer_config.json"]) {
    site.files[`/m/${name}`] = index;
  }
  const there = async (sha256, names) => {
    const model = await open({ sha256 });
    return Promise.all(names.map(async (name) => (await model.open(name)) !== null));
  };
  const forms = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];
  const sum = sha256(index);
  assert.deepEqual(await there({}, forms), [true, true, true]);
  assert.deepEqual(await there({ "pytorch_model.bin": sum }, forms), [false, false, true]);
  assert.deepEqual(await there({ "model.safetensors.index.json": sum }, forms), [false, true, false]);
  // A shard is named by an index, and nothing else stands for it.
  for (const pinned of ["model.safetensors.index.json", "model.safetensors", "weights.bin"]) {
    await fails(there({ [pinned]: sum }, ["other.safetensors"]), "integrity", /^other\.safetensors: has no sum/);
  }
  assert.deepEqual(await there({ "other.safetensors": sum }, ["other.safetensors"]), [true]);
  const parts = ["tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "sentencepiece.bpe.model"];
  assert.deepEqual(await there({ "vocab.json": sum, "merges.txt": sum }, parts), [false, true, true, false, false]);
  assert.deepEqual(await there({ "vocab.txt": sum }, parts), [false, false, false, true, false]);
  // Other kinds are read as before: docs/loading.md says what they may do.
  const others = ["config.json", "tokenizer_config.json", ...forms];
  assert.deepEqual(await there({ "tokenizer.json": sum }, others), [true, true, true, true, true]);
  // The name of a shard is the server's choice.
  site.files["/m/constructor"] = index;
  assert.deepEqual(await there({ "tokenizer.json": sum }, ["constructor"]), [true]);
});

test("an index of any size, of any number of shards, is not read", async () => {
  const name = "model.safetensors.index.json";
  delete site.files["/m/model.safetensors"];
  site.files["/m/tokenizer.json"] = Buffer.from("{}");
  const shards = (count) => ({ weight_map: Object.fromEntries(Array.from({ length: count }, (_, i) => [i, `${i}.bin`])) });
  const cost = async (index) => {
    site.files[`/m/${name}`] = Buffer.from(index);
    site.log.length = 0;
    await costOf(await open({}, {}, `${site.url}/m`), null);
  };
  await fails(cost(JSON.stringify(shards(1025))), "checkpoint", /lists 1025 shards, at most 1024/);
  assert.ok(site.log.every((line) => !line.includes(".bin ") && !line.endsWith("0.bin")), "no shard was asked for");
  await fails(cost(JSON.stringify(shards(1024))), "not-found", /^0\.bin/);
  const large = JSON.stringify(shards(1)).padEnd(5 * MIB);
  await fails(cost(large), "config", /at most 4194304/);
  assert.ok(site.log.every((line) => !line.startsWith("GET")  || !line.includes(name)), "no byte of it was read");

  // Kept, it does not count as a complete model, and is not read into memory to find out.
  site.files["/m/0.bin"] = weights;
  const model = await open();
  for (const file of ["config.json", name, "0.bin"]) {
    const opened = await model.open(file);
    for (let at = 0; at < opened.size; at += PIECE) await opened.read(at, Math.min(opened.size, at + PIECE));
  }
  assert.deepEqual((await modelsIn(store)).map(({ complete }) => complete), [false]);
});

test("full storage is a quota error", async () => {
  store.put = async () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  await fails((await openWeights()).read(0, 1), "quota", /model\.safetensors: .*full.*cache: false/);
});

test("a damaged piece counts as absent", async () => {
  await same(await openWeights());
  const [folder] = await store.list([]);
  const path = [folder.name, "model.safetensors"];
  const piece = (await store.list(path)).find(({ name }) => name.endsWith("-1"));
  await store.put([...path, piece.name], new Uint8Array(5));
  site.log.length = 0;
  await same(await openWeights());
  assert.deepEqual(site.gets("safetensors"), [`GET /m/model.safetensors bytes=${PIECE}-${2 * PIECE - 1}`]);

  const file = await openWeights();
  await store.put([...path, piece.name], new Uint8Array(5));
  await fails(file.read(PIECE, PIECE + 1), "io", /model\.safetensors: what was kept of it was deleted/);
  const fetch = () => Promise.reject(new TypeError("offline"));
  await fails(openWeights({ fetch }), "network", /offline/);
});

test("kept models are listed and deleted", async () => {
  await same(await openWeights());
  const name = `${site.url}/m/`;
  assert.deepEqual(await modelsIn(store), [{ model: name, bytes: weights.length, complete: false }]);
  await same(await (await open()).open("config.json"), config);
  const bytes = weights.length + config.length;
  assert.deepEqual(await modelsIn(store), [{ model: name, bytes, complete: true }]);
  await deleteIn(store, `${site.url}/m`);
  assert.deepEqual(await modelsIn(store), []);
  assert.deepEqual(await store.list([]), []);
});

test("closing stops the download", async () => {
  site.slow = 2;
  const model = await open();
  const file = await model.open("model.safetensors");
  await file.read(0, 10);
  const waiting = file.read(weights.length - 1, weights.length);
  model.close();
  await fails(waiting, "disposed", /closed/);
  await fails(file.read(0, 1), "disposed", /closed/);
});

test("memory stays small whatever the file's size", async () => {
  const kept = new Set();
  store.put = async (path) => void kept.add(path.join("/"));
  store.list = async () => [];
  const size = 400 * MIB;
  collect();
  await sleep(50);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  let left = size / MIB;
  const pull = async (controller) => {
    // Everything stands still meanwhile, and buffers are freed a little after the collection.
    if (left % 8 === 0) {
      collect();
      await sleep(10);
      collect();
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    if (left-- > 0) controller.enqueue(new Uint8Array(MIB));
    else controller.close();
  };
  const fetch = async (url, init) => {
    const headers = { "content-length": String(size) };
    return new Response(init.method === "HEAD" ? null : new ReadableStream({ pull }), { headers });
  };
  const file = await openWeights({ fetch });
  // Pieces that ran ahead of the reads are really gone here: this store forgets.
  for (let at = 0; at < size; at += MIB) await file.read(at, at + MIB).catch((e) => assert.equal(e.code, "io"));
  assert.equal(kept.size, size / PIECE + 1);
  assert.ok(most > PIECE && most < 32 * MIB, `${most / MIB} MiB`);
});

test("probe tells what a load would cost", async () => {
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
    model: `${site.url}/m/`, bytes: small + tensors.length, download: small + tensors.length,
    gpuBytes: 32, gpuBytesAs: null, weights: "model.safetensors", quota: null,
  });
  // Constants that Python writes, and what sentence-transformers keeps beside the model.
  const shape = { hidden_size: 4, intermediate_size: 8, num_hidden_layers: 1, vocab_size: 9, max_position_embeddings: 5 };
  const plain = { "/m/config.json": json({ ...shape, text: 'NaN \\" NaN' }) };
  const odd = { "/m/config.json": Buffer.from(`{"a": NaN, "b": [-Infinity, Infinity], ${plain["/m/config.json"].toString().slice(1)}`) };
  const more = { "/m/modules.json": json([]), "/m/config_sentence_transformers.json": json({}), "/m/sentence_bert_config.json": json([1]) };
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
  assert.deepEqual(costs.map(({ bytes }) => bytes - costs[0].bytes), [0, longer, longer + 2 + 2 + 3, longer]);
  // Kept bytes count, and asking keeps nothing.
  await same(await openWeights(), tensors);
  const stored = JSON.stringify(await modelsIn(store));
  const again = await costOf(await openIn({ openStore: async () => store, retryPause: 1, stalled: 99 }, `${site.url}/m`, {}, {}, false), 7);
  assert.equal(again.download, small);
  assert.equal(again.quota, 7);
  assert.equal(JSON.stringify(await modelsIn(store)), stored);

  // Shards, vocab and merges, and a torch file in f32.
  const index = json({ weight_map: { a: "one.bin", b: "two.bin", c: "one.bin" } });
  site.files = {
    "/m/config.json": config, "/m/vocab.json": json({}), "/m/merges.txt": json({}),
    "/m/pytorch_model.bin.index.json": index, "/m/one.bin": Buffer.alloc(100), "/m/two.bin": Buffer.alloc(60),
  };
  const sharded = await probe(`${site.url}/m`, {});
  assert.equal(sharded.bytes, config.length + 4 + index.length + 160);
  assert.deepEqual([sharded.gpuBytes, sharded.weights], [80, "pytorch_model.bin.index.json"]);
  site.files["/m/config.json"] = json({ torch_dtype: "float16" });
  assert.equal((await probe(`${site.url}/m`, {})).gpuBytes, 160);
  delete site.files["/m/two.bin"];
  await fails(probe(`${site.url}/m`, {}), "not-found", /two\.bin/);
});

test("probe counts what else a tokenizer has, and knows every form of it", async () => {
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

test("probe tells what weights take that are rounded while they load", async () => {
  const read = (name) => readFile(new URL(`../../../models/cappy-mini/${name}`, import.meta.url));
  const costs = {};
  for (const [format, weights] of [["f16", "model.safetensors"], ["q8", "q8/model.safetensors"], ["q4", "q4/model.safetensors"]]) {
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
  assert.ok(costs.q4.download < costs.q8.download && costs.q8.download < costs.f16.download);
});
