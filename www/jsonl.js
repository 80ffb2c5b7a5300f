/**
 * @typedef {object} Task
 * @property {string | null} instruction `null` for candidates that came without one
 * @property {string[]} candidates
 *
 * @typedef {object} Problem
 * @property {number} line from 1
 * @property {string} what what is wrong with it
 * @property {string} text the line as it was
 */

/**
 * Reads JSON lines. A line is a string, an object with `text`, or an instruction with its `response`
 * or `responses`. Candidates of one instruction make one task. Any other line becomes a problem, and the lines
 * after it are read all the same. Blank lines are ignored.
 * @param {string} text
 * @returns {{ tasks: Task[], problems: Problem[] }} tasks in the order of their first lines
 */
export function parseJsonLines(text) {
  /** @type {Map<string | null, string[]>} */
  const tasks = new Map();
  /** @type {Problem[]} */
  const problems = [];
  // Some editors begin a file with a byte order mark.
  for (const [at, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (line.trim() === "") continue;
    try {
      const { instruction, candidates } = readLine(JSON.parse(line));
      tasks.set(instruction, [...(tasks.get(instruction) ?? []), ...candidates]);
    } catch (error) {
      const what = error instanceof SyntaxError ? "not JSON" : String(/** @type {Error} */ (error).message);
      problems.push({ line: at + 1, what, text: line });
    }
  }
  return { tasks: Array.from(tasks, ([instruction, candidates]) => ({ instruction, candidates })), problems };
}

/**
 * Splits pasted text into candidates, without blank ones.
 * @param {string} text
 * @param {"lines" | "blocks"} by
 */
export function split(text, by) {
  const pieces = text.replace(/\r\n?/g, "\n").split(by === "lines" ? "\n" : /\n(?:[^\S\n]*\n)+/);
  // The candidates are not changed, apart from line breaks around the whole text.
  return pieces.filter((piece) => piece.trim() !== "").map((piece) => piece.replace(/^\n+|\n+$/g, ""));
}

/**
 * @param {unknown} value
 * @returns {Task}
 */
function readLine(value) {
  if (typeof value === "string") return { instruction: null, candidates: [value] };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("neither a string nor an object");
  }
  const { instruction, responses, response, text } = /** @type {Record<string, unknown>} */ (value);
  if (instruction === undefined) {
    if (typeof text !== "string") throw new Error("an object without a “text” that is a string");
    return { instruction: null, candidates: [text] };
  }
  if (typeof instruction !== "string") throw new Error("the “instruction” is not a string");
  if (typeof response === "string" && responses === undefined) return { instruction, candidates: [response] };
  if (!Array.isArray(responses)) {
    throw new Error("an “instruction” needs either a “response” (a string) or “responses” (a list of strings)");
  }
  const texts = responses.map((each) => (typeof each === "object" && each !== null ? each.text : each));
  const bad = texts.findIndex((each) => typeof each !== "string");
  if (bad >= 0) throw new Error(`item ${bad + 1} of “responses” is not a string`);
  return { instruction, candidates: texts };
}
