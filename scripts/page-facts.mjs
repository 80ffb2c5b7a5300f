// The figures and links of the demo page, each from the one place that has it, so that none goes stale: the model's from
// its own page, sizes from the built files and from docs/peers.json, links from package.json.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { inBytes } from "../www/words.js";

const root = new URL("../", import.meta.url).pathname;
const MODEL = "models/cappy-small";
const CARD = `${MODEL}/README.md`;

/** What the sets of the model's page are about, for people. A set that has no name here is not shown. */
const SUBJECTS = {
  blimp: "Grammar",
  induce: "Opposites, plurals and other work with words",
  "ni1/mctaco": "How long, how often, when",
  "ni1/multirc": "Questions about a passage",
  "ni1/qasc": "School science",
  "t0/adversarial": "Questions written to mislead",
  "t0/amazon": "Is a review positive?",
  "t0/cnn": "Summaries of news",
  "t0/common": "Sentences from given words",
  "t0/commonsense": "Common sense",
  "t0/cosmos": "What a story leaves unsaid",
  "t0/dbpedia": "The kind of thing that a text describes",
  "t0/duorc": "Questions about films",
  "t0/gigaword": "Headlines",
  "t0/kilt": "Questions that need two facts",
  "t0/paws": "Do two sentences mean the same?",
  "t0/quartz": "Cause and effect",
  "t0/quoref": "Who is meant in a passage",
  "t0/ropes": "Applying a rule to a case",
  "t0/wiki": "Questions about articles",
  trivia: "Trivia",
};
/** With fewer questions a share says little. */
const ENOUGH_QUESTIONS = 20;
const SHOWN = 4;

/**
 * The figures of the page by the names that its `data-fact` have.
 * @param {string} dist the built package
 * @param {{ quick?: boolean }} [options] whether to compress less well, where the page is not the one that is published
 */
export function factsOf(dist, { quick = false } = {}) {
  const card = readFileSync(join(root, CARD), "utf8");
  const dev = rowOf(card, "dev split of the instructions");
  const ort = (name) => JSON.parse(read("docs/peers.json")).downloads.find((each) => each.name === name).brotli;
  const model = ["config.json", "decide.json", "tokenizer.json", "model.safetensors"];
  return {
    "model-size": inBytes(model.reduce((sum, name) => sum + statSync(join(root, MODEL, name)).size, 0)),
    questions: dev.questions.toLocaleString("en"),
    right: String(dev.right),
    chance: String(dev.chance),
    cosine: String(dev.cosine),
    "download-cappy": inBytes(downloadOf(dist, quick ? 5 : 11)),
    "download-ort-gpu": inBytes(ort("onnxruntime-web WebGPU")),
    "download-ort-cpu": inBytes(ort("onnxruntime-web wasm")),
    version: JSON.parse(read("package.json")).version,
  };
}

/**
 * What the model is best and worst at, beside chance, of the sets that have enough questions.
 * @param {string} [card] the model's page
 */
export function strengths(card = read(CARD)) {
  const cells = [...card.matchAll(/^\| ([\w/-]+) \| (\d+) \| (\d+) \| \d+ to \d+ \| (\d+) \|/gm)];
  const sets = cells
    .map(([, name, questions, right, chance]) => ({
      subject: SUBJECTS[name],
      questions: Number(questions),
      right: Number(right),
      chance: Number(chance),
    }))
    .filter(({ subject, questions }) => subject && questions >= ENOUGH_QUESTIONS)
    // The share of what chance leaves open, because chance is not the same for all.
    .sort((a, b) => (b.right - b.chance) / (100 - b.chance) - (a.right - a.chance) / (100 - a.chance));
  if (sets.length < 2 * SHOWN) throw new Error(`${CARD} has no table of data sets as this page reads it`);
  return { good: sets.slice(0, SHOWN), bad: sets.slice(-SHOWN).reverse() };
}

/**
 * The devices of docs/devices.md, with which the bench page compares.
 * @param {string} [page]
 */
export function knownDevices(page = read("docs/devices.md")) {
  const rows = page.split("\n").filter((line) => line.startsWith("|"));
  // The first two are the table's head.
  return rows.slice(2).map((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    const [, device, browser, , pairs] = cells;
    if (cells.length !== 9 || !(Number(pairs) > 0))
      throw new Error(`docs/devices.md: this is no line of the table: ${line}`);
    return { device, browser, pairs: Number(pairs) };
  });
}

/** What stands in package.json in place of an account that the owner has not filled in yet. */
const NOBODY = "OWNER";

/**
 * Where the page will stand and where the project's other places are, by package.json. What is not filled in there is
 * not linked to.
 * @param {any} [manifest]
 * @returns {{ page?: string, docs: string, code?: string, npm?: string, extension?: string, issues?: string }}
 */
export function linksOf(manifest = JSON.parse(read("package.json"))) {
  const { name, repository, homepage } = manifest;
  const page = filledIn(homepage)?.replace(/\/?$/, "/");
  // The documentation stands below the page. Before it is published, there are the pages that the page itself has.
  const own = { page, docs: page ? `${page}docs/` : "decisions.html" };
  const code = filledIn(typeof repository === "string" ? repository : repository?.url);
  if (!code) return own;
  return {
    ...own,
    code,
    npm: `https://www.npmjs.com/package/${name}`,
    extension: `${code}/blob/HEAD/docs/extension.md`,
    issues: `${code}/issues`,
  };
}

/**
 * An address, where it is one that leads somewhere.
 * @param {string} [address] also as npm has it, such as `github:owner/name`
 */
function filledIn(address = "") {
  const url = address
    .replace(/^git\+/, "")
    .replace(/^github:/, "https://github.com/")
    .replace(/\.git$/, "");
  return /^https:\/\//.test(url) && !url.includes(NOBODY) ? url : undefined;
}

/**
 * The page with its figures and its links, of which `page` is its own address: other sites need it to show the card.
 * @param {string} html
 * @param {Record<string, string>} facts
 * @param {{ good: Strength[], bad: Strength[] }} sets
 * @param {Partial<Record<string, string>>} links
 * @typedef {ReturnType<typeof strengths>["good"][number]} Strength
 */
export function fillPage(html, facts, sets, links) {
  const filled = html
    .replace(/(<(\w+)[^>]* data-fact="([\w-]+)"[^>]*>)[^<]*(<\/\2>)/g, (_, open, _tag, name, close) => {
      if (facts[name] === undefined) throw new Error(`the page asks for a figure '${name}', which nothing gives`);
      return open + escaped(facts[name]) + close;
    })
    .replace(/<ul data-list="(good|bad)" class="([^"]*)"><\/ul>/g, (_, which, names) => {
      return `<ul class="${names} ${which}">\n${sets[which].map(rowFor).join("")}          </ul>`;
    })
    .replace(/ *<a data-link="([\w-]+)"([^>]*)>([^<]*)<\/a>\n?/g, (link, name, rest, text) => {
      if (links[name]) return link.replace(`data-link="${name}"${rest}`, `href="${escaped(links[name])}"`);
      if (rest.includes("href=")) return link;
      // A link that leads nowhere is none: search engines and people would try to follow it.
      return rest.includes("hidden") ? "" : link.replace(/<[^>]*>/g, "");
    });
  if (!links.page) return filled;
  const address = escaped(links.page);
  return filled
    .replace('content="card.png"', `content="${address}card.png"`)
    .replace('  <meta property="og:type"', `  <link rel="canonical" href="${address}">\n$&`);
}

/** @param {Strength} set */
function rowFor({ subject, right, chance }) {
  return `            <li class="share"><span class="share-name">${escaped(subject)}</span> <span class="share-value numbers">${right}%, by chance ${chance}%</span><svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="got" width="${right}" height="4"/><rect class="chance" x="${chance - 0.4}" width=".8" height="4"/></svg></li>\n`;
}

/**
 * A row of the table of accuracies.
 * @param {string} card
 * @param {string} start
 */
function rowOf(card, start) {
  const cells = card
    .split("\n")
    .find((line) => line.startsWith(`| ${start}`))
    ?.split("|")
    .map((cell) => cell.trim());
  const [, , questions, right, , , cosine, , , chance] = cells?.map(Number) ?? [];
  const row = { questions, right, cosine, chance };
  if (!Object.values(row).every(Number.isFinite))
    throw new Error(`${CARD} has no row '${start}' as this page reads it`);
  return row;
}

/** Bytes that a page downloads to rank with the package's own model on a GPU, with brotli, without the model. */
function downloadOf(dist, quality) {
  const names = [
    "families/wasm/cappy_families_bg.wasm",
    ...scriptsOf(dist, "index.js"),
    ...scriptsOf(dist, "families/family-worker.js"),
  ];
  const params = { [constants.BROTLI_PARAM_QUALITY]: quality };
  return [...new Set(names)].reduce(
    (sum, name) => sum + brotliCompressSync(readFileSync(join(dist, name)), { params }).length,
    0,
  );
}

/** A script and all that it imports at once. @returns {string[]} */
function scriptsOf(dist, name, seen = new Set()) {
  if (seen.has(name)) return [];
  seen.add(name);
  const text = readFileSync(join(dist, name), "utf8");
  for (const [, from] of text.matchAll(/(?:^|[;}\n])(?:import|export)[^;()]*?["'](\.[^"']+\.js)["']/g))
    scriptsOf(dist, join(name, "..", from), seen);
  return [...seen];
}

const read = (path) => readFileSync(join(root, path), "utf8");
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
