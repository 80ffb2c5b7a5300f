/** Questions about a text: yes or no, one of several options, or a level of a scale. */
import { type Decision, onDecision, readDecision, writeDecision } from "../decision.js";
import type { Asked, EngineClient } from "../engine/client.js";
import { KINDS, type Kind, MOST_OPTIONS } from "../messages.js";
import { announce, byId, onClick, part } from "../ui/dom.js";
import { codeOf, errorBox, isAbort, isSaidBy } from "../ui/errors.js";
import type { ModelView } from "../ui/model.js";
import { nameOf } from "../ui/words.js";
import { type Answered, DecidedView } from "./decided.js";
import { Draft, type Kept } from "./draft.js";
import type { Tabs } from "./tabs.js";

const KEPT: Kept<Decision> = {
  read: readDecision,
  write: writeDecision,
  onChange: onDecision,
  tidied: (decision) => decision,
  merged: (base, ours, theirs) => {
    const newer = <K extends keyof Decision>(field: K) => (theirs[field] === base[field] ? ours : theirs)[field];
    return {
      text: newer("text"),
      question: newer("question"),
      kind: newer("kind"),
      options: newer("options"),
      inFront: newer("inFront"),
    };
  },
  asText: ({ text, question, kind, options, inFront }) => JSON.stringify([text, question, kind, options, inFront]),
  empty: { text: "", question: "", kind: "boolean", options: "", inFront: false },
};

/** What the panel knows that concerns every answer. */
export interface Around {
  engine: EngineClient;
  model: ModelView;
  tabs: Tabs;
  /** The name of what the chosen model has learned and uses; empty if nothing. */
  adaptation: () => string;
}

/** The tab "Decide". */
export class DecideView {
  readonly #around: Around;
  readonly #view = new DecidedView();
  readonly #text = byId("decide-text", HTMLTextAreaElement);
  readonly #question = byId("decide-question", HTMLTextAreaElement);
  readonly #options = byId("decide-options", HTMLTextAreaElement);
  readonly #kinds = byId("decide-kind", HTMLElement);
  readonly #status = byId("decide-status", HTMLElement);
  readonly #button = onClick("decide", () => void this.run());
  readonly #cancel = onClick("decide-cancel", () => this.#running?.abort());
  readonly #failure = byId("decide-error", HTMLElement);
  readonly #draft = new Draft(
    KEPT,
    () => this.#state,
    (decision) => this.#fill(decision),
  );
  /** Stops what is being decided. */
  #running: AbortController | undefined;
  /** Why the last question was not answered, if it failed. */
  #failed: unknown;

  constructor(around: Around) {
    this.#around = around;
    byId("panel-decide", HTMLElement).addEventListener("input", () => this.changed());
    around.model.onChange(() => this.compare());
  }

  /** Why the last question was not answered, if it failed. */
  get failed(): unknown {
    return this.#failed;
  }

  /** Shows what is stored, and stores changes from now on. */
  open(): Promise<void> {
    return this.#draft.open();
  }

  /** Takes a text to ask about. */
  take(text: string): void {
    this.#fill({ ...this.#state, text, inFront: true });
  }

  /** To be called after every change of what is asked, and when another tab was chosen. */
  changed(): void {
    byId("decide-several", HTMLElement).hidden = this.#kind === "boolean";
    byId("decide-options-label", HTMLElement).textContent =
      this.#kind === "score" ? "Levels, from the lowest on, one on each line" : "Options, one on each line";
    this.#status.textContent = "";
    this.#draft.changed();
    this.compare();
  }

  /** Answers the question. */
  async run(): Promise<void> {
    if (this.#running) return;
    const missing = this.#missing();
    this.#status.textContent = missing?.what ?? "";
    if (missing) return missing.where.focus();
    this.#draft.flush();
    const asked = this.#asked;
    const stop = (this.#running = new AbortController());
    const began = performance.now();
    this.#failed = undefined;
    this.#view.begin(asked.question);
    this.#cancel.hidden = false;
    this.#button.ariaDisabled = "true";
    this.#status.textContent = "Deciding …";
    this.compare();
    try {
      const decided = await this.#around.engine.decide(asked, { signal: stop.signal });
      const { state, choice } = this.#around.model;
      const { dtype, adaptation } = state.phase === "ready" ? state : { dtype: "", adaptation: "" };
      const seconds = (performance.now() - began) / 1000;
      announce(this.#view.show({ ...asked, ...decided, model: nameOf(choice), dtype, adaptation, seconds }));
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#running = undefined;
      this.#status.textContent = "";
      // The focus is not lost with the button.
      if (document.activeElement === this.#cancel) this.#button.focus();
      this.#cancel.hidden = true;
      this.#button.ariaDisabled = "false";
      this.compare();
    }
  }

  /** Shows why it failed, and where the answer does not fit what is asked any more. */
  compare(): void {
    if (this.#failed === undefined || isSaidBy(this.#around.model.state, this.#failed)) this.#failure.replaceChildren();
    else if (!this.#failure.hasChildNodes()) this.#failure.append(errorBox(this.#failed, () => void this.run()));
    if (this.#view.answered) this.#view.markStale(this.#whyStale(this.#view.answered));
  }

  #radio(kind: Kind): HTMLInputElement {
    return part(this.#kinds, `[value=${kind}]`, HTMLInputElement);
  }

  get #kind(): Kind {
    return KINDS.find((kind) => this.#radio(kind).checked)!;
  }

  get #state(): Decision {
    return {
      text: this.#text.value,
      question: this.#question.value,
      kind: this.#kind,
      options: this.#options.value,
      inFront: this.#around.tabs.chosen === "decide",
    };
  }

  /** Shows other content. Texts that stay the same are not touched, so that the cursor stays where it is. */
  #fill({ text, question, kind, options, inFront }: Decision): void {
    if (this.#text.value !== text) this.#text.value = text;
    if (this.#question.value !== question) this.#question.value = question;
    if (this.#options.value !== options) this.#options.value = options;
    this.#radio(kind).checked = true;
    this.#around.tabs.show(inFront ? "decide" : "rank");
    this.changed();
  }

  /** What is asked, as the engine takes it: of equal options one. */
  get #asked(): Asked {
    const lines = this.#options.value.split("\n").map((line) => line.trim());
    const options = [...new Set(lines.filter((line) => line !== ""))];
    const kind = this.#kind;
    return { text: this.#text.value, question: this.#question.value, kind, options: kind === "boolean" ? [] : options };
  }

  #missing(): { what: string; where: HTMLElement } | undefined {
    const { text, question, kind, options } = this.#asked;
    if (text.trim() === "") return { what: "Write or paste the text first.", where: this.#text };
    if (question.trim() === "") return { what: "Write the question first.", where: this.#question };
    if (kind === "boolean") return undefined;
    const called = kind === "score" ? "levels" : "options";
    if (options.length < 2) return { what: `Write two ${called} or more, one on each line.`, where: this.#options };
    if (options.length > MOST_OPTIONS)
      return {
        what: `These are ${options.length} ${called}; ${MOST_OPTIONS} can be decided between.`,
        where: this.#options,
      };
    return undefined;
  }

  #whyStale(answered: Answered): string {
    const { text, question, kind, options } = this.#asked;
    const same =
      text === answered.text &&
      question === answered.question &&
      kind === answered.kind &&
      JSON.stringify(options) === JSON.stringify(answered.options);
    if (!same) return "The text, the question or the options have changed since this answer.";
    if (answered.model !== nameOf(this.#around.model.choice)) return "Another model has been chosen since this answer.";
    if (answered.adaptation !== this.#around.adaptation())
      return "What the model has learned, or whether it is used, has changed since this answer.";
    return "";
  }

  #fail(error: unknown): void {
    const away = codeOf(error) === "disposed";
    if (away || isAbort(error)) {
      this.#view.stop(away ? "Stopped: the model was unloaded." : "Cancelled.");
      announce(away ? "Stopped" : "Cancelled");
      return;
    }
    this.#view.stop("There is no answer.");
    this.#failed = error;
  }
}
