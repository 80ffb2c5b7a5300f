import { announce, byId, fromTemplate, isFocusLost, part } from "./dom.js";
import { codeOf, explain } from "./errors.js";
import { effectInWords, effectsTable, makeUnits } from "./units.js";
import { counted, inSeconds } from "./words.js";

/** @typedef {import("./model.js").ModelPanel} ModelPanel */
/** @typedef {import("./ranking.js").Result} Result */
/** @typedef {import("./cappy-web/index.js").Explanation} Explanation */

/** What each word or sentence does to the score of a ranked answer; computed only when a person asks. */
export class ExplainPanel {
  /** @type {ModelPanel} */
  #model;
  /** @type {() => readonly Result[]} */
  #results;
  #instruction = "";
  /** @type {AbortController | null} stops what is being explained */
  #stop = null;

  /**
   * @param {ModelPanel} model
   * @param {() => readonly Result[]} results of the ranking on the page
   */
  constructor(model, results) {
    this.#model = model;
    this.#results = results;
    const list = byId("results", HTMLElement);
    list.addEventListener("click", ({ target }) => {
      const button = target instanceof HTMLButtonElement ? target : null;
      const row = button?.closest("li");
      if (row && button?.classList.contains("explain")) this.#toggle(row);
      if (row && button?.classList.contains("explain-stop")) this.stop();
    });
    list.addEventListener("change", ({ target }) => {
      const row = target instanceof HTMLInputElement ? target.closest("li") : null;
      if (row) void this.#run(row, target instanceof HTMLInputElement && target.value === "word" ? "word" : "sentence");
    });
  }

  /** Whether something is being explained. */
  get isBusy() {
    return this.#stop !== null;
  }

  stop() {
    this.#stop?.abort();
  }

  /** A new ranking begins. @param {string} instruction */
  begin(instruction) {
    this.stop();
    this.#instruction = instruction;
  }

  /** @param {HTMLElement} row */
  #toggle(row) {
    const button = part(row, ".explain", HTMLElement);
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    if (open) {
      const box = fromTemplate("explanation-template");
      box.setAttribute("aria-label", `Explanation of candidate ${Number(row.dataset.place) + 1}`);
      for (const radio of box.querySelectorAll("input")) radio.name = `unit-${row.dataset.place}`;
      row.append(box);
      void this.#run(row);
    } else {
      this.stop();
      showPlain(row);
      part(row, ".explanation", HTMLElement).remove();
    }
  }

  /**
   * @param {HTMLElement} row
   * @param {Explanation["unit"]} [unit] words where there are not too many of them, unless given
   */
  async #run(row, unit) {
    this.stop();
    const { scorer } = this.#model;
    const result = this.#results().find(({ candidate }) => String(candidate.place) === row.dataset.place);
    const box = part(row, ".explanation", HTMLElement);
    const fault = part(box, ".fault", HTMLElement);
    if (!scorer || !result) {
      fault.textContent = "There is no model. Choose one above.";
      return;
    }
    const stop = new AbortController();
    this.#stop = stop;
    showPlain(row);
    fault.textContent = "";
    showProgress(box, { done: 0, total: 0 });
    box.classList.add("busy");
    const started = performance.now();
    const work = scorer.explain(this.#instruction, result.text, {
      unit,
      signal: stop.signal,
      onProgress: (progress) => showProgress(box, progress),
    });
    this.#model.holdFor(work.catch(() => {}));
    try {
      const explanation = await work;
      // What was closed or asked anew meanwhile is not shown.
      if (!stop.signal.aborted) show(row, result.text, explanation, (performance.now() - started) / 1000);
    } catch (error) {
      const isStopped = stop.signal.aborted || codeOf(error) === "aborted";
      // Where it was asked anew, the box already shows that.
      if (isStopped && this.#stop === stop) sayIn(box, "Stopped.");
      if (!isStopped) fault.textContent = `${explain(error).title}. ${explain(error).technical}`;
    } finally {
      if (this.#stop === stop) {
        this.#stop = null;
        box.classList.remove("busy");
        if (isFocusLost()) part(row, ".explain", HTMLElement).focus({ preventScroll: true });
      }
    }
  }
}

/**
 * @param {HTMLElement} row
 * @param {string} text
 * @param {Explanation} explanation
 * @param {number} seconds what it took
 */
function show(row, text, explanation, seconds) {
  const { units, unit, truncated, score } = explanation;
  const box = part(row, ".explanation", HTMLElement);
  const effect = part(box, ".effect", HTMLElement);
  row.classList.add("explained");
  part(box, `[value=${unit}]`, HTMLInputElement).checked = true;
  part(box, ".unit-name", HTMLElement).textContent = unit;
  const list = makeUnits(text, explanation, (each) => {
    effect.textContent = effectInWords(each);
  });
  part(row, ".text", HTMLElement).after(list);
  part(box, ".effects", HTMLElement).replaceChildren(effectsTable(explanation));
  const cut = truncated > 0 ? ` ${counted(truncated, "token")} cut: too long for the model.` : "";
  const said = `Score ${score.toFixed(4)}. ${counted(units.length, unit)}, each left out once, in ${inSeconds(seconds)}.${cut}`;
  sayIn(box, said);
  const [strongest] = [...units].sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
  if (strongest) announce(`${said} The strongest: ${effectInWords(strongest)}.`);
}

/** The answer without shades. @param {HTMLElement} row */
function showPlain(row) {
  row.classList.remove("explained");
  row.querySelector(".units")?.remove();
  const box = part(row, ".explanation", HTMLElement);
  part(box, ".effect", HTMLElement).textContent = "";
  part(box, ".effects", HTMLElement).replaceChildren();
  sayIn(box, "");
}

/**
 * @param {HTMLElement} box
 * @param {string} text
 */
function sayIn(box, text) {
  part(box, ".explanation-status", HTMLElement).textContent = text;
}

/**
 * @param {HTMLElement} box
 * @param {{ done: number, total: number }} progress
 */
function showProgress(box, { done, total }) {
  const bar = part(box, "progress", HTMLProgressElement);
  if (total > 0) {
    bar.max = total;
    bar.value = done;
  } else {
    bar.removeAttribute("value");
  }
  part(box, ".explaining-detail", HTMLElement).textContent = total > 0 ? `${done} of ${total} texts scored` : "";
}
