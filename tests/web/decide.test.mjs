// Scorer.decide in Chromium, Firefox and under Node: answers follow from the scores of the pairs, to the bit, whatever the order.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { command } from "./command.mjs";
import { lavapipe, openChromium, openFirefox, openNode, serve } from "./hosts.mjs";
import { miniFiles } from "./mini.mjs";

const { probabilities } = await import("../../target/modules/decide/plan.js");

const [{ decision, pairs }] = JSON.parse(
  await readFile(new URL("../fixtures/decide/pairs.json", import.meta.url), "utf8"),
);

/** Runs where the package is: decides in several ways, and scores the pairs that the decision stands for. */
async function inHost({ module, source, decision, pairs, throws = false }) {
  const { Scorer } = await import(module);
  const failure = (work) =>
    work.then(
      () => "nothing failed",
      ({ code, message }) => `${code}: ${message}`,
    );
  // Batches of two long pairs, so that a decision can be stopped after its first answer, however fast the adapter is.
  const scorer = await Scorer.load(source, { cache: false, device: "gpu", batchTokens: 512 });
  const scores = [];
  for (const [instruction, response] of pairs) scores.push(await scorer.score(instruction, response));

  const seen = [];
  const progress = [];
  const whole = await scorer.decide(decision, {
    onAnswer: (name) => {
      seen.push(name);
      if (name === "team" && throws) throw new Error("what a listener throws stops nothing");
    },
    onProgress: ({ done, total }) => progress.push([done, total]),
  });
  const { team, ...others } = decision.questions;
  const reversed = await scorer.decide({
    state: decision.state,
    questions: Object.fromEntries([
      ...Object.entries(others).reverse(),
      ["team", { ...team, criteria: Object.fromEntries(Object.entries(team.criteria).reverse()) }],
    ]),
  });
  const warmer = await scorer.decide(decision, { rendering: { temperature: 3 } });
  const long = await scorer.decide({ ...decision, state: "word ".repeat(3000) });
  const stopped = new AbortController();
  const aborted = await failure(
    scorer.decide(
      { ...decision, state: "word ".repeat(3000) },
      { signal: stopped.signal, onAnswer: () => stopped.abort() },
    ),
  );
  const faults = [
    await failure(scorer.decide({ state: "", questions: {} })),
    await failure(scorer.decide(decision, { temperature: 1 })),
    await failure(scorer.decide(decision, { rendering: { temperature: 0 } })),
  ];
  scorer.dispose();
  return { scores, seen, progress, whole, reversed, warmer, truncated: long.truncated, aborted, faults };
}

const OWN = { temperature: { choice: 0.3, score: 0.4, boolean: 0.7 }, yes: "true" };
const RENDERINGS = { plain: undefined, own: JSON.stringify(OWN), broken: '{ "temperature": "warm" }' };

/** Scores of each question's options in `pairs`, from those of all pairs. */
function byQuestion(scores) {
  let first = 0;
  return Object.fromEntries(
    [
      ["team", 3],
      ["urgency", 3],
      ["refund", 2],
      ["angry", 2],
    ].map(([name, count]) => [name, scores.slice(first, (first += Number(count)))]),
  );
}

/** One kernel for all, because the fastest is measured by each. */
const KERNEL = "rows";

/** The answers of the command line on the adapter that Firefox and Node use. */
async function nativeAnswers() {
  const file = join(folder, "decision.jsonl");
  await writeFile(file, JSON.stringify(decision));
  const options = ["--model", join(folder, "plain"), "--device", "gpu", "--kernel", KERNEL];
  const decide = ["decide", ...options, file];
  const { stdout } = await promisify(execFile)(await command(), decide, { env: { ...process.env, ...lavapipe() } });
  return JSON.parse(stdout).answers;
}

let folder;
let site;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cappy-decide-"));
  for (const [name, rendering] of Object.entries(RENDERINGS)) {
    await mkdir(join(folder, name));
    const files = { ...(await miniFiles()), ...(rendering && { "decide.json": Buffer.from(rendering) }) };
    for (const [file, bytes] of Object.entries(files)) await writeFile(join(folder, name, file), bytes);
  }
  site = await serve(fileURLToPath(new URL("../..", import.meta.url)), { "/models-of-test/": folder });
});

after(async () => {
  await site?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

for (const [where, open] of Object.entries({ Chromium: openChromium, Firefox: openFirefox, Node: openNode })) {
  describe(where, () => {
    let host;
    let run;

    before(async () => {
      host = await open(site);
      const module = host.page ? "/dist/index.js" : new URL("../../dist/index.js", import.meta.url).href;
      run = (/** @type {any} */ work, /** @type {object} */ given) =>
        host.page ? host.page.evaluate(work, { module, ...given }) : work({ module, ...given });
    });
    after(() => host?.close());

    const at = (name) => `${site.url}/models-of-test/${name}/`;

    test(`${where}: answers follow from scores to the bit, whatever the order`, { timeout: 300_000 }, async () => {
      const got = await run(inHost, { source: at("plain"), decision, pairs, throws: Boolean(host.page) });
      const { team, urgency, refund, angry } = byQuestion(got.scores);
      const answers = got.whole.answers;
      const p = probabilities(team, 0.2);
      assert.deepEqual(answers.team.probabilities, { billing: p[0], support: p[1], sales: p[2] });
      assert.equal(answers.team.choice, ["billing", "support", "sales"][p.indexOf(Math.max(...p))]);
      const levels = probabilities(urgency, 0.2);
      assert.equal(answers.urgency.score, levels[1] + 2 * levels[2]);
      assert.deepEqual(Object.values(answers.urgency.probabilities), levels);
      assert.equal(answers.refund.probability, probabilities(refund, 0.2)[0]);
      assert.equal(answers.angry.probability, probabilities(angry, 0.2)[0]);
      assert.equal(got.whole.truncated, 0);

      assert.deepEqual(got.reversed.answers, answers);
      assert.deepEqual(Object.keys(got.reversed.answers), ["angry", "refund", "urgency", "team"]);
      assert.deepEqual(got.seen, ["team", "urgency", "refund", "angry"]);
      assert.deepEqual(got.progress.at(-1), [10, 10]);
      assert.equal(got.warmer.answers.refund.probability, probabilities(refund, 3)[0]);
      assert.ok(got.truncated > 1000, `${got.truncated}`);
      assert.match(got.aborted, /^aborted: /);
      assert.match(got.faults[0], /^input: questions: are none/);
      assert.match(got.faults[1], /^input: temperature: is no option of decide/);
      assert.match(got.faults[2], /^input: rendering: temperature: is not a number above 0/);
    });

    // Chromium's own software adapter is another one than what programs find.
    if (where !== "Chromium") {
      test(`${where}: decisions are those of the command line on the same adapter`, { timeout: 600_000 }, async () => {
        const ask = async ({ module, source, decision, kernel }) => {
          const { Scorer } = await import(module);
          const scorer = await Scorer.load(source, { cache: false, device: "gpu", kernel });
          const { answers } = await scorer.decide(decision);
          scorer.dispose();
          return answers;
        };
        const answers = await run(ask, { source: at("plain"), decision, kernel: KERNEL });
        const native = await nativeAnswers();
        const numbers = (all) =>
          JSON.stringify(all)
            .match(/\d[\d.e-]*(?=[,}])/g)
            .map(Number);
        assert.deepEqual(
          JSON.stringify(answers).replaceAll(/\d[\d.e-]*/g, "n"),
          JSON.stringify(native).replaceAll(/\d[\d.e-]*/g, "n"),
        );
        // Another last bit of one f32 score would show in the eighth digit; exp() itself may differ in the sixteenth.
        numbers(answers).forEach((number, index) => {
          assert.ok(Math.abs(number - numbers(native)[index]) < 1e-13, `${number}, natively ${numbers(native)[index]}`);
        });
      });
    }

    test(`${where}: a model's own decide.json says how it is asked, on the CPU, too`, {
      timeout: 300_000,
    }, async () => {
      const ask = async ({ module, source, decision, pairs }) => {
        const { Scorer } = await import(module);
        const scorer = await Scorer.load(source, { cache: false, device: "cpu" });
        const scores = [];
        for (const [instruction, response] of pairs) scores.push(await scorer.score(instruction, response));
        const answer = await scorer.decide(decision).then(
          ({ answers }) => answers.ok.probability,
          ({ code, message }) => `${code}: ${message}`,
        );
        scorer.dispose();
        return { scores, answer };
      };
      const asked = { state: "It rains.", questions: { ok: { type: "boolean", instructions: "Is it wet?" } } };
      const instruction = "Question: Is it wet?\n\nIt rains.";
      const rendered = [
        [instruction, OWN.yes],
        [instruction, "no"],
      ];
      const own = await run(ask, { source: at("own"), decision: asked, pairs: rendered });
      // The browser's exp() may differ from Node's in the last bit.
      assert.ok(Math.abs(own.answer - probabilities(own.scores, OWN.temperature.boolean)[0]) < 1e-13, own.answer);
      const broken = await run(ask, { source: at("broken"), decision: asked, pairs: [] });
      assert.match(broken.answer, /^config: decide.json: temperature: is neither a number nor an object/);
    });
  });
}
