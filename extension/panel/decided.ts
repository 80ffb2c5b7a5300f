/** The answer to a question about a text: in words, and as bars with probabilities. */
import type { Asked } from "../engine/client.js";
import type { Decided } from "../messages.js";
import { byId, fromTemplate, mayMove, onClick, part } from "../ui/dom.js";
import { counted, inSeconds } from "../ui/words.js";
import { copyText } from "./copy.js";

/** A question that was answered. */
export interface Answered extends Decided, Asked {
  /** The model's name, how its weights were held, and the name of what it had learned. */
  model: string;
  dtype: string;
  adaptation: string;
  seconds: number;
}

/** The card with the answer. */
export class DecidedView {
  readonly #card = byId("decided", HTMLElement);
  readonly #asked = byId("decided-asked", HTMLElement);
  readonly #words = byId("decided-words", HTMLElement);
  readonly #shares = byId("shares", HTMLElement);
  readonly #cut = byId("decided-cut", HTMLElement);
  readonly #about = byId("decided-about", HTMLElement);
  /** Where it is said that the answer was copied. */
  readonly #where = { said: byId("decided-copied", HTMLElement), byHand: byId("decided-by-hand", HTMLTextAreaElement) };
  readonly #copy = onClick(
    "copy-decided",
    () => void copyText(asMarkdown(this.#answered!), "Copied as a list in Markdown.", this.#where),
  );
  #answered: Answered | undefined;

  /** The answer that is shown. */
  get answered(): Answered | undefined {
    return this.#answered;
  }

  /** Another question is being answered. */
  begin(question: string): void {
    this.#answered = undefined;
    this.#card.hidden = false;
    this.#copy.hidden = this.#where.byHand.hidden = true;
    this.#asked.textContent = question;
    for (const line of [this.#words, this.#cut, this.#about, this.#where.said]) line.textContent = "";
    this.#shares.replaceChildren();
    this.markStale("");
  }

  /** Shows an answer, and says it in one sentence. */
  show(answered: Answered): string {
    this.#answered = answered;
    const { kind, shares, truncated, seconds, model, dtype } = answered;
    const most = mostOf(shares);
    this.#words.textContent = inWords(answered);
    this.#shares.replaceChildren(...asShown(answered).map((each) => makeShare(each, each.share === most.share)));
    this.#cut.textContent =
      truncated > 0
        ? `The text was not read to its end: it is ${counted(truncated, "token")} too long for the model.`
        : "";
    const how = [model, dtype].filter(Boolean).join(", ");
    this.#about.textContent = `${counted(shares.length, kind === "score" ? "level" : "option")} in ${inSeconds(seconds)} · ${how}. The model goes by the text alone, and can be wrong.`;
    this.#copy.hidden = false;
    this.#card.scrollIntoView({ block: "nearest", behavior: mayMove() ? "smooth" : "instant" });
    return this.#words.textContent;
  }

  /** Shows that there is no answer, and why. */
  stop(why: string): void {
    this.#about.textContent = why;
  }

  /** Shows why the answer does not fit what is written any more; an empty text if it does. */
  markStale(why: string): void {
    const line = byId("decided-stale", HTMLElement);
    if (line.textContent !== why) line.textContent = why;
    this.#card.classList.toggle("is-stale", why !== "");
  }
}

/** The first of the most probable options. */
function mostOf(shares: Decided["shares"]): Decided["shares"][number] {
  return shares.reduce((most, each) => (each.share > most.share ? each : most));
}

/** The options as they are listed: levels by their numbers, others from the most probable on. */
function asShown({ kind, shares }: Answered): Decided["shares"] {
  if (kind === "score") return shares.map(({ option, share }, level) => ({ option: `${level}: ${option}`, share }));
  return shares.toSorted((a, b) => b.share - a.share);
}

function inWords({ shares, level }: Answered): string {
  if (level !== null) {
    const nearest = shares[Math.round(level)]!.option;
    return `${level.toFixed(2)} on a scale from 0 to ${shares.length - 1}; nearest to “${nearest}”`;
  }
  const most = mostOf(shares);
  const equal = shares.filter(({ share }) => share === most.share);
  if (equal.length > 1) return `${equal.map(({ option }) => option).join(" and ")} are equally probable`;
  return `${most.option}: ${inPercent(most.share)} probable`;
}

/** A probability with one digit after the point, which never rounds to certainty. */
function inPercent(share: number): string {
  if (share > 0.999) return "over 99.9%";
  if (share < 0.001) return "under 0.1%";
  return `${(100 * share).toFixed(1)}%`;
}

function makeShare({ option, share }: Decided["shares"][number], isMost: boolean): HTMLElement {
  const row = fromTemplate("share-template");
  part(row, ".option", HTMLElement).textContent = option;
  part(row, ".value", HTMLElement).textContent = inPercent(share);
  row.style.setProperty("--fill", String(share));
  row.classList.toggle("most", isMost);
  return row;
}

/** The answer as a list in Markdown. */
function asMarkdown(answered: Answered): string {
  const { question, kind, model } = answered;
  const items = asShown(answered).map(({ option, share }) => `- ${option}: ${inPercent(share)}`);
  const words = kind === "score" ? [`${inWords(answered)}:`, ""] : [];
  return [`> ${question.trim().replaceAll("\n", "\n> ")}`, "", ...words, ...items, "", `Decided by ${model}.`, ""].join(
    "\n",
  );
}
