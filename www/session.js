/**
 * @typedef {object} Session
 * @property {string} instruction
 * @property {string[]} candidates
 */

// Every page of an origin shares one storage; the path keeps two copies of this page apart.
const KEY = `cappy task ${new URL(".", import.meta.url).pathname}`;

/**
 * The task that this browser kept, or `null`. Storage may be switched off: then nothing is kept.
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
    // Full or switched off. The task on the page is not touched by that.
  }
}

/** Forgets the kept task. */
export function forgetSession() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Where storage is switched off, nothing was kept.
  }
}
