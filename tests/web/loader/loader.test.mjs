import assert from "node:assert/strict";
import { runInNewContext } from "node:vm";
import { setFlagsFromString } from "node:v8";
import { test } from "node:test";

import { openModel } from "../../../target/modules/loader/loader.js";
import { deleteIn, modelsIn } from "../../../target/modules/loader/manage.js";
import { costOf } from "../../../target/modules/loader/probe.js";
import {
  MIB,
  weights,
  config,
  site,
  store,
  sha256,
  sleep,
  hasher,
  open,
  openWeights,
  same,
  fails,
  keepNothing,
} from "./opening.mjs";
import { noise } from "./server.mjs";

const PIECE = 4 * MIB;
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

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

test("what is cached is not fetched again, and a changed file is", async () => {
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

test("an aborted download resumes where it was", async () => {
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

test("progress never goes back, and is not reported too often", async () => {
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

test("a server without ranges starts over, and the bytes are right", async () => {
  site.ranges = false;
  site.cuts = [5_000_000];
  await same(await openWeights());
  assert.equal(site.gets("safetensors").length, 2);
});

test("a server that always breaks the connection is given up", async () => {
  site.cuts = new Array(50).fill(0);
  await fails((await openWeights()).read(0, 1), "network", /127\.0\.0\.1.*model\.safetensors could not be fetched/);
  assert.equal(site.gets("safetensors").length, 5);
  site.ranges = false;
  site.cuts = new Array(50).fill(300_000);
  await fails((await openWeights()).read(0, 1), "network", /could not be fetched/);
});

test("a server that hangs is not waited for forever", async () => {
  const hang = () => new Promise(() => {});
  await fails(
    open({ fetch: hang }, {}, undefined, { stalled: 50 }).then((m) => m.open("x")),
    "network",
    /nothing came/,
  );
  const controller = new AbortController();
  const opening = open({ fetch: hang }, { signal: controller.signal }).then((m) => m.open("x"));
  setTimeout(() => controller.abort(), 10);
  await fails(opening, "aborted", /caller/);
});

test("a file that changes in the middle is noticed, and nothing of it stays in the cache", async () => {
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

test("a piece that a read waits for is downloaded first", async () => {
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
  assert.deepEqual(
    (await modelsIn(store)).map(({ bytes }) => bytes),
    [large.length],
  );
});

test("without storage, small files are held in memory and large ones are streamed", async () => {
  keepNothing();
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

test("offline, files that are cached completely are used", async () => {
  const model = await open();
  await same(await model.open("model.safetensors"));
  assert.equal(await model.open("tokenizer.json"), null);
  const fetch = () => Promise.reject(new TypeError("offline"));
  const offline = await open({ fetch });
  await same(await offline.open("model.safetensors"));
  assert.equal(await offline.open("tokenizer.json"), null, "it is remembered that there is none");
  await fails(offline.open("merges.txt"), "network", /merges\.txt could not be fetched: offline/);
});

test("statuses become errors that name the server, the file and what to do", async () => {
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

test("an optional file that a server hides counts as absent, unless the server cannot be reached", async () => {
  site.status = { "/m/modules.json": 403, "/m/tokenizer.json": 403 };
  const model = await open();
  assert.equal(await model.open("modules.json"), null);
  await fails(model.open("tokenizer.json"), "unauthorized", /tokenizer\.json/);
  let reachable = true;
  const fetchOf = (url, init) =>
    reachable && !url.endsWith("added_tokens.json")
      ? fetch(url, init)
      : Promise.reject(new TypeError("Failed to fetch"));
  const hiding = await open({ fetch: fetchOf });
  assert.equal(await hiding.open("added_tokens.json"), null, "its 404 is hidden from this page");
  reachable = false;
  await fails(hiding.open("sentence_bert_config.json"), "network", /sentence_bert_config\.json/);
});

test("servers that refuse HEAD, compress, redirect, or have no ETag can be read", async () => {
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
  keepNothing();
  await same(await (await open()).open("merges.txt"), text);
});

test("a body that is longer than announced is refused", async () => {
  const lie = async (url, init) => {
    if (init.method === "HEAD") return new Response(null, { headers: { "content-length": "10" } });
    return new Response("x".repeat(11));
  };
  await fails(
    (await open({ fetch: lie })).open("a.json").then((f) => f.read(0, 10)),
    "network",
    /longer than/,
  );
});

test("hub ids, revisions, headers and addresses lead to the right requests", async () => {
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
  assert.deepEqual(await ask("bert-base-uncased"), [
    "bert-base-uncased",
    `${hub}/bert-base-uncased/resolve/main/config.json`,
  ]);
  assert.equal((await ask("bert-base-uncased@v1"))[0], "bert-base-uncased@v1");
  for (const page of ["o/n", "o/n/", "o/n?library=transformers", "o/n#usage", "o/n/tree/main", "o/n/tree/main/"]) {
    assert.deepEqual(await ask(`${hub}/${page}`), main, page);
    assert.deepEqual(await ask(new URL(`${hub}/${page}`)), main, page);
  }
  for (const revision of ["refs/pr/1", "refs%2Fpr%2F1"]) {
    assert.deepEqual(await ask(`${hub}/o/n/tree/${revision}`), [
      "o/n@refs/pr/1",
      `${hub}/o/n/resolve/refs%2Fpr%2F1/config.json`,
    ]);
  }
  assert.deepEqual(await ask(`${hub}/bert-base-uncased/tree/86b5`), [
    "bert-base-uncased@86b5",
    `${hub}/bert-base-uncased/resolve/86b5/config.json`,
  ]);
  // A folder inside a model is another model than the one around it, and cached apart.
  const inside = `${hub}/o/n/resolve/v1/checkpoint-500/`;
  assert.deepEqual(await ask(`${hub}/o/n/tree/v1/checkpoint-500`), [inside, `${inside}config.json`]);
  assert.equal((await ask(inside))[1], `${inside}config.json`);
  const mirror = { endpoint: "https://mirror/hf" };
  assert.deepEqual(await ask("https://mirror/hf/o/n/tree/v1", mirror), [
    "o/n@v1",
    "https://mirror/hf/o/n/resolve/v1/config.json",
  ]);
  assert.deepEqual(await ask("https://mirror/hf/o/n"), ["https://mirror/hf/o/n/", "https://mirror/hf/o/n/config.json"]);
  await fails(open({ revision: "v2" }, {}, `${hub}/o/n/tree/v1`), "input", /^revision: /);
});

test("with a SHA-256 no byte is given before all are right, for every kind of source", async () => {
  const good = { "model.safetensors": sha256(weights) };
  const bad = { "model.safetensors": sha256(config) };
  await same(await openWeights({ sha256: good }));
  await fails((await openWeights({ sha256: bad })).read(0, 1), "integrity", /model\.safetensors: its SHA-256 is/);
  assert.deepEqual((await modelsIn(store)).length, 0, "nothing of it stays");
  const picked = await openModel([new File([weights], "model.safetensors")], { sha256: bad }, { hasher });
  await fails((await picked.open("model.safetensors")).read(0, 1), "integrity", /SHA-256/);
  await fails(open({ sha256: { a: "12" } }), "input", /64 hexadecimal/);
  await fails(open({ sha256: good }, { hasher: undefined }), "input", /no hasher/);

  keepNothing();
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

test("no file without a sum replaces one that has a sum", async () => {
  const index = Buffer.from(JSON.stringify({ weight_map: { a: "other.safetensors" } }));
  for (const name of [
    "model.safetensors.index.json",
    "other.safetensors",
    "pytorch_model.bin",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "tokenizer_config.json",
  ]) {
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
  // A shard is named by an index, and no other file replaces it.
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
  const shards = (count) => ({
    weight_map: Object.fromEntries(Array.from({ length: count }, (_, i) => [i, `${i}.bin`])),
  });
  const cost = async (index) => {
    site.files[`/m/${name}`] = Buffer.from(index);
    site.log.length = 0;
    await costOf(await open({}, {}, `${site.url}/m`), null);
  };
  await fails(cost(JSON.stringify(shards(1025))), "checkpoint", /lists 1025 shards, at most 1024/);
  assert.ok(
    site.log.every((line) => !line.includes(".bin ") && !line.endsWith("0.bin")),
    "no shard was asked for",
  );
  await fails(cost(JSON.stringify(shards(1024))), "not-found", /^0\.bin/);
  const large = JSON.stringify(shards(1)).padEnd(5 * MIB);
  await fails(cost(large), "config", /at most 4194304/);
  assert.ok(
    site.log.every((line) => !line.startsWith("GET") || !line.includes(name)),
    "no byte of it was read",
  );

  // Kept, it does not count as a complete model, and is not read into memory to find out.
  site.files["/m/0.bin"] = weights;
  const model = await open();
  for (const file of ["config.json", name, "0.bin"]) {
    const opened = await model.open(file);
    for (let at = 0; at < opened.size; at += PIECE) await opened.read(at, Math.min(opened.size, at + PIECE));
  }
  assert.deepEqual(
    (await modelsIn(store)).map(({ complete }) => complete),
    [false],
  );
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

test("cached models are listed and deleted", async () => {
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
