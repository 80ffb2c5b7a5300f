// Programs that use the package as it is published: strict TypeScript with and without the DOM's types,
// every declaration checked, and CommonJS.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cappy-consumer-"));
  await mkdir(join(folder, "node_modules/@types"), { recursive: true });
  await symlink(root, join(folder, "node_modules/cappy-web"));
  await symlink(join(root, "node_modules/@types/node"), join(folder, "node_modules/@types/node"));
  // Node's types stand on these.
  await symlink(join(root, "node_modules/undici-types"), join(folder, "node_modules/undici-types"));
});
after(() => folder && rm(folder, { recursive: true, force: true }));

/** Runs a program; its exit code and output. */
function run(command, args) {
  return new Promise((resolve) =>
    execFile(command, args, { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, output: stdout + stderr }),
    ),
  );
}

/** What the compiler says of `files` (name to text). */
async function compile(files, options) {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const compilerOptions = {
    target: "ES2022",
    module: "NodeNext",
    moduleResolution: "NodeNext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    noEmit: true,
    skipLibCheck: false,
    types: [],
    ...options,
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: Object.keys(files) }));
  return run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.json"]);
}

const PROGRAM = `
import { CappyError, deleteKept, keptModels, probe, Scorer, type Best, type Info, type LoadOptions, type Ranked } from "cappy-web";
import { reranker } from "cappy-web/rerank";
const options: LoadOptions = { device: "auto", onProgress: ({ phase, bytes, total }) => void [phase, bytes / total] };
const scorer: Scorer = await Scorer.load("owner/name", options);
const ranked: Ranked[] = await scorer.rank("q", ["a", "b"], { topK: 1 });
const info: Info = scorer.info();
const one: number = await scorer.score("q", "a");
const many: Float32Array = await scorer.score("q", ["a", { text: "b" }]);
for await (const { score } of scorer.stream("q", ["a"])) void score;
const best: Best | undefined = await scorer.best("q", ["a", "b"], { enough: 0.9, patience: 2, onScore: ({ score }) => void score });
async function* samples() { yield { text: "a", id: 7 }; }
const id: number | undefined = (await scorer.best("q", samples(), { atMost: 1 }))?.candidate.id;
await reranker(scorer).rerank({ model: "rerank-v3.5", query: "q", documents: ["a"], topN: 1 });
try { await probe(); } catch (error) { if (error instanceof CappyError && error.code === "aborted") await deleteKept("x"); }
void [ranked, best, id, info, one, many, await keptModels()];
// @ts-expect-error No device is called that.
await Scorer.load("owner/name", { device: "webgpu" });
// @ts-expect-error The name is topK.
await scorer.rank("q", ["a"], { topN: 1 });
// @ts-expect-error The name is atMost.
await scorer.best("q", ["a"], { at_most: 1 });
scorer.dispose();
`;

/** What the platform's types allow beyond that. */
const WITH_DOM = `${PROGRAM}
const stop = new AbortController();
await Scorer.load([new File([], "config.json")], { signal: stop.signal, fetch });
await Scorer.load(new URL("https://host/model/"), { fetch: async (url, init) => fetch(url, init) });
// @ts-expect-error A signal is no controller.
await Scorer.load("owner/name", { signal: stop });
`;

const USING = `import { Scorer } from "cappy-web";\nusing scorer = await Scorer.load();\nvoid scorer;\n`;

/** A program for the AI SDK, whose declarations have to hold whichever version of `@ai-sdk/provider` is installed. */
const AI_SDK = `
import type { RerankingModelV3 } from "@ai-sdk/provider";
import type { Scorer } from "cappy-web";
import { cappyDecider, cappyReranker } from "cappy-web/ai-sdk";
declare const scorer: Scorer;
const model: RerankingModelV3 = cappyReranker(scorer);
const { answers } = await cappyDecider(scorer).doDecide({ state: [{ type: "text", text: "s" }], questions: {} });
void [model, answers, cappyReranker(scorer, { version: 4 }).doRerank];
// @ts-expect-error There is no such version.
cappyReranker(scorer, { version: 2 });
`;
const AI_SDK_7 = `
import type { Experimental_DecisionModelV4, RerankingModelV4 } from "@ai-sdk/provider";
import type { Scorer } from "cappy-web";
import { cappyDecider, cappyReranker } from "cappy-web/ai-sdk";
declare const scorer: Scorer;
void [cappyDecider(scorer) satisfies Experimental_DecisionModelV4];
void [cappyReranker(scorer, { version: 4 }) satisfies RerankingModelV4];
`;

/** Options by which `@ai-sdk/provider` is the package that is installed here as `folder`. */
const provider = (folder) => ({
  lib: ["ESNext", "DOM"],
  paths: { "@ai-sdk/provider": [join(root, "node_modules/@ai-sdk", folder, "dist/index.d.ts")] },
});

describe("strict TypeScript, every declaration checked", () => {
  const CASES = {
    "ES2022 and the DOM": [{ "a.mts": WITH_DOM }, { lib: ["ES2022", "DOM"] }],
    "ES2022 without the DOM": [{ "a.mts": PROGRAM }, { lib: ["ES2022"] }],
    "Node's types without the DOM": [{ "a.mts": WITH_DOM }, { lib: ["ES2022"], types: ["node"] }],
    "the newest library, and using": [{ "a.mts": WITH_DOM, "b.mts": USING }, { lib: ["ESNext", "DOM"] }],
    "a bundler's resolution": [
      { "a.mts": WITH_DOM },
      { lib: ["ES2022", "DOM"], module: "ESNext", moduleResolution: "Bundler" },
    ],
    "the AI SDK with version 3 of its provider alone": [{ "a.mts": AI_SDK }, provider("provider")],
    "the AI SDK with version 4 of its provider alone": [
      { "a.mts": AI_SDK, "b.mts": AI_SDK_7 },
      provider("provider-v4"),
    ],
    "CommonJS by import()": [
      {
        "a.cts": `const load = async () => { const { Scorer } = await import("cappy-web"); return Scorer.load(); };\nvoid load;\nexport {};\n`,
      },
      { lib: ["ES2022", "DOM"], verbatimModuleSyntax: false },
    ],
  };
  for (const [name, [files, options]] of Object.entries(CASES)) {
    test(name, async () => {
      const { code, output } = await compile(files, options);
      assert.equal(code, 0, output);
    });
  }

  test("an error in the declarations would be found", async () => {
    const { code, output } = await compile(
      { "a.mts": PROGRAM.replaceAll(/\/\/ @ts-expect-error.*/g, "") },
      { lib: ["ES2022"] },
    );
    assert.notEqual(code, 0);
    assert.match(output, /"webgpu"/);
    assert.match(output, /topN/);
    // What only version 4 has is not there with version 3, so that the test above is one of version 3.
    const other = await compile({ "b.mts": AI_SDK_7 }, provider("provider"));
    assert.match(other.output, /no exported member .*Experimental_DecisionModelV4/);
  });
});

test("CommonJS: import() works, and without it Node says so", async () => {
  await writeFile(
    join(folder, "a.cjs"),
    `
    import("cappy-web").then(async ({ Scorer }) => {
      const scorer = await Scorer.load(undefined, { device: "cpu" });
      const [best] = await scorer.rank("Which animal barks?", ["a cat", "a dog"]);
      console.log(best.text, scorer.info().device);
    });`,
  );
  assert.deepEqual(await run(process.execPath, ["a.cjs"]), { code: 0, output: "a dog cpu\n" });
  await writeFile(join(folder, "b.cjs"), `console.log(typeof require("cappy-web").Scorer);`);
  const { code, output } = await run(process.execPath, ["b.cjs"]);
  // From version 22.12 on Node requires modules, too.
  if (code === 0) assert.match(output, /function/);
  else assert.match(output, /dynamic import\(\) which is available in all CommonJS modules/);
});
