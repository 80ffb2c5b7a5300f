import { compare, hideComparison } from "./compare.js";
import { Curve } from "./curve.js";
import { announce, byId, isFocusLost, withText } from "./dom.js";
import { codeOf, hideError, showError } from "./errors.js";
import { forgetLessons, KEPT_AS, keepLessons, lessonsOf, readLessons } from "./lessons.js";
import { counted, inSeconds } from "./words.js";

/** @typedef {import("./cappy-web/index.js").Adapted} Adapted */
/** @typedef {import("./cappy-web/index.js").Scorer} Scorer */
/** @typedef {import("./cappy-web/index.js").Depth} Depth */
/** @typedef {import("./ranking.js").Result} Result */

/**
 * Marks are few, so each is gone over many times.
 * @type {Record<Depth, { batch: number, size: number, learningRate: number }>}
 */
const SETTINGS = {
  head: { batch: 8, size: 8 * 60, learningRate: 3e-3 },
  lora: { batch: 8, size: 8 * 30, learningRate: 2e-3 },
  full: { batch: 8, size: 8 * 30, learningRate: 5e-5 },
};

/** The panel in which the user teaches the model: marks, training, and its effect. */
export class TeachPanel {
  #results = byId("results", HTMLElement);
  #lessons = byId("lessons", HTMLElement);
  #teach = byId("teach", HTMLButtonElement);
  #undo = byId("teach-undo", HTMLButtonElement);
  #forget = byId("teach-forget", HTMLButtonElement);
  #keep = byId("teach-keep", HTMLInputElement);
  #status = byId("teach-status", HTMLElement);
  #bar = byId("teaching-bar", HTMLProgressElement);
  #detail = byId("teaching-detail", HTMLElement);
  #curve = new Curve();
  /** @type {import("./lessons.js").Marks} */
  #marks = readLessons()?.marks ?? new Map();
  /** @type {AbortController | null} stops what is going on */
  #stop = null;
  /** @type {Adapted | string | null} what was learned, for this scorer */
  #learned = null;
  /** @type {Scorer | null} the one that it was learned with */
  #taught = null;
  #instruction = "";
  /** @type {readonly Result[]} of the present task */
  #ranked = [];
  /** @type {{ instruction: string, ranked: readonly Result[] } | null} before it was taught */
  #before = null;
  #scorer;
  #rank;

  /**
   * @param {() => Scorer | null} scorer the model, once it is there
   * @param {() => Promise<void>} rank ranks the task again
   */
  constructor(scorer, rank) {
    this.#scorer = scorer;
    this.#rank = rank;
    this.#results.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button[data-mark]") : null;
      if (button instanceof HTMLButtonElement) this.#mark(button);
    });
    this.#lessons.addEventListener("click", (event) => {
      const at = event.target instanceof HTMLButtonElement ? Number(event.target.dataset.lesson) : NaN;
      const instruction = [...this.#marks.keys()][at];
      if (instruction !== undefined) this.#drop(instruction, at);
    });
    this.#teach.addEventListener("click", () => void this.#run());
    this.#undo.addEventListener("click", () => void this.#turn());
    this.#forget.addEventListener("click", () => void this.#forgetAll());
    byId("teaching-cancel", HTMLButtonElement).addEventListener("click", () => this.cancel());
    this.#show();
  }

  /** Whether the model is being taught now. */
  get isBusy() {
    return this.#stop !== null;
  }

  /** Stops the teaching. */
  cancel() {
    this.#stop?.abort();
  }

  /** To be called when another model is loaded, or none: what was learned belongs to the former one. */
  modelChanged() {
    const scorer = this.#scorer();
    if (scorer === this.#taught) return;
    this.cancel();
    this.#taught = scorer;
    this.#learned = null;
    hideComparison();
    const stored = readLessons();
    if (scorer && stored?.model === scorer.info().model) {
      this.#learned = KEPT_AS;
      this.#say("This browser keeps what this model has learned from your marks.");
    }
    this.#show();
  }

  /** A ranking begins. @param {string} instruction */
  begin(instruction) {
    this.#instruction = instruction;
    this.#ranked = [];
    this.#results.classList.remove("markable");
  }

  /** It is over. @param {readonly Result[]} ranked best first */
  end(ranked) {
    this.#ranked = ranked;
    this.#results.classList.add("markable");
    this.#showMarks();
    if (this.#before?.instruction === this.#instruction && ranked.length > 0) {
      const marks = this.#marks.get(this.#instruction);
      compare(this.#before.ranked, ranked, (text) => marks?.get(text)?.right);
    } else {
      hideComparison();
    }
    this.#before = null;
  }

  /** @param {HTMLButtonElement} button */
  #mark(button) {
    const place = Number(button.closest("li")?.dataset.place);
    const text = this.#ranked.find(({ candidate }) => candidate.place === place)?.text;
    if (text === undefined) return;
    const right = button.dataset.mark === "right";
    const answers =
      this.#marks.get(this.#instruction) ?? /** @type {Map<string, import("./lessons.js").Answer>} */ (new Map());
    for (const { text, score } of this.#ranked) if (!answers.has(text)) answers.set(text, { score });
    const answer = answers.get(text) ?? { score: 0 };
    // Pressing a mark again removes it.
    if (answer.right === right) delete answer.right;
    else answer.right = right;
    if ([...answers.values()].some((each) => each.right !== undefined)) this.#marks.set(this.#instruction, answers);
    else this.#marks.delete(this.#instruction);
    this.#showMarks();
    this.#show();
  }

  /**
   * @param {string} instruction
   * @param {number} at
   */
  #drop(instruction, at) {
    this.#marks.delete(instruction);
    this.#showMarks();
    this.#show();
    // The button with the focus is gone, so its neighbour gets the focus.
    const buttons = this.#lessons.querySelectorAll("button");
    (buttons[Math.min(at, buttons.length - 1)] ?? this.#teach).focus();
  }

  /** Learns from the marks, and ranks again. */
  async #run() {
    const scorer = this.#scorer();
    if (this.#stop) return;
    if (!scorer || this.#marks.size === 0) {
      this.#say(scorer ? "Mark an answer in the ranking first." : "There is no model yet.");
      return;
    }
    hideError("teach-error");
    hideComparison();
    const stop = new AbortController();
    this.#stop = stop;
    this.#say("");
    this.#curve.begin();
    this.#bar.removeAttribute("value");
    this.#detail.textContent = "Preparing";
    this.#show();
    announce("Teaching");
    const began = performance.now();
    const depth = /** @type {Depth} */ (byId("teach-depth", HTMLSelectElement).value);
    const keep = this.#keep.checked ? KEPT_AS : undefined;
    if (keep) keepLessons(scorer.info().model, this.#marks);
    try {
      const adapted = await scorer.adapt(lessonsOf(this.#marks), {
        depth,
        ...SETTINGS[depth],
        heldOut: 0,
        keep,
        signal: stop.signal,
        onProgress: ({ step, steps, loss }) => {
          this.#bar.max = steps;
          this.#bar.value = step;
          this.#detail.textContent = `Step ${step} of ${steps}`;
          this.#curve.add(loss, steps);
        },
      });
      this.#detail.textContent = "Applying";
      await this.#use(scorer, adapted);
      this.#learned = adapted;
      const { steps } = adapted.history;
      this.#say(
        `Learned from ${counted(this.#marks.size, "task")} in ${counted(steps.length, "step")}, ${inSeconds((performance.now() - began) / 1000)}.`,
      );
    } catch (error) {
      if (stop.signal.aborted || codeOf(error) === "aborted") {
        this.#say(
          keep ? "Stopped. Teach goes on from there, as long as the marks stay." : "Stopped. The model is as it was.",
        );
      } else {
        showError("teach-error", error, () => void this.#run());
      }
    } finally {
      this.#curve.draw();
      this.#stop = null;
      this.#show();
      if (isFocusLost()) this.#teach.focus({ preventScroll: true });
    }
  }

  /** Applies what was learned, or returns to the model as it was. */
  async #turn() {
    const scorer = this.#scorer();
    if (!scorer || this.#stop) return;
    hideError("teach-error");
    const undo = scorer.info().adaptation !== "";
    try {
      await this.#use(scorer, undo ? undefined : (this.#learned ?? undefined));
      this.#say(undo ? "Undone: the model is as it was." : "The model uses what it learned.");
    } catch (error) {
      showError("teach-error", error, () => void this.#turn());
    }
    this.#show();
  }

  /**
   * Applies what was learned, and ranks the present task again to show the effect.
   * @param {Scorer} scorer
   * @param {Adapted | string | undefined} learned
   */
  async #use(scorer, learned) {
    const before = { instruction: this.#instruction, ranked: this.#ranked };
    await scorer.apply(learned);
    if (before.ranked.length === 0) return;
    this.#before = before;
    await this.#rank();
  }

  /** Deletes what was learned, and all marks. */
  async #forgetAll() {
    this.cancel();
    const scorer = this.#scorer();
    try {
      const { deleteAdaptation } = await import("./cappy-web/index.js");
      await deleteAdaptation(KEPT_AS);
      forgetLessons();
      this.#marks.clear();
      this.#learned = null;
      if (scorer?.info().adaptation) await this.#use(scorer, undefined);
      this.#say("Forgotten: the marks, and what was learned from them.");
    } catch (error) {
      showError("teach-error", error, () => void this.#forgetAll());
    }
    this.#showMarks();
    this.#show();
    this.#teach.focus();
  }

  /** Updates the buttons in the ranking. */
  #showMarks() {
    const marks = this.#marks.get(this.#instruction);
    for (const row of this.#results.children) {
      const place = row instanceof HTMLElement ? Number(row.dataset.place) : NaN;
      const found = this.#ranked.find(({ candidate }) => candidate.place === place);
      for (const button of row.querySelectorAll("button[data-mark]")) {
        const mark = button instanceof HTMLElement && found ? marks?.get(found.text)?.right : undefined;
        const right = button.getAttribute("data-mark") === "right";
        button.setAttribute("aria-pressed", String(mark === right));
        button.setAttribute("aria-label", `Candidate ${place + 1} is ${right ? "right" : "wrong"}`);
      }
    }
  }

  /** Shows how many lessons there are, and which buttons can be used. */
  #show() {
    const rows = [...this.#marks].map(([instruction, texts], at) => {
      const row = document.createElement("li");
      row.className = "lesson";
      const of = (/** @type {boolean} */ right) =>
        [...texts.values()].filter((answer) => answer.right === right).length;
      const name = withText("p", instruction.length > 120 ? `${instruction.slice(0, 119)}…` : instruction);
      name.dir = "auto";
      name.append(withText("span", ` ${of(true)} right, ${of(false)} wrong`));
      const remove = withText("button", "Remove");
      remove.className = "quiet";
      remove.setAttribute("type", "button");
      remove.setAttribute("aria-label", `Remove the marks of task ${at + 1}`);
      remove.dataset.lesson = String(at);
      row.append(name, remove);
      return row;
    });
    this.#lessons.replaceChildren(...rows);
    byId("lessons-none", HTMLElement).hidden = rows.length > 0;
    byId("teaching", HTMLElement).hidden = this.#stop === null;
    this.#teach.setAttribute(
      "aria-disabled",
      String(this.#stop !== null || rows.length === 0 || this.#scorer() === null),
    );
    const applied = Boolean(this.#scorer()?.info().adaptation);
    this.#undo.hidden = this.#stop !== null || !(applied || this.#learned);
    this.#undo.textContent = applied ? "Undo" : "Use what it learned";
    this.#forget.hidden = this.#stop !== null || !(this.#learned || rows.length > 0 || readLessons());
  }

  /** @param {string} text */
  #say(text) {
    this.#status.textContent = text;
  }
}
