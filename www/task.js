import { byId, fromTemplate, part } from "./dom.js";
import { examples } from "./examples.js";
import { forgetSession, keepSession, readSession } from "./session.js";
import { counted } from "./words.js";

/** @typedef {import("./session.js").Session} State */

/** What stands here after everything was forgotten. */
const EMPTY = { instruction: "", candidates: ["", ""] };

/** The instruction and the list of candidates that a person edits. */
export class TaskEditor {
  #instruction = byId("instruction", HTMLTextAreaElement);
  #list = byId("candidates", HTMLElement);
  #status = byId("task-status", HTMLElement);
  #undoButton = byId("undo", HTMLButtonElement);
  #count = byId("candidate-count", HTMLElement);
  /** @type {State | null} what `undo` brings back */
  #before = null;
  /** Whether what stands here is nobody's own text, and needs no way back. */
  #untouched = true;
  /** @type {() => void} */
  #onChange;

  /** @param {() => void} onChange called after every change */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#instruction.addEventListener("input", () => this.#changed());
    this.#list.addEventListener("input", () => this.#changed());
    this.#list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      const row = button?.closest("li");
      if (row) this.#remove(row);
    });
    byId("add", HTMLButtonElement).addEventListener("click", () => {
      this.#append([""]);
      this.#areas().at(-1)?.focus();
      this.#changed();
    });
    this.#undoButton.addEventListener("click", () => this.#undo());
    byId("forget", HTMLButtonElement).addEventListener("click", () => {
      this.replace(EMPTY, "Forgotten, here and in the storage.");
      this.#undoButton.hidden = true;
      this.#before = null;
      forgetSession();
    });
    const session = readSession();
    this.#untouched = session === null;
    this.#show(session ?? examples[0] ?? EMPTY);
  }

  /** What stands on the page now. @returns {State} */
  get state() {
    return { instruction: this.#instruction.value, candidates: this.#areas().map((area) => area.value) };
  }

  /** Whether nothing was written yet. */
  get isEmpty() {
    const { instruction, candidates } = this.state;
    return [instruction, ...candidates].every((text) => text.trim() === "");
  }

  /**
   * Puts another task in place of this one; a person can undo it.
   * @param {State} state
   * @param {string} what said on the page
   */
  replace(state, what) {
    // Going through examples with the arrow keys must not push a person's own text out of reach.
    const before = this.#untouched ? this.#before : this.isEmpty ? null : this.state;
    this.#show(state);
    this.#changed();
    this.#untouched = true;
    this.#offerUndo(before, what);
  }

  /**
   * Adds candidates after those that are there, in place of blank ones.
   * @param {readonly string[]} texts
   */
  add(texts) {
    const before = this.state;
    const kept = before.candidates.filter((text) => text.trim() !== "");
    this.#show({ instruction: before.instruction, candidates: [...kept, ...texts] });
    this.#changed();
    this.#offerUndo(before, `Added ${counted(texts.length, "candidate")}.`);
  }

  /** Says something below the task. @param {string} text */
  say(text) {
    this.#status.textContent = text;
  }

  /** Puts the cursor where a person has to write next. */
  focus() {
    const blank = [this.#instruction, ...this.#areas()].find((area) => area.value.trim() === "");
    (blank ?? this.#instruction).focus();
  }

  #areas() {
    return [...this.#list.querySelectorAll("textarea")];
  }

  /** @param {State} state */
  #show({ instruction, candidates }) {
    this.#instruction.value = instruction;
    this.#list.replaceChildren();
    this.#append(candidates);
  }

  /** @param {readonly string[]} texts */
  #append(texts) {
    const rows = texts.map((text) => {
      const row = fromTemplate("candidate-template");
      part(row, "textarea", HTMLTextAreaElement).value = text;
      return row;
    });
    this.#list.append(...rows);
    this.#number();
  }

  /** @param {HTMLElement} row */
  #remove(row) {
    const before = this.state;
    const at = [...this.#list.children].indexOf(row);
    row.remove();
    this.#number();
    this.#changed();
    this.#offerUndo(before, `Removed candidate ${at + 1}.`);
    // The button that had the focus is gone: its neighbour takes over.
    const rows = this.#list.children;
    const next = rows[Math.min(at, rows.length - 1)];
    (next ? part(next, "button", HTMLElement) : byId("add", HTMLElement)).focus();
  }

  #number() {
    for (const [at, row] of [...this.#list.children].entries()) {
      const id = `candidate-${at + 1}`;
      part(row, ".number", HTMLElement).textContent = String(at + 1);
      part(row, "label", HTMLLabelElement).htmlFor = id;
      part(row, "textarea", HTMLElement).id = id;
      part(row, "button", HTMLElement).setAttribute("aria-label", `Remove candidate ${at + 1}`);
    }
    this.#count.textContent = String(this.#list.children.length);
  }

  #changed() {
    keepSession(this.state);
    this.#untouched = false;
    this.#offerUndo(null, "");
    this.#onChange();
  }

  /**
   * @param {State | null} before
   * @param {string} what
   */
  #offerUndo(before, what) {
    this.#before = before;
    this.#undoButton.hidden = before === null;
    this.say(what);
  }

  #undo() {
    if (!this.#before) return;
    this.#show(this.#before);
    this.#changed();
    this.say("Undone.");
    this.#instruction.focus();
  }
}
