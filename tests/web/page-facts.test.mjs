/**
 * What the pages say in figures, links and code: each figure is that of the place that has it, code does what it says,
 * and what other programs read of the page is there.
 *
 * CAPPY_SITE   the built site's folder; without it what is built is skipped
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fillPage, knownDevices, linksOf, strengths } from "../../scripts/page-facts.mjs";
import { comparison, tableRow, verdict } from "../../www/bench-verdict.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path) => readFileSync(join(root, path), "utf8");
const site = process.env.CAPPY_SITE;
const noSite = !site ? "CAPPY_SITE is not set" : false;

/** The page's code by the ids of its elements, as a browser has it. */
const codes = [...read("www/index.html").matchAll(/<code id="code-(\w+)">([^<]*)<\/code>/g)].map(([, name, code]) => ({
  name,
  code: code.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&"),
}));
/** All of it in one module, each in a scope of its own. */
const together = (parts) =>
  [
    'import { Scorer } from "cappy-web";',
    ...parts.map(({ code }) => `{${code.replace(/^import .*$/m, "")}}`),
    "export {};",
  ].join("\n");

describe("the page's code", () => {
  test("is right by the package's types, all of it", () => {
    assert.deepEqual(
      codes.map(({ name }) => name),
      ["rank", "decide", "explain", "teach"],
    );
    const folder = mkdtempSync(join(root, "node_modules/.page-code-"));
    try {
      writeFileSync(join(folder, "code.mts"), together(codes));
      const config = {
        extends: join(root, "tsconfig.scripts.json"),
        compilerOptions: { strict: true, paths: { "cappy-web": [join(root, "dist/index.d.ts")] } },
        include: ["code.mts"],
        exclude: [],
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
      const tsc = join(root, "node_modules/.bin/tsc");
      const { stdout, status } = spawnSync(tsc, ["--noEmit", "-p", folder], { encoding: "utf8" });
      assert.equal(status, 0, stdout);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("does in Node what it says, but for teaching, which needs a GPU", { timeout: 60_000 }, () => {
    const parts = codes.filter(({ name }) => name !== "teach");
    const code = together(parts).replaceAll("Scorer.load()", 'Scorer.load(undefined, { device: "cpu" })');
    const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
      cwd: root,
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    const [ranked, decided, ...words] = stdout.trim().split("\n");
    assert.match(ranked, /^(Romeo|William Shakespeare wrote it)\. -?\d\.\d+$/);
    assert.ok(Number(decided) > 0 && Number(decided) < 1, decided);
    assert.deepEqual(
      words.map((line) => line.split(" ")[0]),
      ["Paris", "by", "the", "Seine"],
    );
  });
});

describe("figures and links of the page", () => {
  test("a figure that nothing gives ends the build, and what stands in a figure is text", () => {
    const page = '<b data-fact="right">some</b> <a data-link="code" hidden>Code</a><a data-link="npm" hidden>npm</a>';
    const sets = { good: [], bad: [] };
    assert.throws(() => fillPage(page, {}, sets, {}), /asks for a figure 'right'/);
    assert.equal(
      fillPage(page, { right: "<1 & 2" }, sets, { code: "https://example.org/?a&b" }),
      '<b data-fact="right">&lt;1 &amp; 2</b> <a href="https://example.org/?a&amp;b">Code</a>',
    );
  });

  test("without an address a link is left out, keeps its own address, or becomes text, because one to nowhere is none", () => {
    const page =
      '<nav>\n  <a data-link="npm" hidden>npm</a>\n  <a data-link="docs" href="own.html">Docs</a>\n</nav>In <a data-link="issues">an issue</a>.';
    assert.equal(
      fillPage(page, {}, { good: [], bad: [] }, {}),
      '<nav>\n  <a data-link="docs" href="own.html">Docs</a>\n</nav>In an issue.',
    );
    for (const name of ["index.html", "bench.html"]) {
      const built = read(`www/${name}`);
      const facts = Object.fromEntries([...built.matchAll(/data-fact="([\w-]+)"/g)].map(([, fact]) => [fact, "1"]));
      const nowhere = fillPage(built, facts, { good: [], bad: [] }, {}).match(/<a (?![^>]*href=)[^>]*>/g);
      assert.equal(nowhere, null, `${name} has links that lead nowhere`);
    }
  });

  test("what the model is good and bad at is sorted by what it adds to chance, and few questions do not count", () => {
    const row = (name, questions, right, chance) =>
      `| ${name} | ${questions} | ${right} | 1 to 99 | ${chance} | 0 | 0 | 0 |`;
    const names = ["blimp", "trivia", "t0/paws", "t0/cnn", "t0/ropes", "t0/wiki", "induce", "t0/kilt"];
    const card = [
      ...names.map((name, at) => row(name, 20, 50 + 5 * at, 50)),
      row("t0/quoref", 19, 100, 10),
      row("t0/duorc", 40, 70, 10),
    ].join("\n");
    const { good, bad } = strengths(card);
    assert.deepEqual(
      good.map(({ subject }) => subject),
      [
        "Questions that need two facts",
        "Questions about films",
        "Opposites, plurals and other work with words",
        "Questions about articles",
      ],
    );
    assert.deepEqual(bad[0], { subject: "Grammar", questions: 20, right: 50, chance: 50 });
    assert.throws(() => strengths(""), /has no table/);
  });

  test("links come from package.json, and there are none to places that it does not name", () => {
    const none = { page: undefined, docs: "decisions.html" };
    assert.deepEqual(linksOf({ name: "a" }), none);
    // As it stands before the owner has filled in an account.
    const repository = { url: "git+https://github.com/OWNER/cappy.git" };
    assert.deepEqual(linksOf({ name: "a", repository, homepage: "https://OWNER.github.io/cappy/" }), none);
    assert.equal(linksOf({ name: "a", homepage: "https://o.github.io/r" }).docs, "https://o.github.io/r/docs/");
    for (const repository of ["github:o/r", "https://github.com/o/r", { url: "git+https://github.com/o/r.git" }]) {
      const { code, npm, issues } = linksOf({ name: "a", repository });
      assert.deepEqual(
        [code, npm, issues],
        ["https://github.com/o/r", "https://www.npmjs.com/package/a", "https://github.com/o/r/issues"],
      );
    }
    // An address with a script in it is no link.
    assert.equal(linksOf({ name: "a", repository: "javascript:alert(1)" }).code, undefined);
  });

  test("the built page says the figures of the model's own page and of its files", { skip: noSite }, () => {
    const html = readFileSync(join(site, "index.html"), "utf8");
    const card = read("models/cappy-small/README.md");
    const [, questions, right] = /^\| dev split of the instructions[^|]*\| (\d+) \| ([\d.]+) \|/m.exec(card);
    const fact = (name) => new RegExp(`data-fact="${name}">([^<]*)<`).exec(html)[1];
    assert.deepEqual([fact("questions").replace(",", ""), fact("right")], [questions, right]);
    const bytes = ["config.json", "decide.json", "tokenizer.json", "model.safetensors"]
      .map((name) => statSync(join(site, "cappy-web/model", name)).size)
      .reduce((sum, size) => sum + size);
    assert.equal(fact("model-size"), `${(bytes / 1e6).toFixed(1)} MB`);
    assert.equal(
      [...html.matchAll(/<li class="share"><span class="share-name">[^<]+<\/span> <span[^>]*>\d+%/g)].length,
      8,
    );
    assert.doesNotMatch(html, /at most 13 MB|>some<|>many<|several MB/, "no figure is left as the sources have it");
  });

  test("what other programs read of the built page is there, in the sizes that it says", { skip: noSite }, () => {
    const html = readFileSync(join(site, "index.html"), "utf8");
    const sizeOf = (name) => {
      const png = readFileSync(join(site, name));
      assert.equal(png.toString("latin1", 1, 4), "PNG", name);
      return [png.readUInt32BE(16), png.readUInt32BE(20)];
    };
    const meta = (name) => new RegExp(`property="og:${name}" content="([^"]*)"`).exec(html)[1];
    assert.match(meta("image"), /card\.png$/);
    assert.deepEqual(sizeOf("card.png"), [meta("image:width"), meta("image:height")].map(Number));
    assert.match(html, /<link rel="manifest" href="manifest\.webmanifest">/);
    const manifest = JSON.parse(readFileSync(join(site, "manifest.webmanifest"), "utf8"));
    for (const { src, sizes, type } of manifest.icons)
      if (type === "image/png") assert.deepEqual(sizeOf(src), sizes.split("x").map(Number), src);
      else assert.ok(statSync(join(site, src)).size > 0);
    assert.ok(manifest.icons.some(({ purpose }) => purpose === "maskable"));
    assert.deepEqual([manifest.start_url, manifest.display], ["./", "standalone"]);
    const page = '  <meta property="og:type" content="website">\n  <meta property="og:image" content="card.png">';
    const filled = fillPage(page, {}, { good: [], bad: [] }, { page: "https://example.org/demo/" });
    assert.ok(filled.includes('property="og:image" content="https://example.org/demo/card.png"'));
    assert.ok(filled.includes('<link rel="canonical" href="https://example.org/demo/">'));
  });
});

describe("the table of devices", () => {
  const info = {
    device: "gpu",
    adapter: { vendor: "acme", architecture: "x|1", description: "Fast\n|Card", f16: true, software: false },
  };
  const measured = {
    pairs: 1234.5,
    one: 0.0042,
    version: "0.1.0",
    agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    cores: 8,
    date: new Date("2026-11-29T12:00:00Z"),
  };

  test("takes the lines that the bench page writes, whatever an adapter is called", () => {
    const line = tableRow({ info: /** @type {any} */ (info), ...measured });
    assert.equal(line, "| Fast Card, acme, x 1 | Chrome 156, Linux | GPU, f16 | 1235 | 4 ms | 0.1.0 | 2026-11-29 |");
    const head = read("docs/devices.md")
      .split("\n")
      .filter((each) => each.startsWith("|"))
      .slice(0, 2);
    const cellsOf = (each) => each.split("|").length;
    assert.equal(cellsOf(line), cellsOf(head[0]));
    assert.deepEqual(knownDevices([...head, line].join("\n")), [
      { device: "Fast Card, acme, x 1", browser: "Chrome 156, Linux", pairs: 1235 },
    ]);
    assert.throws(() => knownDevices([...head, "| a | b | c |"].join("\n")), /no line of the table/);
    assert.ok(knownDevices().length > 0, "the table in docs/devices.md can be read, and has lines");
  });

  test("names browsers as people do", () => {
    const browser = (agent) => tableRow({ info: /** @type {any} */ (info), ...measured, agent }).split(" | ")[1];
    assert.equal(
      browser("Mozilla/5.0 (Windows NT 10.0; rv:153.0) Gecko/20100101 Firefox/153.0"),
      "Firefox 153, Windows",
    );
    assert.equal(browser("Mozilla/5.0 (Windows NT 10.0) Chrome/156.0 Safari/537.36 Edg/156.0"), "Edge 156, Windows");
    assert.equal(
      browser("Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26.0 Mobile/15E148 Safari/604.1"),
      "Safari 26, iPhone",
    );
  });

  test("says in a sentence whether a device is fast, and which known one it is like", () => {
    assert.match(verdict(1000), /^This device is fast: 1000 pairs a second of the default model/);
    assert.match(verdict(40), /^This device is fast enough: 40\.0 pairs/);
    assert.match(verdict(2), /^This device is slow: 2\.00 pairs .*, so twenty answers take 10\.0 s\.$/);
    const known = [
      { device: "A", browser: "B", pairs: 100 },
      { device: "C", browser: "D", pairs: 10_000 },
    ];
    assert.equal(comparison(110, known), "It is about as fast as A in B.");
    assert.equal(comparison(300, known), "It is 3.00 times as fast as A in B.");
    assert.equal(comparison(5000, known), "C in D is 2.00 times as fast.");
    assert.equal(comparison(5, []), "");
  });
});
