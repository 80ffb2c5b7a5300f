import { AnswersView } from "./answers.js";
import { BY_HAND, copyText } from "./copy.js";
import { announce, bringIntoView, byId, isFocusLost } from "./dom.js";
import { codeOf, hideError, isModelGone, showError } from "./errors.js";
import { fragmentOfDecision, readDecision } from "./link.js";
import { QuestionEditor } from "./questions.js";
import { snippetOf } from "./snippet.js";

/** @typedef {import("./model.js").ModelPanel} ModelPanel */

/** The panel "Decide": questions about a state, their answers, and the code that does the same. */
export class DecidePanel {
  /** @type {ModelPanel} */
  #model;
  #view = new AnswersView();
  #editor = new QuestionEditor(() => {
    this.#view.markStale("decision");
    this.#showCode();
    // A link's questions that were edited are others, which the address would not lead to.
    if (!this.#editor.isUntouched && readDecision(location.hash))
      history.replaceState(history.state, "", `${location.pathname}${location.search}#decide`);
  });
  #button = byId("decide-go", HTMLButtonElement);
  #status = byId("decision-status", HTMLElement);
  #code = byId("code", HTMLElement);
  /** @type {AbortController | null} stops what is being decided */
  #stop = null;

  /** @param {ModelPanel} model */
  constructor(model) {
    this.#model = model;
    this.#button.addEventListener("click", () => void this.run());
    byId("deciding-stop", HTMLButtonElement).addEventListener("click", () => this.stop());
    byId("copy-code", HTMLButtonElement).addEventListener("click", () => void this.#copy());
    byId("copy-decision-link", HTMLButtonElement).addEventListener("click", () => void this.#copyLink());
    this.modelChanged();
  }

  /**
   * Shows the questions of a link, if it is one of questions.
   * @param {string} fragment the address's
   * @returns {"opened" | "broken" | null}
   */
  openLink(fragment) {
    const found = readDecision(fragment);
    if (!found) return null;
    if (found.fault !== undefined) this.#say(`The link's questions cannot be read: ${found.fault}.`);
    else {
      this.#editor.open(found.form);
      this.#say("These questions came with the link.");
    }
    return found.form ? "opened" : "broken";
  }

  /** Whether something is being decided. */
  get isBusy() {
    return this.#stop !== null;
  }

  stop() {
    this.#stop?.abort();
  }

  /** A model is there, or not any more, or it has learned something. */
  modelChanged() {
    this.#showWhetherDecidable();
    this.#showCode();
  }

  /** @param {"model"} what */
  markStale(what) {
    this.#view.markStale(what);
  }

  /**
   * Decides what is on the page.
   * @param {{ unasked?: boolean }} [options] whether the page does it by itself: then it does not scroll
   */
  async run({ unasked = false } = {}) {
    const { scorer } = this.#model;
    if (this.#stop) return;
    if (!scorer) {
      this.#say(this.#model.isBusy ? "The model is still on its way." : "There is no model yet. Choose one above.");
      return;
    }
    if (!unasked) this.#say("");
    if (!this.#editor.check()) return;
    hideError("decide-error");
    const { decision } = this.#editor;
    const stop = new AbortController();
    this.#stop = stop;
    this.#showWhetherDecidable();
    this.#view.begin(decision.questions);
    if (!unasked) bringIntoView(byId("decided", HTMLElement));
    const work = scorer.decide(decision, {
      signal: stop.signal,
      // What still arrives after it was stopped is not shown.
      onAnswer: (name, answer) => stop.signal.aborted || this.#view.add(name, answer),
      onProgress: (progress) => this.#view.progress(progress),
    });
    this.#model.holdFor(work.catch(() => {}));
    try {
      const { truncated } = await work;
      announce(`${this.#view.end("done", truncated)} ${this.#view.words}`);
    } catch (error) {
      this.#fail(error, stop.signal.aborted || codeOf(error) === "aborted");
    } finally {
      this.#stop = null;
      this.#showWhetherDecidable();
      if (isFocusLost()) this.#button.focus({ preventScroll: true });
    }
  }

  /**
   * @param {unknown} error
   * @param {boolean} stopped
   */
  #fail(error, stopped) {
    announce(this.#view.end(stopped ? "stopped" : "failed"));
    if (stopped) return;
    const { atFault, what } = /** @type {import("./cappy-web/index.js").CappyError} */ (error);
    if (codeOf(error) === "input" && this.#editor.showRefusal(atFault, what)) return;
    const retry = () => void (isModelGone(error) ? this.#model.reload() : this.run());
    showError("decide-error", error, retry);
  }

  /** The button is not `disabled`, which would take the focus away; `run` shows what is missing. */
  #showWhetherDecidable() {
    this.#button.setAttribute("aria-disabled", String(this.#stop !== null || this.#model.scorer === null));
  }

  #showCode() {
    const taught = Boolean(this.#model.scorer?.info().adaptation);
    this.#code.textContent = snippetOf(this.#editor.decision, { ...this.#model.origin, taught });
    byId("code-status", HTMLElement).textContent = "";
  }

  async #copyLink() {
    const fragment = fragmentOfDecision(this.#editor.form);
    if (!fragment) {
      this.#say("This is too much for a link. Copy the code instead.");
      return;
    }
    const byHand = byId("decision-by-hand", HTMLTextAreaElement);
    const copied = await copyText(new URL(fragment, location.href).href, "Link to this decision", byHand);
    this.#say(copied ? "Copied a link. The texts are in the link itself and are sent to no server." : BY_HAND);
  }

  async #copy() {
    const status = byId("code-status", HTMLElement);
    try {
      await navigator.clipboard.writeText(this.#code.textContent ?? "");
      status.textContent = "Copied.";
    } catch {
      // The browser may forbid it. Then the user copies by hand what is selected here.
      getSelection()?.selectAllChildren(this.#code);
      status.textContent = "The browser does not let this page copy. The code is selected: copy it by hand.";
    }
  }

  /** @param {string} text */
  #say(text) {
    this.#status.textContent = text;
  }
}
