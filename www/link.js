/**
 * Permanent links: the texts stand in the address's fragment, which browsers send to no server. A fragment is `#task=1.`
 * or `#decide=1.` and then, in base64 for addresses, the JSON of a list. Of a task these are the instruction, and after
 * it the candidates; of a decision the state, and after it each question as a list of texts: its name, type and text,
 * then what yes and no mean, or each option with its description.
 */

/** @typedef {import("./session.js").Session} Task */
/** @typedef {import("./decision-examples.js").Form} Form */
/** @typedef {import("./decision-examples.js").Asked} Asked */

const TASK = "#task=";
const DECISION = "#decide=";
const VERSION = "1";
const BROKEN = "it is broken; perhaps its end was cut off";

/** Longer links break in chats and mail. It is also all that a page reads of a link by somebody else. */
export const LONGEST_LINK = 16_000;
export const MOST_CANDIDATES = 100;
export const MOST_QUESTIONS = 50;

/**
 * The fragment that stands for a task, or `null` where the task is too long for one.
 * @param {Task} task
 */
export function fragmentOf({ instruction, candidates }) {
  const written = candidates.filter((text) => text.trim() !== "");
  return written.length > MOST_CANDIDATES ? null : pack(TASK, [instruction, ...written]);
}

/**
 * The fragment that stands for a decision, or `null` where it is too long for one.
 * @param {Form} form
 */
export function fragmentOfDecision({ state, questions }) {
  const lists = questions.map(({ name, type, text, options, yes = "", no = "" }) => {
    const rest = type === "boolean" ? [yes, no] : options.flatMap(({ name, description }) => [name, description]);
    return [name, type, text, ...rest];
  });
  return questions.length > MOST_QUESTIONS ? null : pack(DECISION, [state, ...lists]);
}

/**
 * Reads what `fragmentOf` wrote. Anybody may have written it, so nothing in it is trusted: it is texts or a fault.
 * @param {string} fragment the address's, with its `#`
 * @returns {{ task: Task, fault?: undefined } | { fault: string, task?: undefined } | null} `null` where the fragment is none of a task
 */
export function readFragment(fragment) {
  const found = unpack(TASK, fragment);
  if (!found) return null;
  if (!found.list) return { fault: found.fault };
  const [instruction, ...candidates] = areTexts(found.list) ? found.list : [];
  if (instruction === undefined || candidates.length === 0) return { fault: BROKEN };
  if (candidates.length > MOST_CANDIDATES) return { fault: `it has more than ${MOST_CANDIDATES} candidates` };
  return { task: { instruction, candidates } };
}

/**
 * Reads what `fragmentOfDecision` wrote, and trusts it as little.
 * @param {string} fragment the address's, with its `#`
 * @returns {{ form: Form, fault?: undefined } | { fault: string, form?: undefined } | null} `null` where the fragment is none of a decision
 */
export function readDecision(fragment) {
  const found = unpack(DECISION, fragment);
  if (!found) return null;
  if (!found.list) return { fault: found.fault };
  const [state, ...lists] = found.list;
  if (typeof state !== "string" || lists.length === 0) return { fault: BROKEN };
  if (lists.length > MOST_QUESTIONS) return { fault: `it has more than ${MOST_QUESTIONS} questions` };
  const questions = lists.map(askedBy);
  return questions.every((asked) => asked !== null) ? { form: { state, questions } } : { fault: BROKEN };
}

/**
 * The question that a list stands for, or `null` where it stands for none.
 * @param {unknown} list
 * @returns {Asked | null}
 */
function askedBy(list) {
  if (!areTexts(list)) return null;
  const [name, type, text, ...rest] = list;
  if (name === undefined || text === undefined || rest.length % 2 !== 0) return null;
  if (type === "boolean") {
    const [yes, no] = rest;
    return rest.length === 2 ? { name, type, text, options: [], yes, no } : null;
  }
  if (type !== "choice" && type !== "score") return null;
  const options = Array.from({ length: rest.length / 2 }, (_, at) => {
    const [name = "", description = ""] = rest.slice(2 * at);
    return { name, description };
  });
  return { name, type, text, options };
}

/**
 * @param {string} kind
 * @param {unknown[]} list
 */
function pack(kind, list) {
  const bytes = new TextEncoder().encode(JSON.stringify(list));
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const packed = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const fragment = `${kind}${VERSION}.${packed}`;
  return fragment.length > LONGEST_LINK ? null : fragment;
}

/**
 * @param {string} kind
 * @param {string} fragment
 * @returns {{ list: unknown[], fault?: undefined } | { list?: undefined, fault: string } | null} `null` where the fragment is of another kind
 */
function unpack(kind, fragment) {
  if (!fragment.startsWith(kind)) return null;
  if (fragment.length > LONGEST_LINK) return { fault: "it is longer than this page reads" };
  const [, version, packed = ""] = /^(\d{1,4})\.([\w-]*)$/.exec(fragment.slice(kind.length)) ?? [];
  if (version === undefined) return { fault: BROKEN };
  if (version !== VERSION) return { fault: "it was made by a newer version of this page" };
  try {
    const binary = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    const list = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    return Array.isArray(list) ? { list } : { fault: BROKEN };
  } catch {
    return { fault: BROKEN };
  }
}

/**
 * @param {unknown} value
 * @returns {value is string[]}
 */
function areTexts(value) {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
