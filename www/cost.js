import { byId, fillFacts } from "./dom.js";
import { inBytes } from "./words.js";

/** @typedef {import("./cappy-web/index.js").Cost} Cost */
/** @typedef {import("./weights.js").WeightsChoice} WeightsChoice */

/**
 * Shows what a download costs, and waits for the user's answer. Meanwhile the user can choose how weights are held.
 * @param {Cost} cost
 * @param {WeightsChoice} choice
 * @param {boolean} keep whether the download is to be kept
 * @param {AbortSignal} signal stops the question
 * @returns {Promise<boolean>}
 */
export function askCost(cost, choice, keep, signal) {
  const { model, bytes, download, weights, quota } = cost;
  const title = byId("cost-title", HTMLElement);
  title.textContent = `Download ${inBytes(download)} for ${model}?`;
  fillFacts(byId("cost-facts", HTMLElement), [
    ["Download", inBytes(download)],
    ["Already kept here", inBytes(bytes - download)],
    ["Storage that is free", quota === null ? "the browser does not say" : inBytes(quota)],
    ["Weights", weights],
  ]);
  choice.ask(byId("cost-weights", HTMLElement), cost);
  const warning = byId("cost-warning", HTMLElement);
  warning.hidden = !(keep && quota !== null && quota < download);
  warning.textContent =
    "The browser grants less storage than that. Close this, untick “Keep the download in this browser” and look it up again.";
  byId("cost", HTMLElement).hidden = false;
  title.focus();
  return new Promise((resolve) => {
    const end = new AbortController();
    const answer = (/** @type {boolean} */ yes) => {
      end.abort();
      byId("cost", HTMLElement).hidden = true;
      choice.asked();
      byId("change-model", HTMLElement).focus();
      resolve(yes);
    };
    byId("cost-go", HTMLElement).addEventListener("click", () => answer(true), { signal: end.signal });
    byId("cost-no", HTMLElement).addEventListener("click", () => answer(false), { signal: end.signal });
    signal.addEventListener("abort", () => answer(false), { signal: end.signal });
  });
}
