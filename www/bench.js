import { setUpQuickRun } from "./bench-quick.js";
import { factsOf, tablesOf } from "./bench-report.js";
import { announce, byId, fillFacts } from "./dom.js";
import { hideError, showError } from "./errors.js";
import { inSeconds } from "./words.js";

/** @typedef {import("./bench-report.js").Report} Report */
/** @typedef {import("./bench-worker.js").FromWorker} FromWorker */
/** @typedef {import("./bench-worker.js").PlainError} PlainError */

const form = byId("form", HTMLFormElement);
const choices = byId("choices", HTMLFieldSetElement);
const sure = byId("large-sure", HTMLInputElement);
const start = byId("start", HTMLButtonElement);
const stop = byId("stop", HTMLButtonElement);
const status = byId("status", HTMLElement);
const bar = byId("bar", HTMLProgressElement);
const step = byId("step", HTMLElement);
const elapsed = byId("elapsed", HTMLElement);

/** @type {{ end(): void } | null} the measurement that goes on */
let running = null;
/** @type {Report | null} */
let last = null;

form.addEventListener("change", askForRoom);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void measure();
});
stop.addEventListener("click", end);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") end();
});
byId("copy", HTMLButtonElement).addEventListener("click", () => void copy());
byId("download", HTMLButtonElement).addEventListener("click", download);
setUpQuickRun();
// After a reload browsers restore the form without an event.
askForRoom();

/** Measuring the large shape is confirmed first. */
function askForRoom() {
  const large = shape() === "large";
  byId("large-warning", HTMLElement).hidden = !large;
  sure.required = large;
}

function shape() {
  return String(new FormData(form).get("shape") ?? "mini");
}

async function measure() {
  if (running) return;
  const ask = {
    shape: shape(),
    dtype: byId("dtype", HTMLSelectElement).value,
    scaling: byId("scaling", HTMLInputElement).checked,
  };
  hideError("bench-error");
  status.textContent = "";
  show(true);
  try {
    const report = await inWorker(ask);
    if (report) {
      last = report;
      draw(report);
      status.textContent = "Done.";
    } else {
      status.textContent = "Stopped. Nothing was kept of it.";
    }
  } catch (error) {
    showError("bench-error", error, () => void measure());
  } finally {
    show(false);
  }
}

/**
 * Measures in a worker of its own, so that its memory is freed with it.
 * @param {{ shape: string, dtype: string, scaling: boolean }} ask
 * @returns {Promise<Report | null>} `null` where it was stopped
 */
async function inWorker(ask) {
  const worker = new Worker(new URL("./bench-worker.js", import.meta.url), { type: "module", name: "cappy bench" });
  const begun = performance.now();
  const clock = setInterval(() => {
    elapsed.textContent = `${Math.floor((performance.now() - begun) / 1000)} s`;
  }, 1000);
  try {
    return await new Promise((resolve, reject) => {
      running = { end: () => resolve(null) };
      worker.addEventListener("error", (event) => {
        event.preventDefault();
        reject(
          new CappyError({ code: "worker", atFault: "bench-worker.js", what: event.message || "could not be started" }),
        );
      });
      worker.addEventListener("message", (/** @type {MessageEvent<FromWorker>} */ { data }) => {
        if ("report" in data) resolve(data.report);
        else if ("error" in data) reject(new CappyError(data.error));
        else showStep(data.step, data.share);
      });
      worker.postMessage(ask);
    });
  } finally {
    running = null;
    clearInterval(clock);
    worker.terminate();
  }
}

/** An error of the kind that the package throws, for which the page has explanations. */
class CappyError extends Error {
  name = "CappyError";

  /** @param {PlainError} error */
  constructor({ code, atFault, what }) {
    super(`${atFault}: ${what}`);
    this.code = code;
  }
}

/**
 * @param {string} what
 * @param {number} share
 */
function showStep(what, share) {
  bar.value = share;
  const text = what.charAt(0).toUpperCase() + what.slice(1);
  if (step.textContent === text) return;
  step.textContent = text;
  announce(text);
}

function end() {
  running?.end();
}

/** @param {boolean} on */
function show(on) {
  const hadFocus = document.activeElement === stop || document.activeElement === start;
  byId("running", HTMLElement).hidden = !on;
  choices.disabled = on;
  start.hidden = on;
  stop.hidden = !on;
  if (hadFocus) (on ? stop : start).focus();
  if (!on) return;
  bar.value = 0;
  step.textContent = "Starting";
  elapsed.textContent = "";
}

/** @param {Report} report */
function draw(report) {
  fillFacts(byId("facts", HTMLElement), factsOf(report));
  byId("tables", HTMLElement).replaceChildren(...tablesOf(report));
  byId("timer", HTMLElement).textContent =
    "Kernels are timed by repeating each of them for a tenth of a second or more, because browsers round the GPU's own timestamps. " +
    "“Reached” is the time that the bound allows as a share of the time taken; caches may lift it above 100%. " +
    `Learning that the GPU is done takes this browser ${inSeconds(report.wait_seconds)}.`;
  byId("json", HTMLTextAreaElement).hidden = true;
  byId("results", HTMLElement).hidden = false;
  announce("Results are there.");
}

const json = () => JSON.stringify(last, null, 2);

async function copy() {
  try {
    await navigator.clipboard.writeText(json());
    status.textContent = "Copied.";
    announce("Copied.");
  } catch {
    // The browser may forbid it. Then the user copies by hand.
    const text = byId("json", HTMLTextAreaElement);
    text.hidden = false;
    text.value = json();
    text.select();
    announce("The browser does not let this page copy. Copy the text below.");
  }
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([json(), "\n"], { type: "application/json" }));
  link.download = `cappy-bench-${last?.shape}-${last?.dtype}.json`;
  link.click();
  // Some browsers read it only after this call.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
