/** @typedef {import("./cappy-web/index.js").Decision} Decision */
/** @typedef {{ source: string | File[] | undefined, dtype?: string, taught: boolean }} Origin what the page's model is */

/**
 * JavaScript that decides as the page does, with the package from npm.
 * @param {Decision} decision
 * @param {Origin} model
 */
export function snippetOf(decision, model) {
  return [
    ...loadingOf(model),
    `const { answers, truncated } = await scorer.decide(${written(decision, "")});`,
    "",
    "console.log(answers);",
    `if (truncated > 0) console.warn("The state was too long: its end was cut.");`,
    "",
  ].join("\n");
}

/**
 * JavaScript that ranks as the page does, with the package from npm.
 * @param {import("./session.js").Session} task
 * @param {Origin} model
 */
export function rankingSnippetOf({ instruction, candidates }, model) {
  const texts = candidates.filter((text) => text.trim() !== "");
  return [
    ...loadingOf(model),
    `const ranked = await scorer.rank(${JSON.stringify(instruction)}, ${written(texts, "")});`,
    "",
    "for (const { score, text } of ranked) console.log(score.toFixed(4), text);",
    "",
  ].join("\n");
}

/** @param {Origin} model */
function loadingOf({ source, dtype = "auto", taught }) {
  const lines = ['import { Scorer } from "cappy-web";', ""];
  if (typeof source === "object") lines.push("// `files` are the model's, from an <input type=file multiple>.");
  if (taught) lines.push("// This one has learned nothing from marks, unlike the page's own.");
  const from = typeof source === "object" ? "files" : source === undefined ? "" : JSON.stringify(source);
  const options = dtype === "auto" ? "" : `, { dtype: ${JSON.stringify(dtype)} }`;
  lines.push(`const scorer = await Scorer.load(${from || (options && "undefined")}${options});`);
  return lines;
}

/**
 * A value of JSON as people write it in JavaScript.
 * @param {unknown} value
 * @param {string} indent
 * @returns {string}
 */
function written(value, indent) {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  const entries = isList
    ? value.map((entry) => written(entry, inner))
    : Object.entries(value).map(([key, entry]) => `${keyOf(key)}: ${written(entry, inner)}`);
  const [open, close] = isList ? "[]" : "{}";
  return entries.length ? `${open}\n${inner}${entries.join(`,\n${inner}`)},\n${indent}${close}` : `${open}${close}`;
}

/** @param {string} key */
function keyOf(key) {
  // Without brackets it would be the object's prototype.
  if (key === "__proto__") return '["__proto__"]';
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
}
