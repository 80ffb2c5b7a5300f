/** @typedef {import("./cappy-web/index.js").Lesson} Lesson */

/**
 * An answer of a task with marks: its first score, and whether it is marked as right.
 * @typedef {{ score: number, right?: boolean }} Answer
 */

/**
 * The tasks with marks, by instruction; their answers, by text.
 * @typedef {Map<string, Map<string, Answer>>} Marks
 */

// All pages of an origin share one storage. The path distinguishes several copies of this page.
const KEY = `cappy lessons ${new URL(".", import.meta.url).pathname}`;

/** The name under which this page keeps what a model has learned. */
export const KEPT_AS = `the demo page ${new URL(".", import.meta.url).pathname}`;

/**
 * The marks as lessons: right answers over wrong ones, or labels where there is only one kind. For answers without
 * a mark the lesson is their first score.
 * @param {Marks} marks
 * @returns {Lesson[]}
 */
export function lessonsOf(marks) {
  return [...marks].flatMap(
    /** @returns {Lesson[]} */ ([instruction, texts]) => {
      const of = (/** @type {boolean | undefined} */ right) =>
        [...texts].filter(([, answer]) => answer.right === right);
      const others = of(undefined).map(([response, { score }]) => ({ instruction, response, label: score }));
      const [chosen, rejected] = [of(true), of(false)].map((answers) => answers.map(([text]) => text));
      if (chosen?.length && rejected?.length) return [{ instruction, chosen, rejected }, ...others];
      const marked = [...of(true), ...of(false)];
      return [...marked.map(([response, { right }]) => ({ instruction, response, label: right ? 1 : 0 })), ...others];
    },
  );
}

/**
 * The stored marks, and the model that learned from them; `null` where there are none.
 * @returns {{ model: string, marks: Marks } | null}
 */
export function readLessons() {
  try {
    const { model, marks } = JSON.parse(localStorage.getItem(KEY) ?? "null") ?? {};
    if (typeof model !== "string" || !Array.isArray(marks)) return null;
    return { model, marks: new Map(marks.map(([instruction, texts]) => [String(instruction), new Map(texts)])) };
  } catch {
    return null;
  }
}

/**
 * @param {string} model
 * @param {Marks} marks
 */
export function keepLessons(model, marks) {
  try {
    localStorage.setItem(
      KEY,
      JSON.stringify({ model, marks: Array.from(marks, ([instruction, texts]) => [instruction, [...texts]]) }),
    );
  } catch {
    // The storage may be full or switched off. Then what was learned is lost when the page is closed.
  }
}

/** Deletes the stored marks. */
export function forgetLessons() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Where storage is switched off, nothing was stored.
  }
}
