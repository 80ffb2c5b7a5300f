/**
 * @typedef {object} Session
 * @property {string} instruction
 * @property {string[]} candidates
 */

// All pages of an origin share one storage. The path distinguishes several copies of this page.
const KEY = `cappy task ${new URL(".", import.meta.url).pathname}`;

/**
 * The stored task, or `null` where there is none, as where storage is switched off.
 * @returns {Session | null}
 */
export function readSession() {
  try {
    const { instruction, candidates } = JSON.parse(localStorage.getItem(KEY) ?? "null") ?? {};
    if (typeof instruction !== "string" || !Array.isArray(candidates)) return null;
    return { instruction, candidates: candidates.filter((each) => typeof each === "string") };
  } catch {
    return null;
  }
}

/** @param {Session} session */
export function keepSession(session) {
  try {
    localStorage.setItem(KEY, JSON.stringify(session));
  } catch {
    // The storage may be full or switched off. The task on the page stays as it is.
  }
}

/** Deletes the stored task. */
export function forgetSession() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Where storage is switched off, nothing was stored.
  }
}
