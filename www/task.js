import { byId, fromTemplate, part } from "./dom.js";
import { examples } from "./examples.js";
import { forgetSession, keepSession, readSession } from "./session.js";
import { counted } from "./words.js";

/** @typedef {import("./session.js").Session} State */

/** The content after everything was deleted. */
const EMPTY = { instruction: "", candidates: ["", ""] };

/** The instruction and the list of candidates, which the user edits. */
export class TaskEditor {
  #instruction = byId("instruction", HTMLTextAreaElement);
  #list = byId("candidates", HTMLElement);
  #status = byId("task-status", HTMLElement);
  #undoButton = byId("undo", HTMLButtonElement);
  #count = byId("candidate-count", HTMLElement);
  /** @type {State | null} what `undo` brings back */
  #before = null;
  /** Whether the content is an example or empty, so that replacing it needs no undo. */
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

  /** Whether the task came with the page or with a link, and was not changed since. */
  get isUntouched() {
    return this.#untouched;
  }

  /** The present content. @returns {State} */
  get state() {
    return { instruction: this.#instruction.value, candidates: this.#areas().map((area) => area.value) };
  }

  /** Whether nothing was written yet. */
  get isEmpty() {
    const { instruction, candidates } = this.state;
    return [instruction, ...candidates].every((text) => text.trim() === "");
  }

  /**
   * Replaces the task. The user can undo that.
   * @param {State} state
   * @param {string} what said on the page
   */
  replace(state, what) {
    // Going through examples with the arrow keys must not lose the user's own text.
    const before = this.#untouched ? this.#before : this.isEmpty ? null : this.state;
    this.#show(state);
    this.#changed();
    this.#untouched = true;
    this.#offerUndo(before, what);
  }

  /**
   * Shows the task of a link. It is kept in this browser, in place of the one that was kept, only when it is edited.
   * @param {State} task
   */
  open(task) {
    const before = this.#untouched ? null : this.state;
    this.#show(task);
    this.#untouched = true;
    this.#onChange();
    this.#offerUndo(before, "This task came with the link.");
  }

  /**
   * Adds candidates at the end, in place of blank ones.
   * @param {readonly string[]} texts
   */
  add(texts) {
    const before = this.state;
    const written = before.candidates.filter((text) => text.trim() !== "");
    this.#show({ instruction: before.instruction, candidates: [...written, ...texts] });
    this.#changed();
    this.#offerUndo(before, `Added ${counted(texts.length, "candidate")}.`);
  }

  /** Says something below the task. @param {string} text */
  say(text) {
    this.#status.textContent = text;
  }

  /** Puts the cursor into the first empty text. */
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
    // The button with the focus is gone, so its neighbour gets the focus.
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
