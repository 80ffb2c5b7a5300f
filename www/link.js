/**
 * Permanent links: the task's texts stand in the address's fragment, which browsers send to no server. A fragment is
 * `#task=1.` and then, in base64 for addresses, the JSON of a list: the instruction, and after it the candidates.
 */

/** @typedef {import("./session.js").Session} Task */

const NAME = "#task=";
const VERSION = "1";

/** Longer links break in chats and mail. It is also all that a page reads of a link by somebody else. */
export const LONGEST_LINK = 16_000;
export const MOST_CANDIDATES = 100;

/**
 * The fragment that stands for a task, or `null` where the task is too long for one.
 * @param {Task} task
 */
export function fragmentOf({ instruction, candidates }) {
  const texts = [instruction, ...candidates.filter((text) => text.trim() !== "")];
  const bytes = new TextEncoder().encode(JSON.stringify(texts));
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const packed = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const fragment = `${NAME}${VERSION}.${packed}`;
  return fragment.length > LONGEST_LINK || texts.length - 1 > MOST_CANDIDATES ? null : fragment;
}

/**
 * Reads what `fragmentOf` wrote. Anybody may have written it, so nothing in it is trusted: it is texts or a fault.
 * @param {string} fragment the address's, with its `#`
 * @returns {{ task: Task, fault?: undefined } | { fault: string, task?: undefined } | null} `null` where the fragment is none of a task
 */
export function readFragment(fragment) {
  if (!fragment.startsWith(NAME)) return null;
  if (fragment.length > LONGEST_LINK) return { fault: "it is longer than this page reads" };
  const [, version, packed = ""] = /^(\d{1,4})\.([\w-]*)$/.exec(fragment.slice(NAME.length)) ?? [];
  if (version === undefined) return { fault: "it is broken; perhaps its end was cut off" };
  if (version !== VERSION) return { fault: "it was made by a newer version of this page" };
  const [instruction, ...candidates] = textsIn(packed);
  if (instruction === undefined || candidates.length === 0)
    return { fault: "it is broken; perhaps its end was cut off" };
  if (candidates.length > MOST_CANDIDATES) return { fault: `it has more than ${MOST_CANDIDATES} candidates` };
  return { task: { instruction, candidates } };
}

/**
 * The texts, or none where these are not texts.
 * @param {string} packed
 * @returns {string[]}
 */
function textsIn(packed) {
  try {
    const binary = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    const texts = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    return Array.isArray(texts) && texts.every((text) => typeof text === "string") ? texts : [];
  } catch {
    return [];
  }
}
