import { fromTemplate, part } from "./dom.js";
import { hideFault, showFault } from "./errors.js";

/** @typedef {import("./decision-examples.js").Asked} Asked */

/** What options are called, by the type of question. */
const WORDS = { choice: ["Option", "Options"], score: ["Level", "Levels, from the lowest on"], boolean: ["", ""] };

/** The fields of one question. */
export class QuestionFields {
  element = fromTemplate("question-template");
  #name = part(this.element, "[data-field=name]", HTMLInputElement);
  #type = part(this.element, "[data-field=type]", HTMLSelectElement);
  #text = part(this.element, "[data-field=instructions]", HTMLTextAreaElement);
  #yes = part(this.element, "[data-field=true]", HTMLTextAreaElement);
  #no = part(this.element, "[data-field=false]", HTMLTextAreaElement);
  #options = part(this.element, ".options-list", HTMLElement);
  #add = part(this.element, ".add-option", HTMLButtonElement);
  /** @type {() => void} */
  #onChange;

  /**
   * @param {Asked} asked
   * @param {() => void} onChange called after options were added or removed; fields have their `input` events
   */
  constructor({ name, type, text, options, yes = "", no = "" }, onChange) {
    this.#onChange = onChange;
    this.#name.value = name;
    this.#type.value = type;
    this.#text.value = text;
    this.#yes.value = yes;
    this.#no.value = no;
    this.#append(options);
    this.#type.addEventListener("change", () => this.#show());
    this.#add.addEventListener("click", () => {
      this.#append([{ name: "", description: "" }]);
      this.#nameFields().at(-1)?.focus();
      this.#optionsChanged();
    });
    this.#options.addEventListener("click", (event) => {
      const row = event.target instanceof Element ? event.target.closest("button")?.closest("li") : null;
      if (row) this.#remove(row);
    });
  }

  /** @returns {Asked} */
  get asked() {
    return {
      name: this.#name.value.trim(),
      type: /** @type {Asked["type"]} */ (this.#type.value),
      text: this.#text.value.trim(),
      options: [...this.#options.children].map((row) => ({
        name: part(row, ".option-name", HTMLInputElement).value.trim(),
        description: part(row, ".option-description", HTMLTextAreaElement).value.trim(),
      })),
      yes: this.#yes.value.trim(),
      no: this.#no.value.trim(),
    };
  }

  /** Says which question of the list this is. @param {number} number from 1 on */
  set number(number) {
    part(this.element, ".number", HTMLElement).textContent = String(number);
    part(this.element, ".remove", HTMLElement).setAttribute("aria-label", `Remove question ${number}`);
  }

  focus() {
    this.#name.focus();
  }

  /**
   * Says beside a field what is wrong with it.
   * @param {"name" | "instructions" | "criteria"} field
   * @param {string} what
   */
  showFault(field, what) {
    const place = part(this.element, `[data-for=${field}]`, HTMLElement);
    const fields = { name: this.#name, instructions: this.#text, criteria: this.#nameFields()[0] ?? this.#add };
    showFault(fields[field], place, what);
  }

  /**
   * @param {number} at which option
   * @param {string} what
   */
  showOptionFault(at, what) {
    const row = this.#options.children[at];
    if (row) showFault(part(row, ".option-name", HTMLElement), part(row, ".fault", HTMLElement), what);
  }

  hideFaults() {
    for (const place of this.element.querySelectorAll(".fault")) if (place instanceof HTMLElement) hideFault(place);
  }

  /** Shows the fields that a question of this type has, by their right names. */
  #show() {
    const type = /** @type {Asked["type"]} */ (this.#type.value);
    const [word, title] = WORDS[type];
    part(this.element, ".criteria", HTMLElement).hidden = type === "boolean";
    part(this.element, ".meanings", HTMLElement).hidden = type !== "boolean";
    part(this.element, ".criteria-title", HTMLElement).textContent = title ?? "";
    this.#add.textContent = `Add ${type === "score" ? "a level" : "an option"}`;
    for (const [at, row] of [...this.#options.children].entries()) {
      // An answer calls levels by their number, from 0.
      const called = `${word} ${type === "score" ? at : at + 1}`;
      part(row, ".option-name", HTMLElement).setAttribute("aria-label", called);
      part(row, ".option-name", HTMLInputElement).placeholder = called;
      part(row, ".remove", HTMLElement).setAttribute("aria-label", `Remove ${called.toLowerCase()}`);
      const description = part(row, ".option-description", HTMLElement);
      description.setAttribute("aria-label", `What ${called.toLowerCase()} means`);
      description.hidden = type === "score";
    }
  }

  /** @param {Asked["options"]} options */
  #append(options) {
    const rows = options.map(({ name, description }) => {
      const row = fromTemplate("option-template");
      part(row, ".option-name", HTMLInputElement).value = name;
      part(row, ".option-description", HTMLTextAreaElement).value = description;
      return row;
    });
    this.#options.append(...rows);
    this.#show();
  }

  /** @param {HTMLElement} row */
  #remove(row) {
    const at = [...this.#options.children].indexOf(row);
    row.remove();
    this.#show();
    this.#optionsChanged();
    // The button with the focus is gone, so its neighbour gets the focus.
    const next = this.#options.children[Math.min(at, this.#options.children.length - 1)];
    (next ? part(next, ".remove", HTMLElement) : this.#add).focus();
  }

  #optionsChanged() {
    hideFault(part(this.element, "[data-for=criteria]", HTMLElement));
    this.#onChange();
  }

  #nameFields() {
    return [...this.#options.children].map((row) => part(row, ".option-name", HTMLInputElement));
  }
}
