// The package where browsers are strict about scripts: from another origin as a CDN's, in a sandboxed
// frame, under Trusted Types. In Chromium, on two servers. CHROME_PATH names the browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { chromium } from "playwright-core";

import { chromiumArgs, chromiumPath } from "./browser.mjs";
import { filesIn } from "./harness.mjs";
import { serve } from "./loader/server.mjs";
import { miniFiles } from "./mini.mjs";

const ASK = JSON.stringify(["What is the capital of France?", ["Berlin.", "Paris.", "I like turtles."]]);

/** What loads the package's own model. */
const OWN = "undefined, { device: 'gpu' }";

let home, cdn, browser, expected, expectedOfOwn;

before(async () => {
  const dist = await filesIn(new URL("../../dist/", import.meta.url), "/dist/");
  for (const [name, bytes] of Object.entries(await miniFiles())) dist[`/mini/${name}`] = bytes;
  home = await serve({});
  cdn = await serve(dist);
  cdn.cors = true;
  home.dist = dist;
  browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
  const policy = policyOf({
    "script-src": "'self' 'wasm-unsafe-eval'",
    "worker-src": "'self'",
    "connect-src": "'self'",
  });
  expected = await scored({ from: home.url, policy });
  expectedOfOwn = await scored({ from: home.url, policy, load: OWN });
  for (const result of [expected, expectedOfOwn]) assert.equal(result.scores?.length, 3, JSON.stringify(result));
  assert.notDeepEqual(expected.scores, expectedOfOwn.scores);
});

after(async () => {
  await browser?.close();
  for (const server of [home, cdn]) server?.close();
});

const policyOf = (directives) =>
  Object.entries({ "default-src": "'none'", "img-src": "data:", ...directives })
    .map((parts) => parts.join(" "))
    .join("; ");

/** A page's policy for the package from the CDN. */
const fromCdn = (more = {}) =>
  policyOf({
    "script-src": `'self' ${cdn.url} 'wasm-unsafe-eval'`,
    "worker-src": `blob: ${cdn.url}`,
    "connect-src": cdn.url,
    ...more,
  });

/**
 * Loads the package from the server `from` in a page under `policy`, and scores: `{ scores, worker }`, or
 * `{ error }`, with `complaints` of the console. The model is cappy-mini beside the package, unless `load` has another.
 * `frame` puts the page into a frame with these attributes.
 * @param {{ from: string, policy: string, load?: string, prelude?: string, frame?: string, act?: string }} options
 * @returns {Promise<any>}
 */
async function scored({
  from,
  policy,
  load = `"${from}/mini/", { device: 'gpu', cache: false }`,
  prelude = "",
  frame,
  act = "",
}) {
  const script = `${prelude};
    import("${from}/dist/index.js").then(async (cappy) => {
      const scorer = await cappy.Scorer.load(${load});
      const scores = [...await scorer.score(...${ASK})];
      const { worker, device } = scorer.info();
      ${act}
      return { scores, worker, device };
    }).catch((error) => ({ error: error.code + ": " + error.message })).then((result) => {
      parent.postMessage(result, "*");
    });`;
  const html = (body) => Buffer.from(`<!doctype html><link rel="icon" href="data:,"><title>test</title>${body}`);
  const listen = "globalThis.result = new Promise((done) => addEventListener('message', ({ data }) => done(data)));";
  Object.assign(home, {
    policy,
    files: {
      ...home.dist,
      "/listen.js": Buffer.from(listen),
      "/act.js": Buffer.from(script),
      "/page.html": html(
        `<script src="/listen.js"></script>${frame ? `<iframe ${frame} src="/inner.html"></iframe>` : '<script src="/act.js"></script>'}`,
      ),
      "/inner.html": html('<script src="/act.js"></script>'),
    },
  });
  for (const server of [home, cdn]) server.log.length = 0;
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`${home.url}/page.html`);
    return { ...(await page.evaluate(() => globalThis.result)), complaints };
  } finally {
    await context.close();
  }
}

/** Asserts that it went as from the page's own origin, in a worker. */
function assertScored({ scores, worker, error, complaints }, { scores: these } = expected) {
  assert.equal(error, undefined, `${error} ${complaints.join("\n")}`);
  assert.deepEqual(complaints, []);
  assert.equal(worker, true);
  assert.deepEqual(scores, these);
}

test("the package scores from another origin, in a worker, and requests nothing from the page's own", async () => {
  assertScored(await scored({ from: cdn.url, policy: fromCdn(), load: OWN }), expectedOfOwn);
  assert.deepEqual(
    home.log.filter((line) => line.includes("/dist/")),
    [],
  );
  assert.equal(cdn.gets("/dist/families/family-worker.js").length, 1);
});

for (const [what, part, load, act] of [
  ["the CPU", "cpu/cpu-worker.js", "undefined, { device: 'cpu' }", ""],
  [
    "training and what was learned",
    "adapt/adapted-worker.js",
    undefined,
    `
    await scorer.apply(await scorer.adapt([{ instruction: "Greet me.", response: "Good morning!", label: 1 }], { size: 2, batch: 1, heldOut: 0 }));
    await scorer.score("Greet me.", "Good morning!");`,
  ],
]) {
  test(`the package works from another origin with ${what}`, async () => {
    const { error, worker, complaints } = await scored({ from: cdn.url, policy: fromCdn(), load, act });
    assert.deepEqual([error, worker, complaints], [undefined, true, []]);
    assert.equal(cdn.gets(`/dist/${part}`).length, 1);
  });
}

test("where the policy forbids scripts in memory, the package from another origin fails with that reason, or uses a copy on the page's own", async () => {
  const policy = fromCdn({ "worker-src": "'self'", "connect-src": `'self' ${cdn.url}` });
  const { error } = await scored({ from: cdn.url, policy });
  assert.match(error, /^worker: .*Content-Security-Policy.*worker-src/s);
  for (const assets of ["'/dist'", "'dist/'", "new URL('/dist/', location.href)"]) {
    assertScored(
      await scored({ from: cdn.url, policy, load: `undefined, { device: 'gpu', assets: ${assets} }` }),
      expectedOfOwn,
    );
    assert.equal(home.gets("/dist/families/family-worker.js").length, 1, assets);
    assert.equal(home.gets("/dist/families/wasm/cappy_families_bg.wasm").length, 1, assets);
    assert.equal(home.gets("/dist/model/model.safetensors").length, 1, assets);
    assert.deepEqual(cdn.gets(".wasm").concat(cdn.gets("/model/")), [], assets);
  }
  const wrong = await scored({ from: cdn.url, policy, load: "undefined, { device: 'gpu', assets: 'http://[' }" });
  assert.match(wrong.error, /^input: assets: http:\/\/\[ is not an address of a folder/);
});

test("the package scores in a sandboxed frame, which has no origin and no storage", async () => {
  home.cors = true;
  try {
    const policy = policyOf({
      "script-src": `${home.url} 'wasm-unsafe-eval'`,
      "worker-src": `data: ${home.url}`,
      "connect-src": home.url,
      "frame-src": home.url,
    });
    assertScored(await scored({ from: home.url, policy, frame: 'sandbox="allow-scripts"', load: OWN }), expectedOfOwn);
    // A model from a server, too: it is held in memory.
    const { error, scores } = await scored({
      from: home.url,
      policy,
      frame: 'sandbox="allow-scripts"',
      load: `"${home.url}/mini/", { device: 'gpu' }`,
    });
    assert.deepEqual([error, scores], [undefined, expected.scores]);
  } finally {
    home.cors = false;
  }
});

test("under Trusted Types, by a policy of the package's name or by the page's default one", async () => {
  const strict = (names) =>
    policyOf({
      "script-src": "'self' 'wasm-unsafe-eval'",
      "worker-src": "'self'",
      "connect-src": "'self'",
      "require-trusted-types-for": "'script'",
      "trusted-types": names,
    });
  assertScored(await scored({ from: home.url, policy: strict("cappy-web") }));
  const { error } = await scored({ from: home.url, policy: strict("'none'") });
  assert.match(error, /^worker: .*TrustedScriptURL/s);
  const byDefault = await scored({
    from: home.url,
    policy: strict("default"),
    prelude: 'trustedTypes.createPolicy("default", { createScriptURL: (address) => address })',
  });
  assert.deepEqual([byDefault.error, byDefault.scores], [undefined, expected.scores]);
  assertScored(
    await scored({
      from: cdn.url,
      policy: fromCdn({ "require-trusted-types-for": "'script'", "trusted-types": "cappy-web" }),
    }),
  );
});

test("the package scores in one classic script, which knows no address of its own, with its files in a folder", async () => {
  const entry = `import { Scorer } from ${JSON.stringify(fileURLToPath(new URL("../../dist/index.js", import.meta.url)))};
    Scorer.load(undefined, { device: "gpu", assets: "/dist/" }).then(async (scorer) => {
      const scores = [...await scorer.score(...${ASK})];
      parent.postMessage({ scores, worker: scorer.info().worker }, "*");
    });`;
  const {
    outputFiles: [bundle],
  } = await build({
    stdin: { contents: entry, resolveDir: "." },
    bundle: true,
    format: "iife",
    write: false,
    logLevel: "error",
  });
  assertScored(
    await scored({
      from: home.url,
      prelude: `${bundle.text}; throw new Error("the rest of this script is not wanted")`,
      policy: policyOf({ "script-src": "'self' 'wasm-unsafe-eval'", "worker-src": "'self'", "connect-src": "'self'" }),
    }).then(({ complaints, ...rest }) => ({
      ...rest,
      complaints: complaints.filter((what) => !what.includes("is not wanted")),
    })),
    expectedOfOwn,
  );
});

test("the page's own Worker is what it was", async () => {
  const { error, complaints } = await scored({
    from: cdn.url,
    policy: fromCdn(),
    prelude: "const before = globalThis.Worker",
    act: "if (globalThis.Worker !== before) throw new Error('another Worker');",
  });
  assert.deepEqual([error, complaints], [undefined, []]);
});
