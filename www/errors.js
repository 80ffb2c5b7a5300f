import { byId, fromTemplate, part, withText } from "./dom.js";

/** @typedef {import("./cappy-web/index.js").CappyErrorCode} Code */

const BROWSERS =
  "Browsers with WebGPU: Chrome and Edge since 113 on Windows, macOS and ChromeOS, Chrome since 121 on Android, Safari since 26, Firefox since 141 on Windows.";

/** @type {Partial<Record<Code, [title: string, ...advice: string[]]>>} */
const WORDS = {
  "no-webgpu": [
    "This browser has no WebGPU",
    BROWSERS,
    "On Linux, Chrome may want chrome://flags/#enable-unsafe-webgpu to be switched on.",
  ],
  "no-adapter": [
    "The browser found no graphics adapter",
    "Switch on “Use graphics acceleration” in the browser's settings and start it again.",
    "Update the graphics driver. Browsers block old ones.",
    `Another browser may do. ${BROWSERS}`,
  ],
  "adapter-too-small": [
    "This graphics adapter is too small for the model",
    "Choose a smaller model. cappy-small runs on every adapter.",
    "Where there are two adapters, tell the system to use the stronger one for this browser.",
  ],
  "out-of-memory": [
    "The graphics memory is full",
    "Close other tabs and programs that draw much, then try again.",
    "Or hold the weights in fewer bits, or choose a smaller model.",
  ],
  quota: [
    "The browser grants too little storage to keep the model",
    "Delete a kept model, or make room on the disk. Private windows grant little.",
    "Or load it without keeping it: untick “Keep the download in this browser”.",
  ],
  network: [
    "The server could not be reached",
    "Check the connection and the address, then try again. What was downloaded is not lost.",
    "A server other than the hub must allow this page to read from it (CORS).",
  ],
  unauthorized: [
    "The server wants an access token",
    "The model is private or needs its terms accepted. Enter a token under “Private model”.",
    "If you gave one, it may be wrong or lack the right to read.",
    "The hub answers in the same way for a name that does not exist: check the spelling.",
  ],
  "not-found": [
    "There is no such model or file",
    "Check the spelling. A hub id is owner/name, with @revision after it if need be.",
    "A model needs config.json, tokenizer.json and its weights (model.safetensors or pytorch_model.bin).",
  ],
  config: [
    "This model is of another kind",
    "cappy runs RoBERTa, XLM-RoBERTa, BERT and DistilBERT models for sequence classification.",
  ],
  tokenizer: ["The tokenizer does not fit the model", "Check that tokenizer.json belongs to this model and is whole."],
  checkpoint: [
    "The file of weights is broken",
    "It may have been cut short. Download it again; if it was kept here, delete it first.",
  ],
  integrity: ["A file is not the one that was expected", "Delete what is kept of this model and download it again."],
  io: ["A file could not be read or kept", "If you chose a file, choose it again: it may have changed or moved."],
  input: ["This cannot be used", "See below for what is wrong with it."],
  "device-lost": ["The graphics device went away, twice", "The driver may have restarted. Load the model again."],
  gpu: ["The graphics adapter failed", "Try again. If it stays, update the browser and the graphics driver."],
  "not-finite": ["A score came out as no number", "The model or the driver is at fault. No score is shown."],
  worker: ["The background worker stopped", "Load the model again. If it stays, the device may lack memory."],
  disposed: ["The model was unloaded", "Load it again."],
};

/** After errors with these codes the model must be loaded again before it can score. */
const GONE = new Set(["device-lost", "gpu", "worker", "disposed"]);

/**
 * The stable code of a `CappyError`; empty for any other error.
 * @param {unknown} error
 * @returns {Code | ""}
 */
export function codeOf(error) {
  if (!(error instanceof Error) || error.name !== "CappyError" || !("code" in error)) return "";
  return /** @type {Code} */ (error.code);
}

/**
 * Whether the model must be loaded again after this error.
 * @param {unknown} error
 */
export function isModelGone(error) {
  return GONE.has(codeOf(error));
}

/**
 * An error in plain words, with what can be done about it.
 * @param {unknown} error
 * @returns {{ title: string, advice: string[], technical: string }}
 */
export function explain(error) {
  const code = codeOf(error);
  const [title, ...advice] = (code && WORDS[code]) || ["Something went wrong", "Try again, or reload the page."];
  if (code === "no-webgpu" && !isSecureContext) {
    advice.unshift("Open this page over https:// or from localhost: browsers hide WebGPU elsewhere.");
  }
  const message = error instanceof Error ? error.message : String(error);
  return { title, advice, technical: code ? `${code}: ${message}` : message };
}

/** For each place of errors the element that gets the focus when the error is gone. */
const NEIGHBOURS = {
  "model-error": "change-model",
  "source-error": "source",
  "ranking-error": "rank",
  "bench-error": "start",
  "quick-error": "quick",
  "teach-error": "teach",
  "decide-error": "decide-go",
};

/**
 * Shows an error with a button to try again.
 * @param {keyof typeof NEIGHBOURS} place
 * @param {unknown} error
 * @param {() => void} retry
 */
export function showError(place, error, retry) {
  const { title, advice, technical } = explain(error);
  const box = fromTemplate("error-template");
  part(box, "h3", HTMLElement).textContent = title;
  part(box, ".advice", HTMLElement).append(...advice.map((line) => withText("li", line)));
  part(box, "code", HTMLElement).textContent = technical;
  part(box, "button", HTMLButtonElement).addEventListener("click", () => {
    hideError(place);
    // The button itself is gone now.
    byId(NEIGHBOURS[place], HTMLElement).focus();
    retry();
  });
  byId(place, HTMLElement).replaceChildren(box);
}

/** @param {keyof typeof NEIGHBOURS} place */
export function hideError(place) {
  byId(place, HTMLElement).replaceChildren();
}

let faults = 0;

/**
 * Says beside a field what is wrong with it, until the field is changed.
 * @param {HTMLElement} field or the button that mends it
 * @param {HTMLElement} place the element for the words
 * @param {string} what
 */
export function showFault(field, place, what) {
  if (!place.id) place.id = `fault-${++faults}`;
  place.textContent = what;
  field.setAttribute("aria-describedby", place.id);
  if (!(field instanceof HTMLButtonElement)) field.setAttribute("aria-invalid", "true");
  field.addEventListener("input", () => hideFault(place), { once: true });
}

/** @param {HTMLElement} place */
export function hideFault(place) {
  const field = fieldOf(place);
  field?.removeAttribute("aria-describedby");
  field?.removeAttribute("aria-invalid");
  place.textContent = "";
}

/**
 * The field that a place of words is about, where it has some.
 * @param {HTMLElement} place
 */
export function fieldOf(place) {
  const field = place.textContent && document.querySelector(`[aria-describedby="${place.id}"]`);
  return field instanceof HTMLElement ? field : null;
}
