// Draws the examples of the demo page from questions that cappy-small was not trained on: three of
// models/cappy-small/own_questions.json, and one of each data set below. The data are not part of this project.
// And the questions of "Beat the model": the next ten of the project's own.
// Usage: draw-examples.mjs FOLDER, with the folder that has choices.jsonl.gz. Writes www/examples.js and www/quiz.js.
//
// Chance draws, by hashes: the question with the lowest one wins, and its answers stand in the order of theirs. No model
// is asked, so the examples show what a model gets wrong, too.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** By the start of a row's task. All licences allow showing a question with its source. */
const SETS = {
  "commonsense_qa/open": { name: "Common sense", source: "CommonsenseQA (Talmor et al., 2019)", licence: "MIT" },
  "banking77/": { name: "Topic of a message", source: "BANKING77 (Casanueva et al., 2020)", licence: "CC BY 4.0" },
  "clinc150/": { name: "Intent of a request", source: "CLINC150 (Larson et al., 2019)", licence: "CC BY 3.0" },
  "induce/": {
    name: "Working with words",
    source: "Instruction Induction (Honovich et al., 2022)",
    licence: "Apache 2.0",
  },
  "blimp/": { name: "Grammar", source: "BLiMP (Warstadt et al., 2020)", licence: "CC BY 4.0" },
  "gsm8k/": { name: "Arithmetic", source: "GSM8K (Cobbe et al., 2021)", licence: "MIT" },
};

const OWN = { source: "this project's own questions", licence: "" };

/** Longer instructions would not be seen whole on the page. */
const LONGEST = 240;

/** @param {string[]} of */
const hash = (...of) =>
  createHash("sha256")
    .update(JSON.stringify(["cappy", ...of]))
    .digest("hex");

const [folder] = process.argv.slice(2);
if (!folder) throw new Error("name the folder that has choices.jsonl.gz");
const rows = gunzipSync(readFileSync(join(folder, "choices.jsonl.gz")))
  .toString()
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line))
  .filter(({ split, labels }) => split === "dev" && labels.filter((label) => label === 1).length === 1)
  .map(({ task, instruction, responses, labels }) => ({ task, instruction, responses, right: labels.indexOf(1) }));
const own = JSON.parse(readFileSync("models/cappy-small/own_questions.json", "utf8")).map(
  ({ instruction, answers, best }) => ({ task: "own", instruction, responses: answers, right: best }),
);

/** So many of `questions`. */
const drawn = (questions, count) =>
  questions
    .filter(({ instruction }) => instruction.length <= LONGEST)
    .map((question) => ({ ...question, at: hash(question.task, question.instruction) }))
    .sort((a, b) => (a.at < b.at ? -1 : 1))
    .slice(0, count);

const asExample = ({ instruction, responses, right }, about) => {
  const candidates = responses.toSorted((a, b) => (hash(instruction, a) < hash(instruction, b) ? -1 : 1));
  return { ...about, instruction, candidates, best: candidates.indexOf(responses[right]) };
};

const EXAMPLES = 3;
const GUESSED = 10;
const ownDrawn = drawn(own, EXAMPLES + GUESSED);

const examples = [
  ...ownDrawn
    .slice(0, EXAMPLES)
    .map((question, at) => asExample(question, { name: `Everyday question ${at + 1}`, ...OWN })),
  ...Object.entries(SETS).map(([start, about]) => {
    const [question] = drawn(
      rows.filter(({ task }) => task.startsWith(start)),
      1,
    );
    if (!question) throw new Error(`no question of ${start} is short enough`);
    return asExample(question, about);
  }),
];
const quiz = ownDrawn.slice(EXAMPLES).map((question) => asExample(question, {}));

write(
  "www/examples.js",
  `/**
 * Example tasks, which scripts/draw-examples.mjs drew at random from questions that cappy-small was not trained on. \`best\`
 * is the index of the candidate that \`source\` has as the right one. Wrong ones come from there or from its other questions.
 * @type {{ name: string, source: string, licence: string, instruction: string, candidates: string[], best: number }[]}
 */
export const examples = ${JSON.stringify(examples, null, 2)};
`,
);
write(
  "www/quiz.js",
  `/**
 * The questions of "Beat the model", which scripts/draw-examples.mjs drew at random from this project's own, of which
 * cappy-small was trained on none. \`best\` is the index of the right candidate.
 * @type {{ instruction: string, candidates: string[], best: number }[]}
 */
export const quiz = ${JSON.stringify(quiz, null, 2)};
`,
);

/** @param {string} file @param {string} text */
function write(file, text) {
  writeFileSync(file, text);
  spawnSync("npx", ["biome", "check", "--write", file], { stdio: "inherit" });
}
