// The table of docs/adaptation.md: cappy-mini, or the model in the folder $MODEL, adapted to 8 to 512 examples, natively
// or in a page.
//
//   node examples/adapt/measure.mjs native|firefox|chromium [DEPTH...] [N...]
//
// `native` runs target/release/cappy (or $CAPPY), the others the package in dist/ (scripts/build-web).
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const DATASETS = ["known wordings", "new wordings"];
const DEPTHS = { head: { rate: 2e-3 }, lora: { rate: 1e-3 }, full: { rate: 2e-4 } };
/** How often each example is seen: small sets need more passes for as many steps. */
const EPOCHS = { 8: 24, 32: 12, 128: 6, 512: 3 };

const root = fileURLToPath(new URL("../../", import.meta.url));
/** A folder below the root of the repository, which the server of pages has, too. */
const model = process.env.MODEL ?? "models/cappy-mini";
const lines = async (name) => (await readFile(new URL(name, import.meta.url), "utf8")).trim().split("\n");
const train = await lines("train.jsonl");
const test = (await lines("test.jsonl")).map((line) => JSON.parse(line));

/** The share of questions whose right answer scores highest, for each dataset. */
function accuracies(scores) {
  const best = new Map();
  for (const [at, { dataset_name, example_idx, label }] of test.entries()) {
    const key = `${dataset_name} ${example_idx}`;
    if (!(scores[at] <= (best.get(key)?.score ?? -Infinity))) best.set(key, { dataset_name, score: scores[at], label });
  }
  return DATASETS.map((name) => {
    const own = [...best.values()].filter(({ dataset_name }) => dataset_name === name);
    return own.filter(({ label }) => label === 1).length / own.length;
  });
}

const run = promisify(execFile);
const cappy = process.env.CAPPY ?? join(root, "target/release/cappy");

async function native() {
  const folder = await mkdtemp(join(tmpdir(), "cappy-adapt-"));
  const score = async (...adapted) => {
    const { stdout } = await run(
      cappy,
      ["eval", "classification", "--device", "gpu", "--json", ...adapted, join(root, "examples/adapt/test.jsonl")],
      { maxBuffer: 1 << 28 },
    );
    const { datasets } = JSON.parse(stdout);
    return DATASETS.map((name) => datasets.find((dataset) => dataset.name === name).values.scorer);
  };
  return {
    before: await score("--model", join(root, model)),
    async teach(depth, count, rate, epochs) {
      const [file, out] = [join(folder, "train.jsonl"), join(folder, depth)];
      await writeFile(file, `${train.slice(0, count).join("\n")}\n`);
      const begin = performance.now();
      const { stdout } = await run(
        cappy,
        [
          "adapt",
          "--json",
          "--model",
          join(root, model),
          "--train",
          file,
          "--out",
          out,
          "--depth",
          depth,
          "--learning-rate",
          String(rate),
          "--epochs",
          String(epochs),
        ],
        { maxBuffer: 1 << 28 },
      );
      const seconds = (performance.now() - begin) / 1000;
      const adapted = depth === "full" ? ["--model", out] : ["--model", join(root, model), "--adapter", out];
      const after = await score(...adapted);
      await rm(out, { recursive: true });
      return { seconds, after, steps: JSON.parse(stdout).history.steps.length };
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/**
 * Runs in the page: teaches, if there is anything, and scores the test.
 * @param {{ model: string, lessons?: any[], options?: object, test: any[] }} task
 */
async function inPage({ model, lessons, options, test }) {
  const { Scorer } = await import("/dist/index.js");
  const scorer = await Scorer.load(`/${model}/`, { cache: false });
  const begin = performance.now();
  const adapted = lessons && (await scorer.adapt(lessons, options));
  const seconds = (performance.now() - begin) / 1000;
  if (adapted) await scorer.apply(adapted);
  const scores = [];
  for (let at = 0; at < test.length; at += 4) {
    const question = test.slice(at, at + 4);
    scores.push(
      ...(await scorer.score(
        question[0].instruction,
        question.map(({ response }) => response),
      )),
    );
  }
  scorer.dispose();
  return { seconds, scores, steps: adapted?.history.steps.length };
}

async function browser(name) {
  const { openChromium, openFirefox, serve } = await import("../../tests/web/hosts.mjs");
  const site = await serve(root);
  /** @type {any} */
  const opened = await (name === "firefox" ? openFirefox : openChromium)(site);
  const texts = test.map(({ instruction, response }) => ({ instruction, response }));
  const { scores } = await opened.page.evaluate(inPage, { model, test: texts });
  return {
    before: accuracies(scores),
    async teach(depth, count, learningRate, epochs) {
      const lessons = train.slice(0, count).map((line) => JSON.parse(line));
      const options = { depth, learningRate, epochs };
      const { scores, ...rest } = await opened.page.evaluate(inPage, { model, lessons, options, test: texts });
      return { ...rest, after: accuracies(scores) };
    },
    async close() {
      await opened.close();
      await site.close();
    },
  };
}

const [where = "native", ...chosen] = process.argv.slice(2);
const depths = Object.keys(DEPTHS).filter((depth) => !chosen.some((word) => word in DEPTHS) || chosen.includes(depth));
const counts = Object.keys(EPOCHS).filter((count) => !chosen.some((word) => word in EPOCHS) || chosen.includes(count));
const percent = (shares) => shares.map((share) => `${(100 * share).toFixed(0)}%`).join(" | ");
const host = await (where === "native" ? native() : browser(where));
try {
  console.log(
    `| depth | examples | steps | time | ${DATASETS.join(" | ")} |\n| --- | ---: | ---: | ---: | ---: | ---: |`,
  );
  console.log(`| none | | | | ${percent(host.before)} |`);
  for (const depth of depths) {
    for (const count of counts) {
      const { rate } = DEPTHS[depth];
      const { seconds, after, steps } = await host.teach(depth, Number(count), rate, EPOCHS[count]);
      console.log(`| ${depth} | ${count} | ${steps} | ${seconds.toFixed(1)} s | ${percent(after)} |`);
    }
  }
} finally {
  await host.close();
}
