// Each block of code in the documentation is checked by something: JavaScript and TypeScript by the compiler against
// the built package's types, JSON and Python by a parser, commands by what they name. Commands of `cappy` are parsed by
// crates/cli/src/documented_tests.rs, and Rust is compiled by crates/docs.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { charts, table } from "../../bench/peers/charts.mjs";
import { blocksOf, pages, root } from "./docs-pages.mjs";

const run = promisify(execFile);
/** Every block with its page. */
const blocks = [...pages()].flatMap(([file, text]) => blocksOf(text).map((block) => ({ file, ...block })));
const of = (...languages) => blocks.filter(({ language }) => languages.includes(language));
const place = ({ file, line }) => `${file}:${line}`;

/** Rust that is part of this repository's own crate, and no program that could stand by itself. */
const WALKTHROUGH = "docs/adding-a-kernel.md";

test("every block of code says what language it is in, one that is checked here", () => {
  assert.ok(blocks.length > 50, `${blocks.length} blocks`);
  const known = ["js", "ts", "json", "jsonl", "sh", "rust", "wgsl", "python", "text"];
  for (const block of blocks) assert.ok(known.includes(block.language), `${place(block)}: '${block.language}'`);
});

test("the compiler accepts JavaScript and TypeScript", { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(root, "target/docs-code-"));
  try {
    const code = of("js", "ts");
    assert.ok(code.length > 10, `${code.length} blocks`);
    for (const [at, block] of code.entries()) {
      const ending = block.language === "ts" ? "ts" : "js";
      writeFileSync(join(folder, `${at}.${ending}`), `${block.code}\nexport {};\n`);
    }
    const files = code.map(({ language }, at) => `${at}.${language === "ts" ? "ts" : "js"}`);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config(folder, files)));
    const { stdout } = await run(join(root, "node_modules/.bin/tsc"), ["-p", folder]).catch((error) => error);
    const faults = stdout.replace(/^.*?(\d+)\.[jt]s\((\d+),/gm, (_, at, line) => {
      const { file, line: first } = code[Number(at)];
      return `${file}:${first + Number(line)}: (`;
    });
    assert.equal(faults, "");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("Python is Python", async () => {
  const code = of("python");
  assert.ok(code.length > 3, `${code.length} blocks`);
  for (const block of code) {
    await assert.doesNotReject(
      run("python3", ["-c", "import ast, sys; ast.parse(sys.argv[1])", block.code]),
      place(block),
    );
  }
  await assert.rejects(run("python3", ["-c", "import ast, sys; ast.parse(sys.argv[1])", "a = ("]), /SyntaxError/);
});

function config(folder, files) {
  const entry = (name) => [join(root, `dist/${name}.d.ts`)];
  return {
    compilerOptions: {
      target: "ES2022",
      module: "ESNext",
      moduleResolution: "bundler",
      lib: ["ESNext", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
      allowJs: true,
      checkJs: true,
      noEmit: true,
      strict: true,
      // Examples show calls, and are not checked for what a reader's own functions take.
      noImplicitAny: false,
      useUnknownInCatchVariables: false,
      // docs/extension.md shows a file of extension/sites/.
      rootDirs: [folder, join(root, "extension/sites")],
      skipLibCheck: true,
      paths: {
        "cappy-web": entry("index"),
        "cappy-web/rerank": entry("rerank"),
        "cappy-web/ai-sdk": entry("ai-sdk"),
        "cappy-web/langchain": entry("langchain"),
      },
    },
    files: [...["globals", "ai"].map((name) => join(root, `tests/web/docs/${name}.d.ts`)), ...files],
  };
}

test("JSON is JSON", () => {
  for (const block of of("json", "jsonl")) {
    const texts = block.language === "json" ? [block.code] : block.code.trim().split("\n");
    for (const text of texts) assert.doesNotThrow(() => JSON.parse(text), undefined, place(block));
  }
});

test("commands name scripts and files that are there", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  let checked = 0;
  for (const block of of("sh")) {
    for (const line of block.code.split("\n")) {
      const [, script] = /^npm run ([\w:-]+)/.exec(line) ?? /^npm (start|test)\b/.exec(line) ?? [];
      // Folders of packages have scripts of their own.
      if (script && !block.file.startsWith("examples/")) {
        checked++;
        assert.ok(scripts[script], `${place(block)}: npm has no script '${script}'`);
      }
      const [, path] =
        /^(?:[A-Z_]+=\S+ )*(?:(?:node|bash|python)(?: --[\w-]+(?: "[^"]*")?)* )?((?:scripts|tests|examples|bench)\/[\w./-]+)/.exec(
          line,
        ) ?? [];
      if (!path) continue;
      checked++;
      assert.ok(existsSync(join(root, path)), `${place(block)}: there is no ${path}`);
    }
  }
  assert.ok(checked > 10, `${checked} commands`);
});

test("Rust is compiled by crates/docs", () => {
  const compiled = readFileSync(join(root, "crates/docs/src/lib.rs"), "utf8");
  const files = [...compiled.matchAll(/include_str!\("((?:\.\.\/)+)([^"]+)"\)/g)].map(([, up, path]) =>
    up === "../../" ? `crates/${path}` : path,
  );
  for (const block of of("rust")) {
    if (block.file !== WALKTHROUGH) assert.ok(files.includes(block.file), `${place(block)} is not compiled`);
  }
});

test("the charts of docs/performance.md are drawn from its tables, and shown there", () => {
  const markdown = readFileSync(join(root, "docs/performance.md"), "utf8");
  for (const [name, svg] of Object.entries(charts(markdown))) {
    const again = `docs/pictures/${name} is of other tables: run node bench/peers/charts.mjs`;
    assert.equal(readFileSync(join(root, "docs/pictures", name), "utf8"), svg, again);
    assert.ok(markdown.includes(`](pictures/${name})`), name);
  }
  const rows = table("| model | n |\n| --- | --- |\n| a | 1 |\n| | **2.5** |\n\n| model | m |", "model | n");
  assert.deepEqual(rows, [
    { model: "a", n: "1" },
    { model: "a", n: "**2.5**" },
  ]);
  assert.throws(() => table(markdown, "nothing"), /has no table whose first column is "nothing"/);
});
