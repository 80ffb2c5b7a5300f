// What a page downloads of the package.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

const dist = fileURLToPath(new URL("../../dist", import.meta.url));
/** The package before it is bundled. */
const modules = fileURLToPath(new URL("../../target/modules", import.meta.url));

/**
 * Bytes with brotli at its strongest, each file alone, as servers send them. What is in `adapt/` is
 * loaded only to adapt, to score with an adaptation, or to measure kernels; what is in `cpu/` where the
 * CPU computes, in place of the WebAssembly for scoring; what is in `families/` for models
 * that are no RoBERTa, as the package's own is none. Each has a module of its own.
 */
const LIMITS = { "": 500_000, adapt: 600_000, cpu: 560_000, families: 560_000 };

/** Bytes of the package's own model, which is downloaded where `load()` has no source. */
const MODEL_LIMIT = 13_000_000;

/** What each of these modules imports, written so that bundlers see it, and the file that it is bundled into. */
const ON_DEMAND = {
  "choose.js": { bundledInto: "scorer.js", imports: ["adapt/adapting", "cpu/on-cpu"] },
  "decider.js": { bundledInto: "ai-sdk.js", imports: ["decide/content", "decide/plan", "decide/rendering"] },
  "scorer.js": { bundledInto: "scorer.js", imports: ["best/best", "decide/decide", "explain/explain"] },
  "builds.js": { bundledInto: "scorer.js", imports: ["adapt/adapt-wasm", "cpu/cpu-wasm", "families/family-wasm"] },
};

/** The folder of what is loaded on demand alone; empty for the rest. */
const part = (name) => /^(adapt|best|cpu|decide|explain|families)[/\\]/.exec(name)?.[1] ?? "";

test("wasm and JavaScript are small with brotli", (t) => {
  const sizes = readdirSync(dist, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(js|wasm)$/.test(name))
    .map((name) => {
      const bytes = readFileSync(join(dist, name));
      const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length, [constants.BROTLI_PARAM_QUALITY]: 11 };
      return { name, size: brotliCompressSync(bytes, { params }).length };
    });
  for (const [folder, limit] of Object.entries(LIMITS)) {
    const what = folder || "for scoring";
    const files = sizes.filter(({ name }) => part(name) === folder);
    const of = (ending) => files.filter(({ name }) => name.endsWith(ending)).reduce((sum, { size }) => sum + size, 0);
    const [wasm, js] = [of(".wasm"), of(".js")];
    t.diagnostic(`${what}: wasm ${wasm} bytes, JavaScript ${js} bytes, ${wasm + js} in all`);
    assert.ok(wasm > 100_000 && js > 1000, "is the package built?");
    assert.ok(wasm + js <= limit, `${what}: ${wasm + js} bytes`);
  }
});

test("the package's own model is small", (t) => {
  const sizes = ["config.json", "decide.json", "tokenizer.json", "model.safetensors"].map(
    (name) => statSync(join(dist, "model", name)).size,
  );
  assert.equal(readdirSync(join(dist, "model")).length, sizes.length);
  const bytes = sizes.reduce((sum, size) => sum + size);
  t.diagnostic(`model: ${bytes} bytes`);
  assert.ok(bytes > 1_000_000, "is the package built?");
  assert.ok(bytes <= MODEL_LIMIT, `${bytes} bytes`);
});

for (const folder of ["best", "decide", "explain"]) {
  test(`what only ${folder} needs is a few kilobytes more`, (t) => {
    const files = readdirSync(join(dist, folder)).filter((name) => name.endsWith(".js"));
    const bytes = files.reduce(
      (sum, name) => sum + brotliCompressSync(readFileSync(join(dist, folder, name))).length,
      0,
    );
    t.diagnostic(`${folder}: ${bytes} bytes`);
    assert.ok(bytes > 500 && bytes < 10_000, `${bytes} bytes`);
  });
}

test("what only choosing, decisions, explanations, adapting, the CPU and other families need is imported on demand", () => {
  for (const folder of [modules, dist]) {
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".js") || part(name)) continue;
      const code = readFileSync(join(folder, name), "utf8");
      assert.doesNotMatch(code, /(from|import)\s*["'][^"']*(adapt|best|cpu|decide|explain|families)\//, name);
    }
  }
  for (const [name, { bundledInto, imports }] of Object.entries(ON_DEMAND)) {
    for (const file of [join(modules, name), join(dist, bundledInto)]) {
      const code = readFileSync(file, "utf8");
      for (const entry of imports)
        assert.match(code, new RegExp(`import\\(\\s*["']\\./${entry}\\.js["']\\s*\\)`), file);
    }
  }
});

for (const [entry, files] of Object.entries({
  "index.js": ["index.js", "scorer.js", "shared.js", "wasm.js", "wasm/cappy.js"],
  "worker.js": ["serving.js", "shared.js", "wasm.js", "wasm/cappy.js", "worker.js"],
  "families/family-worker.js": [
    "families/family-wasm.js",
    "families/family-worker.js",
    "families/wasm/cappy_families.js",
    "serving.js",
    "shared.js",
  ],
  "cpu/cpu-worker.js": ["cpu/cpu-wasm.js", "cpu/cpu-worker.js", "cpu/wasm/cappy_cpu.js", "serving.js", "shared.js"],
})) {
  test(`${entry} loads five files at once, because a browser takes milliseconds for each`, () => {
    assert.deepEqual([...loadedWith(entry)].sort(), files);
  });
}

test("an adapter comes without the scorer, which its user has made", () => {
  for (const entry of ["rerank.js", "ai-sdk.js", "langchain.js"]) {
    const files = [...loadedWith(entry)].filter((name) => ![entry, "ranker.js", "shared.js"].includes(name));
    assert.deepEqual(files, [], entry);
  }
});

/** The scripts that are loaded with one. */
function loadedWith(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  const code = readFileSync(join(dist, name), "utf8");
  for (const [, from] of code.matchAll(/(?:from|import)\s*["']([^"']+)["']/g)) {
    if (from.startsWith(".")) loadedWith(join(name, "..", from).replaceAll("\\", "/"), seen);
  }
  return seen;
}

test("no address of another host is in the package, but the hub's", () => {
  for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".js")) continue;
    const hosts = readFileSync(join(dist, name), "utf8").match(/https?:\/\/[a-z0-9.-]+/g) ?? [];
    assert.deepEqual(
      hosts.filter((host) => host !== "https://huggingface.co" && !host.endsWith(".invalid")),
      [],
      name,
    );
  }
});

test("npm would publish dist and nothing that installs itself", () => {
  const manifest = JSON.parse(readFileSync(join(dist, "../package.json"), "utf8"));
  assert.deepEqual(manifest.files, ["dist"]);
  // The terms of the crates in the WebAssembly; tests/notices.rs compares them with the lock file.
  const [published, kept] = ["THIRD-PARTY-NOTICES.txt", "../notices/web.txt"].map((name) =>
    readFileSync(join(dist, name), "utf8"),
  );
  assert.equal(published, kept);
  for (const script of ["preinstall", "install", "postinstall", "prepare"])
    assert.equal(manifest.scripts[script], undefined);
  assert.equal(manifest.dependencies, undefined);
  for (const [entry, target] of Object.entries(manifest.exports)) {
    if (typeof target === "string") continue;
    assert.equal(Object.keys(target)[0], "types", entry);
  }
});

test("no two files of the package share a name, so that bundlers may put them all into one folder", () => {
  const names = readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
  assert.ok(names.length > 50);
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
});
