// Builds and runs everything in `examples/` with the package as npm would install it: its
// package.json and `dist/`, which must have been built.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { chromiumArgs, chromiumPath } from "./browser.mjs";
import { lavapipe } from "./hosts.mjs";
import { openList, serve } from "./examples/site.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
let scratch;
let browser;

before(async () => {
  await access(join(root, "dist/index.js")).catch(() => {
    throw new Error("dist/index.js is missing: build the package first");
  });
  scratch = await mkdtemp(join(tmpdir(), "cappy-examples-"));
  browser = await chromium.launch({
    executablePath: chromiumPath,
    args: chromiumArgs,
  });
});

after(async () => {
  await browser?.close();
  if (scratch) {
    await rm(scratch, { recursive: true, force: true });
  }
});

/** Copies an example and installs what its package.json names, without the network. */
async function install(name) {
  const folder = join(scratch, name);
  await rm(folder, { recursive: true, force: true });
  await cp(join(root, "examples", name), folder, {
    recursive: true,
    // What a person has installed or built there is not part of the example.
    filter: (path) => !/[/\\](node_modules|dist|cappy-web)$/.test(path),
  });
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  await mkdir(join(folder, "node_modules"));
  for (const dependency of Object.keys({ ...dependencies, ...devDependencies })) {
    const place = join(folder, "node_modules", dependency);
    if (dependency === "cappy-web") {
      await installPackage(place);
    } else {
      const installed = join(root, "node_modules", dependency);
      await access(installed);
      await symlink(installed, place);
    }
  }
  return folder;
}

// A copy and not a link: bundlers treat links as part of the app, and only what is published counts.
async function installPackage(place) {
  await cp(join(root, "package.json"), join(place, "package.json"));
  await cp(join(root, "dist"), join(place, "dist"), { recursive: true });
}

async function assertRanks(url, other) {
  const { items, faults } = await openList(browser, url, other);
  assert.deepEqual(faults, []);
  assert.equal(items.length, 3);
  assert.match(items[0], /^The capital of France is Paris\. \(\d\.\d{3}\)$/);
}

async function assertSiteRanks(folder) {
  const site = await serve(folder);
  try {
    await assertRanks(site.url);
  } finally {
    await site.close();
  }
}

test("a page without a build step ranks", async () => {
  const folder = join(scratch, "plain");
  await cp(join(root, "examples/plain"), folder, { recursive: true });
  await cp(join(root, "dist"), join(folder, "cappy-web"), { recursive: true });
  await assertSiteRanks(folder);
});

test("an app built by Vite ranks", async () => {
  const folder = await install("vite");
  await run(process.execPath, ["node_modules/vite/bin/vite.js", "build"], { cwd: folder });
  await assertSiteRanks(join(folder, "dist"));
});

test("an app on Vite's development server", async () => {
  const folder = await install("vite");
  const { createServer } = await import("vite");
  const server = await createServer({
    root: folder,
    logLevel: "error",
    server: { host: "127.0.0.1", port: 0, hmr: false },
  });
  try {
    await server.listen();
    await assertRanks(
      `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.httpServer.address()).port}/`,
    );
  } finally {
    await server.close();
  }
});

test("an app built by webpack ranks", async () => {
  const folder = await install("webpack");
  await run(process.execPath, ["build.mjs"], { cwd: folder });
  await assertSiteRanks(join(folder, "dist"));
});

/** Builds an app by `build(folder, base)` for an origin of its files that is not the page's, and opens it. */
async function assertRanksFromElsewhere(name, build) {
  const folder = await install(name);
  const cdn = await serve(join(folder, "dist"), { "Access-Control-Allow-Origin": "*" });
  const { origin } = new URL(cdn.url);
  const policy = `default-src 'none'; script-src ${origin} 'wasm-unsafe-eval'; worker-src blob: ${origin}; connect-src ${origin}; img-src data:`;
  const page = join(folder, "page");
  const home = await serve(page, { "Content-Security-Policy": policy });
  try {
    await build(folder, cdn.url);
    await mkdir(page);
    await rename(join(folder, "dist/index.html"), join(page, "index.html"));
    await assertRanks(home.url, origin);
  } finally {
    await Promise.all([home.close(), cdn.close()]);
    await rm(folder, { recursive: true });
  }
}

test("an app built by Vite ranks with a base on another origin", () =>
  assertRanksFromElsewhere("vite", async (folder, base) => {
    await run(process.execPath, ["node_modules/vite/bin/vite.js", "build", "--base", base], { cwd: folder });
  }));

test("an app built by webpack ranks with its public path on another origin", () =>
  assertRanksFromElsewhere("webpack", async (folder, base) => {
    const script = await readFile(join(folder, "build.mjs"), "utf8");
    await writeFile(
      join(folder, "build.mjs"),
      script.replace("clean: true", `clean: true, publicPath: ${JSON.stringify(base)}`),
    );
    await run(process.execPath, ["build.mjs"], { cwd: folder });
    const html = await readFile(join(folder, "index.html"), "utf8");
    await writeFile(join(folder, "dist/index.html"), html.replace("./main.js", `${base}main.js`));
  }));

for (const name of ["esbuild", "rollup"]) {
  test(`an app built by ${name} ranks`, async () => {
    const folder = await install(name);
    await run(process.execPath, ["build.mjs"], { cwd: folder });
    await assertSiteRanks(join(folder, "dist"));
  });
}

test("an app built by Parcel ranks", async () => {
  const folder = await install("parcel");
  const parcel = join(root, "node_modules/parcel/lib/bin.js");
  await run(process.execPath, [parcel, "build", "index.html", "--no-cache", "--no-autoinstall"], { cwd: folder });
  await run(process.execPath, ["beside.mjs"], { cwd: folder });
  await assertSiteRanks(join(folder, "dist"));
});

/** Runs a Node example; its lines. The driver's warnings are not looked at. */
async function runNode(name, script) {
  const folder = await install(name);
  const runtime = await mkdtemp(join(scratch, "run-"));
  const env = { ...process.env, ...lavapipe(), XDG_RUNTIME_DIR: runtime };
  const { stdout } = await run(process.execPath, [script], { cwd: folder, env, timeout: 180_000 });
  return stdout.trim().split("\n");
}

test("the example for Node ranks", async () => {
  const lines = await runNode("node", "rank.mjs");
  assert.equal(lines.length, 3);
  assert.match(lines[0], /^ *\d\.\d{3} {2}The capital of France is Paris\.$/);
});

test("the example for the AI SDK in Node ranks", async () => {
  const lines = await runNode("ai-sdk", "rerank.mjs");
  assert.equal(lines.length, 2);
  assert.match(lines[0], /^ *\d\.\d{3} {2}Put the egg into boiling water/);
});

test("the example of best of n stops early", async () => {
  const lines = await runNode("best", "best.mjs");
  assert.equal(lines.length, 5 + 2);
  assert.match(lines[0], /^ *-?\d\.\d{3} {2}Wine is made from grapes\.$/);
  assert.match(lines[6], /^The best of 5 \(enough\): Blot the stain, pour cold water/);
});

test("what goes wrong in a page is found", async () => {
  const folder = join(scratch, "broken");
  await mkdir(folder);
  const html = (script) => `<!doctype html><meta charset="utf-8"><ol><li>listed</li></ol>${script}`;
  await writeFile(join(folder, "index.html"), html(""));
  await writeFile(join(folder, "inline.html"), html("<script>1</script>"));
  await writeFile(join(folder, "missing.html"), html('<script src="missing.js"></script>'));
  await writeFile(join(folder, "elsewhere.html"), html('<img src="http://localhost:9/">'));
  await writeFile(join(folder, "throws.html"), html('<script src="throws.js"></script>'));
  await writeFile(join(folder, "throws.js"), 'throw new Error("thrown")');
  await writeFile(join(folder, "blob.html"), html('<script src="blob.js"></script>'));
  await writeFile(join(folder, "blob.js"), 'new Worker(URL.createObjectURL(new Blob(["1"])))');
  await writeFile(join(folder, "worker.html"), html('<script src="worker.js"></script>'));
  await writeFile(join(folder, "worker.js"), 'self.document ? new Worker("worker.js") : eval("1")');
  const site = await serve(folder);
  try {
    const faultsOf = async (page) => (await openList(browser, site.url + page)).faults.join("\n");
    assert.equal(await faultsOf(""), "");
    assert.match(await faultsOf("inline.html"), /Content Security Policy/);
    assert.match(await faultsOf("missing.html"), /404: .*missing\.js/);
    assert.match(await faultsOf("elsewhere.html"), /elsewhere: http:\/\/localhost:9/);
    assert.match(await faultsOf("throws.html"), /uncaught: Error: thrown/);
    assert.match(await faultsOf("blob.html"), /Content Security Policy/);
    assert.match(await faultsOf("worker.html"), /Content Security Policy/);
  } finally {
    await site.close();
  }
});
