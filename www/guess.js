import { announce, byId, mayMove, part, withText } from "./dom.js";
import { explain } from "./errors.js";
import { quiz } from "./quiz.js";

/** @typedef {import("./model.js").ModelPanel} ModelPanel */

/** "Beat the model": a person answers first, and sees then what the model takes for the best answer. */
export class GuessPanel {
  /** @type {ModelPanel} */
  #model;
  #question = byId("guess-question", HTMLElement);
  #answers = byId("guess-answers", HTMLElement);
  #said = byId("guess-said", HTMLElement);
  #tally = byId("guess-tally", HTMLElement);
  #next = byId("guess-next", HTMLButtonElement);
  #at = 0;
  #asked = 0;
  #right = { you: 0, model: 0 };
  #isBusy = false;

  /** @param {ModelPanel} model */
  constructor(model) {
    this.#model = model;
    this.#next.addEventListener("click", () => {
      this.#at = (this.#at + 1) % quiz.length;
      this.#show();
      part(this.#answers, "button", HTMLElement).focus({ preventScroll: true });
    });
    this.#answers.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      if (button) void this.#guess([...this.#answers.querySelectorAll("button")].indexOf(button));
    });
    this.#show();
  }

  /** Shows a question without its answer. */
  #show() {
    const asked = quiz[this.#at];
    if (!asked) return;
    this.#question.textContent = asked.instruction;
    this.#answers.replaceChildren(
      ...asked.candidates.map((text) => {
        const row = document.createElement("li");
        const button = withText("button", text);
        button.setAttribute("type", "button");
        button.dir = "auto";
        row.append(button);
        return row;
      }),
    );
    this.#said.textContent = "";
    this.#next.hidden = true;
  }

  /** @param {number} chosen the place of the answer that the person takes for the best */
  async #guess(chosen) {
    const { scorer } = this.#model;
    const asked = quiz[this.#at];
    if (this.#isBusy || !this.#next.hidden || !asked) return;
    if (!scorer) {
      this.#say(this.#model.isBusy ? "The model is still on its way." : "There is no model yet. Choose one above.");
      return;
    }
    this.#isBusy = true;
    try {
      const work = scorer.rank(asked.instruction, asked.candidates);
      this.#model.holdFor(work.catch(() => {}));
      const ranked = await work;
      this.#reveal(chosen, ranked, asked.best);
    } catch (error) {
      this.#say(`${explain(error).title}. Choose again to try once more.`);
    } finally {
      this.#isBusy = false;
    }
  }

  /**
   * @param {number} chosen
   * @param {readonly { index: number, score: number }[]} ranked
   * @param {number} best
   */
  #reveal(chosen, ranked, best) {
    const models = ranked[0]?.index ?? -1;
    for (const [place, row] of [...this.#answers.children].entries()) {
      const score = ranked.find(({ index }) => index === place)?.score ?? 0;
      const button = part(row, "button", HTMLButtonElement);
      button.setAttribute("aria-disabled", "true");
      row.classList.toggle("is-best", place === best);
      const notes = [place === best && "right", place === chosen && "you", place === models && "the model"];
      const note = withText("span", [...notes.filter(Boolean), score.toFixed(2)].join(" · "));
      note.className = "guess-note numbers";
      button.append(note);
      if (mayMove()) note.animate({ opacity: [0, 1] }, { duration: 200 });
    }
    this.#asked += 1;
    if (chosen === best) this.#right.you += 1;
    if (models === best) this.#right.model += 1;
    this.#say(VERDICTS[`${chosen === best} ${models === best}`] ?? "");
    this.#tally.textContent = `You: ${this.#right.you} of ${this.#asked}. The model: ${this.#right.model} of ${this.#asked}.`;
    announce(`${this.#said.textContent} ${this.#tally.textContent}`);
    this.#next.hidden = false;
  }

  /** @param {string} text */
  #say(text) {
    this.#said.textContent = text;
  }
}

/**
 * By whether the person is right, and whether the model is.
 * @type {Partial<Record<string, string>>}
 */
const VERDICTS = {
  "true true": "You are both right.",
  "true false": "You are right, and the model is wrong.",
  "false true": "The model is right this time.",
  "false false": "Both wrong.",
};
