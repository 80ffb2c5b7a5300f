import { byId, part, withText } from "./dom.js";
import { decisionExamples } from "./decision-examples.js";
import { fieldOf, hideFault, showFault } from "./errors.js";
import { QuestionFields } from "./question.js";

/** @typedef {import("./decision-examples.js").Asked} Asked */
/** @typedef {import("./decision-examples.js").Form} Form */
/** @typedef {import("./cappy-web/index.js").Question} Question */
/** @typedef {import("./cappy-web/index.js").Decision} Decision */

/** What a new question is. */
const NEW = /** @type {const} */ ({ type: "choice", text: "" });
const TWO_OPTIONS = [
  { name: "", description: "" },
  { name: "", description: "" },
];

/** The state and the questions, which the user edits. */
export class QuestionEditor {
  #state = byId("state", HTMLTextAreaElement);
  #list = byId("questions", HTMLElement);
  #examples = byId("decision-examples", HTMLSelectElement);
  #undo = byId("decision-undo", HTMLButtonElement);
  /** @type {QuestionFields[]} */
  #questions = [];
  /** @type {Form | null} what `Undo` brings back */
  #before = null;
  /** Whether the content is an example, so that replacing it needs no undo. */
  #untouched = true;
  /** @type {() => void} */
  #onChange;

  /** @param {() => void} onChange called after every change */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#examples.append(...decisionExamples.map(({ name }) => withText("option", name)));
    this.#examples.addEventListener("change", () => {
      const example = decisionExamples[this.#examples.selectedIndex - 1];
      if (example) this.#replace(example, this.#untouched ? this.#before : this.form);
    });
    for (const element of [this.#state, this.#list]) element.addEventListener("input", () => this.#changed());
    this.#list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest(".question-head button") : null;
      const at = this.#questions.findIndex(({ element }) => button && element.contains(button));
      if (at >= 0) this.#remove(at);
    });
    byId("add-question", HTMLButtonElement).addEventListener("click", () => this.#add());
    this.#undo.addEventListener("click", () => {
      if (!this.#before) return;
      this.#replace(this.#before, null);
      this.#untouched = false;
      this.#examples.selectedIndex = 0;
      this.#state.focus();
    });
    const [first] = decisionExamples;
    if (first) this.#show(first);
    this.#examples.selectedIndex = 1;
  }

  /** Whether the content came with the page or with a link, and was not changed since. */
  get isUntouched() {
    return this.#untouched;
  }

  /** The present content. @returns {Form} */
  get form() {
    return { state: this.#state.value, questions: this.#questions.map(({ asked }) => asked) };
  }

  /** The decision that the fields stand for. @returns {Decision} */
  get decision() {
    const { state, questions } = this.form;
    return { state, questions: Object.fromEntries(questions.map((asked) => [asked.name, questionOf(asked)])) };
  }

  /** Whether the fields stand for a decision. Where not, it is said beside them, and the first one gets the focus. */
  check() {
    this.#hideFaults();
    const { state, questions } = this.form;
    if (state.trim() === "") this.#showFault("state", "Write what the questions are about.");
    if (questions.length === 0) this.#showFault("questions", "Add a question.");
    for (const [at, { name, type, options }] of questions.entries()) {
      const fields = this.#questions[at];
      if (name === "") fields?.showFault("name", "Give the question a name, by which its answer is called.");
      else if (questions.findIndex((other) => other.name === name) < at)
        fields?.showFault("name", "Another question has this name.");
      if (type === "boolean") continue;
      for (const [place, option] of options.entries()) {
        if (option.name === "") fields?.showOptionFault(place, "Write something here, or remove it.");
        else if (type === "choice" && options.findIndex((other) => other.name === option.name) < place)
          fields?.showOptionFault(place, "Another option has this name.");
      }
    }
    return !this.#focusFault();
  }

  /**
   * Shows what the package says beside the field that it names.
   * @param {string} atFault such as `questions.team.criteria`
   * @param {string} what
   * @returns {boolean} whether there is such a field
   */
  showRefusal(atFault, what) {
    if (atFault === "state") this.#showFault("state", `The state ${what}.`);
    // One question's name may begin as another's.
    const matching = this.#questions.filter(({ asked }) => `${atFault}.`.startsWith(`questions.${asked.name}.`));
    const fields = matching.sort((a, b) => b.asked.name.length - a.asked.name.length)[0];
    if (fields) {
      const field = atFault.slice(`questions.${fields.asked.name}.`.length);
      if (field.startsWith("criteria")) fields.showFault("criteria", `This ${what}.`);
      else if (field === "instructions") fields.showFault("instructions", `The question ${what}.`);
      else fields.showFault("name", `The question ${what}.`);
    }
    return this.#focusFault();
  }

  /** Shows what a link asks. What the user wrote can be brought back. @param {Form} form */
  open(form) {
    this.#before = this.#untouched ? null : this.form;
    this.#undo.hidden = this.#before === null;
    this.#show(form);
    this.#examples.selectedIndex = 0;
    this.#untouched = true;
    this.#onChange();
  }

  /** @param {Form} form @param {Form | null} before what can be brought back */
  #replace(form, before) {
    const at = this.#examples.selectedIndex;
    this.#show(form);
    this.#changed();
    this.#examples.selectedIndex = at;
    this.#untouched = true;
    this.#before = before;
    this.#undo.hidden = before === null;
  }

  /** @param {Form} form */
  #show({ state, questions }) {
    this.#hideFaults();
    this.#state.value = state;
    this.#questions = questions.map((asked) => new QuestionFields(asked, () => this.#changed()));
    this.#list.replaceChildren(...this.#questions.map(({ element }) => element));
    this.#number();
  }

  #add() {
    const names = new Set(this.form.questions.map(({ name }) => name));
    let number = this.#questions.length + 1;
    while (names.has(`question${number}`)) number += 1;
    const fields = new QuestionFields({ ...NEW, name: `question${number}`, options: TWO_OPTIONS }, () =>
      this.#changed(),
    );
    this.#questions.push(fields);
    this.#list.append(fields.element);
    this.#number();
    this.#changed();
    fields.focus();
  }

  /** @param {number} at */
  #remove(at) {
    const before = this.form;
    const [removed] = this.#questions.splice(at, 1);
    removed?.element.remove();
    this.#number();
    this.#changed();
    this.#before = before;
    this.#undo.hidden = false;
    // The button with the focus is gone, so its neighbour gets the focus.
    const next = this.#questions[Math.min(at, this.#questions.length - 1)];
    (next ? part(next.element, ".remove", HTMLElement) : byId("add-question", HTMLElement)).focus();
  }

  #number() {
    for (const [at, fields] of this.#questions.entries()) fields.number = at + 1;
    byId("question-count", HTMLElement).textContent = String(this.#questions.length);
    hideFault(byId("questions-fault", HTMLElement));
  }

  #changed() {
    this.#untouched = false;
    this.#before = null;
    this.#undo.hidden = true;
    this.#examples.selectedIndex = 0;
    this.#onChange();
  }

  /** @param {"state" | "questions"} what @param {string} why */
  #showFault(what, why) {
    const field = what === "state" ? this.#state : byId("add-question", HTMLElement);
    showFault(field, byId(`${what}-fault`, HTMLElement), why);
  }

  #hideFaults() {
    hideFault(byId("state-fault", HTMLElement));
    for (const fields of this.#questions) fields.hideFaults();
  }

  /** Puts the focus into the first field at fault. @returns {boolean} whether there is one */
  #focusFault() {
    const places = [...byId("panel-decide", HTMLElement).querySelectorAll(".fault")];
    const [field] = places.flatMap((place) => (place instanceof HTMLElement && fieldOf(place)) || []);
    field?.focus();
    return field !== undefined;
  }
}

/**
 * @param {Asked} asked
 * @returns {Question}
 */
function questionOf({ type, text, options, yes, no }) {
  const instructions = text === "" ? {} : { instructions: text };
  if (type === "choice") {
    const criteria = Object.fromEntries(options.map(({ name, description }) => [name, description || null]));
    return { type, ...instructions, criteria };
  }
  if (type === "score") return { type, ...instructions, criteria: options.map(({ name }) => name) };
  const criteria = { ...(yes && { true: yes }), ...(no && { false: no }) };
  return { type, ...instructions, ...(yes || no ? { criteria } : {}) };
}
