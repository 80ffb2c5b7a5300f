import { byId } from "./dom.js";
import { counted, inSeconds, three } from "./words.js";

/** Says at the top of the page that nothing can be ranked yet. */
export function showNoModel() {
  byId("proof", HTMLElement).textContent = "Nothing is ranked yet, because no model is loaded.";
}

/**
 * Says at the top of the page, and where it tells how fast cappy is, what the last ranking took on this device.
 * @param {number} count of candidates
 * @param {number} seconds
 * @param {string} where what computed them
 */
export function showProof(count, seconds, where) {
  byId("proof", HTMLElement).textContent =
    `Just now, here: ${counted(count, "answer")} ranked in ${inSeconds(seconds)} on ${where}.`;
  byId("speed-here", HTMLElement).textContent = `${three(count / seconds)} answers a second, on ${where}`;
}
