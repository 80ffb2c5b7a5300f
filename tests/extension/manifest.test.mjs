// What the built extension asks for and contains: permissions, policy, addresses, and Mozilla's linter.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { built } from "./harness.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const BROWSERS = ["chrome", "firefox"];
const manifests = Object.fromEntries(
  await Promise.all(
    BROWSERS.map(async (browser) => [
      browser,
      JSON.parse(await readFile(join(built(browser), "manifest.json"), "utf8")),
    ]),
  ),
);

async function filesOf(browser) {
  const entries = await readdir(built(browser), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(built(browser), join(entry.parentPath, entry.name)));
}

test("the manifests ask for these permissions and no others", () => {
  const { chrome, firefox } = manifests;
  assert.deepEqual(chrome.permissions.toSorted(), ["activeTab", "contextMenus", "offscreen", "sidePanel"]);
  assert.deepEqual(firefox.permissions.toSorted(), ["activeTab", "contextMenus"]);
  for (const manifest of [chrome, firefox]) {
    assert.deepEqual(manifest.optional_permissions, ["scripting"]);
    assert.deepEqual(manifest.optional_host_permissions.toSorted(), [
      // Any host that a person allows, for what people host themselves, and the sites that are known by their address.
      "http://*/*",
      "https://*/*",
      "https://aistudio.google.com/*",
      "https://arena.ai/*",
      "https://chat.deepseek.com/*",
      "https://chat.qwen.ai/*",
      "https://chatgpt.com/*",
      "https://claude.ai/*",
      "https://gemini.google.com/*",
      "https://grok.com/*",
      "https://lmarena.ai/*",
    ]);
    // Ways for pages to reach the extension, and rights by other names.
    for (const key of [
      "host_permissions",
      "content_scripts",
      "web_accessible_resources",
      "externally_connectable",
      "devtools_page",
      "chrome_url_overrides",
      "declarative_net_request",
      "nacl_modules",
      "sandbox",
      "update_url",
      "oauth2",
    ])
      assert.ok(!(key in manifest), key);
    assert.equal(manifest.manifest_version, 3);
  }
});

test("only code of the package runs", async () => {
  for (const browser of BROWSERS) {
    assert.deepEqual(manifests[browser].content_security_policy, {
      extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'none'",
    });
    for (const path of (await filesOf(browser)).filter((path) => extname(path) === ".html")) {
      const html = await readFile(join(built(browser), path), "utf8");
      assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|\son\w+\s*=|javascript:/i, path);
    }
    for (const path of (await filesOf(browser)).filter((path) => /^(?!cappy-web).*\.js$/.test(path))) {
      const code = await readFile(join(built(browser), path), "utf8");
      assert.doesNotMatch(
        code,
        /\beval\(|new Function|\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write/,
        path,
      );
    }
  }
});

test("every file that the manifests name is there, and the version is the package's", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  for (const browser of BROWSERS) {
    const files = await filesOf(browser);
    const named = JSON.stringify(manifests[browser]).match(/[\w/-]+\.(?:js|html|png)/g);
    assert.ok(named.length > 8);
    for (const path of named) assert.ok(files.includes(path), `${browser}: ${path}`);
    assert.equal(manifests[browser].version, version);
    assert.equal(
      files.some((path) => path.endsWith(".d.ts") || path.endsWith(".ts")),
      false,
    );
  }
  assert.ok(
    !(await filesOf("firefox")).some((path) => path.includes("offscreen")),
    "Firefox has no offscreen documents",
  );
  assert.equal(manifests.firefox.browser_specific_settings.gecko.strict_min_version, "142.0");
  assert.deepEqual(manifests.firefox.browser_specific_settings.gecko.data_collection_permissions, {
    required: ["none"],
  });
});

test("the build holds the package's own model, and no WebAssembly that is never loaded", async () => {
  for (const browser of BROWSERS) {
    const folder = join(built(browser), "cappy-web");
    const files = (await filesOf(browser)).map((path) => relative(folder, join(built(browser), path)));
    const model = files.filter((path) => dirname(path) === "model").toSorted();
    assert.deepEqual(
      model,
      ["config.json", "decide.json", "model.safetensors", "tokenizer.json"].map((name) => join("model", name)),
    );
    for (const path of model) {
      const [theirs, ours] = [join(folder, path), join(root, "models/cappy-small", basename(path))];
      assert.ok((await readFile(theirs)).equals(await readFile(ours)), `${browser}: ${path}`);
    }
    // Whatever a script that may be loaded names is loaded at some time.
    const loaded = new Set(["index.js"]);
    for (const path of loaded) {
      if (extname(path) !== ".js") continue;
      const code = await readFile(join(folder, path), "utf8");
      for (const [, name] of code.matchAll(/["'`](\.{0,2}[\w./-]+\.(?:js|wasm))["'`]/g)) {
        const other = join(dirname(path), name);
        if (files.includes(other)) loaded.add(other);
      }
    }
    const modules = files.filter((path) => path.endsWith(".wasm")).toSorted();
    assert.deepEqual([...loaded].filter((path) => path.endsWith(".wasm")).toSorted(), modules);
    assert.deepEqual(
      modules.map((path) => basename(path)),
      [
        "cappy_adapt_bg.wasm", // teaching
        "cappy_cpu_bg.wasm", // the processor
        "cappy_families_bg.wasm", // the package's own model, and others that are no RoBERTa
        "cappy_bg.wasm", // Cappy-large, and other RoBERTa models
      ],
    );
  }
});

/** Bytes of what is downloaded from a store: the model is 12.7 million of them. */
const SIZE_LIMIT = 14_000_000;

test("the files for the stores are small", async (t) => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  for (const browser of BROWSERS) {
    const { size } = await stat(join(root, `extension/dist/cappy-${browser}-${version}.zip`));
    t.diagnostic(`${browser}: ${size} bytes`);
    assert.ok(size > 10_000_000 && size <= SIZE_LIMIT, `${browser}: ${size} bytes`);
  }
});

/**
 * Addresses that may be in the build, and what they are there for.
 * @type {[address: RegExp, why: string][]}
 */
const KNOWN = [
  [/^https:\/\/huggingface\.co$/, "the hub that models come from"],
  [
    /^https:\/\/(aistudio\.google\.com|arena\.ai|chat\.deepseek\.com|chat\.qwen\.ai|chatgpt\.com|claude\.ai|gemini\.google\.com|grok\.com|lmarena\.ai)(\/\*?)?$/,
    "sites with an adapter",
  ],
  [/^http:\/\/www\.w3\.org\/(1999\/xhtml|2000\/svg)$/, "the name of a namespace; nothing is fetched from it"],
  [/^https:\/\/example\.org\/my-model\/$/, "an example in an empty field of the options"],
  [/^https:\/\/git-lfs$/, "how files begin that stand for others: loading says so where one is found"],
  [/^https?:\/\/\*\/\*$/, "any host, of which a person allows single ones"],
  [/^https:\/\/host\/\*$/, "the form of match patterns, in a comment"],
  [/^https:\/\/cappy\.invalid\/$/, "a name in the browser's cache, of a domain that cannot exist"],
];

test("the build holds only addresses that are known", async () => {
  for (const browser of BROWSERS) {
    for (const path of await filesOf(browser)) {
      // Licences name where software comes from, for people to read.
      if (path.endsWith("THIRD-PARTY-NOTICES.txt")) continue;
      // As bytes: an address in WebAssembly or in weights would be found as well.
      const text = await readFile(join(built(browser), path), "latin1");
      for (const [address] of text.matchAll(/\b(?:https?|wss?|ftp):\/\/[\w%@:.-]+[\w%@:./*?&=#~+-]*/gi)) {
        assert.ok(
          KNOWN.some(([known]) => known.test(address)),
          `${browser}/${path}: ${address}`,
        );
      }
    }
  }
});

test("the build holds the licences of the bundled packages in their present versions", async () => {
  const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
  const sources = (await readdir(join(root, "extension"), { recursive: true })).filter((path) => path.endsWith(".ts"));
  const imported = new Set();
  for (const path of sources) {
    const code = await readFile(join(root, "extension", path), "utf8");
    for (const [, name] of code.matchAll(/^(?:import|export) (?!type\b)[^;]*?from "((?:@[^/"]+\/)?[^./"][^/"]*)/gm))
      imported.add(name);
  }
  imported.delete("cappy-web");
  assert.ok(imported.has("valibot"), [...imported].join());
  for (const browser of BROWSERS) {
    const notices = await readFile(join(built(browser), "THIRD-PARTY-NOTICES.txt"), "utf8");
    for (const name of imported) {
      const { version, license } = packages[`node_modules/${name}`];
      const folder = join(root, "node_modules", name);
      const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
      assert.ok(notices.includes(`\n${name} ${version}: ${license}, https://`), name);
      assert.ok(notices.includes((await readFile(join(folder, file), "utf8")).trim()), name);
    }
    const [ofPackage, web] = await Promise.all(
      [join(built(browser), "cappy-web/THIRD-PARTY-NOTICES.txt"), join(root, "notices/web.txt")].map((path) =>
        readFile(path, "utf8"),
      ),
    );
    assert.equal(ofPackage, web);
  }
});

/**
 * What the linter may warn of, and why.
 * @type {[code: string, file: RegExp, message: RegExp, why?: string][]}
 */
const WARNINGS = [
  // A branch for Node, with a name that is built so that bundlers leave it alone. It does not run in browsers.
  ["UNSAFE_VAR_ASSIGNMENT", /^cappy-web\/shared\.js$/, /import/],
  // Whether it is there is asked before it is called: the popup is the same in both browsers.
  ["UNSUPPORTED_API", /^(popup|shared)\//, /^sidePanel\.open /],
];

test("Mozilla's linter has no errors, and warns of nothing else", async () => {
  const lint = join(root, "node_modules/.bin/web-ext");
  const args = ["lint", "--source-dir", built("firefox"), "--output", "json", "--no-config-discovery"];
  // It fails where there are errors, and says them all the same.
  const { stdout } = await promisify(execFile)(lint, args, { maxBuffer: 1e8 }).catch((error) => error);
  const { errors, warnings, notices } = JSON.parse(stdout.slice(stdout.indexOf("{")));
  assert.deepEqual(errors, []);
  assert.deepEqual(notices, []);
  const unknown = warnings.filter(
    ({ code, file, message }) =>
      !WARNINGS.some(([known, where, what]) => known === code && where.test(file) && what.test(message)),
  );
  assert.deepEqual(unknown, []);
});
