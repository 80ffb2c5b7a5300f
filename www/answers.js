import { byId, fromTemplate, part } from "./dom.js";
import { counted, inSeconds } from "./words.js";

/** @typedef {import("./cappy-web/index.js").Answer} Answer */
/** @typedef {import("./cappy-web/index.js").Question} Question */

/** The answers, in words and as bars, as they come. */
export class AnswersView {
  #list = byId("answers", HTMLElement);
  #bar = byId("deciding-bar", HTMLProgressElement);
  #detail = byId("deciding-detail", HTMLElement);
  #status = byId("answers-status", HTMLElement);
  #cut = byId("answers-cut", HTMLElement);
  /** @type {Readonly<Record<string, Question>>} */
  #questions = {};
  #started = 0;
  /** @type {Set<"decision" | "model">} what has changed since these answers */
  #changed = new Set();

  /** @param {Readonly<Record<string, Question>>} questions what is being asked */
  begin(questions) {
    this.#questions = questions;
    this.#started = performance.now();
    this.#changed.clear();
    this.#list.replaceChildren();
    this.#showStale();
    this.#status.hidden = this.#cut.hidden = true;
    this.#bar.removeAttribute("value");
    this.#detail.textContent = "";
    byId("deciding", HTMLElement).hidden = false;
  }

  /** @param {{ done: number, total: number }} progress in options */
  progress({ done, total }) {
    this.#bar.max = total;
    this.#bar.value = done;
    this.#detail.textContent = `${done} of ${counted(total, "option")} scored`;
  }

  /**
   * @param {string} name the question's
   * @param {Answer} answer
   */
  add(name, answer) {
    const question = this.#questions[name];
    if (!question) return;
    const row = fromTemplate("answer-template");
    row.dataset.name = name;
    part(row, "h3", HTMLElement).textContent = String(question.instructions ?? name);
    part(row, ".answer-words", HTMLElement).textContent = inWords(question, answer);
    const shares = sharesOf(question, answer);
    const most = Math.max(...shares.map(({ share }) => share));
    part(row, ".shares", HTMLElement).append(...shares.map((each) => makeShare(each, most)));
    this.#list.append(row);
  }

  /**
   * @param {"done" | "stopped" | "failed"} how
   * @param {number} [truncated] the most tokens that were cut
   */
  end(how, truncated = 0) {
    byId("deciding", HTMLElement).hidden = true;
    const asked = Object.keys(this.#questions).length;
    const count = this.#list.children.length;
    const time = inSeconds((performance.now() - this.#started) / 1000);
    const why = how === "stopped" ? "Stopped" : "Stopped by an error";
    this.#status.hidden = false;
    this.#status.textContent =
      how === "done"
        ? `${counted(asked, "question")} answered in ${time}.`
        : `${why} after ${count} of ${counted(asked, "question")}.`;
    this.#cut.hidden = truncated === 0;
    this.#cut.textContent = `The state is too long for the model: its end was left out, ${counted(truncated, "token")} of it.`;
    return this.#status.textContent;
  }

  /** The answers in one line each. */
  get words() {
    return [...this.#list.children].map((row) => part(row, ".answer-words", HTMLElement).textContent).join(" ");
  }

  /** Says that this is no longer what the answers are to. @param {"decision" | "model"} what */
  markStale(what) {
    this.#changed.add(what);
    this.#showStale();
  }

  #showStale() {
    const line = byId("answers-stale", HTMLElement);
    const all = [...this.#changed].sort();
    line.textContent = `The ${all.join(" and the ")} ${all.length > 1 ? "have" : "has"} changed since these answers.`;
    line.hidden = all.length === 0 || this.#list.children.length === 0;
  }
}

/**
 * @param {Question} question
 * @param {Answer} answer
 */
function inWords(question, answer) {
  if (answer.type === "choice") return `${answer.choice}: a probability of ${shown(shareOf(answer, answer.choice))}.`;
  if (answer.type === "score") {
    const levels = /** @type {readonly string[]} */ (question.criteria);
    const nearest = levels[Math.round(answer.score)];
    return `${answer.score.toFixed(2)} on a scale from 0 to ${levels.length - 1}; nearest to “${nearest}”.`;
  }
  const { probability } = answer;
  if (probability === 0.5) return "Yes and no are equally probable.";
  return probability > 0.5
    ? `Yes: a probability of ${shown(probability)}.`
    : `No: a probability of ${shown(1 - probability)}.`;
}

/**
 * @param {Question} question
 * @param {Answer} answer
 * @returns {{ name: string, share: number }[]} in the question's order
 */
function sharesOf(question, answer) {
  if (answer.type === "boolean")
    return [
      { name: "yes", share: answer.probability },
      { name: "no", share: 1 - answer.probability },
    ];
  const levels = answer.type === "score" ? /** @type {readonly string[]} */ (question.criteria) : [];
  return Object.entries(answer.probabilities).map(([name, share]) => ({
    name: answer.type === "score" ? `${name}: ${levels[Number(name)]}` : name,
    share,
  }));
}

/** @param {Extract<Answer, { type: "choice" }>} answer @param {string} option */
function shareOf({ probabilities }, option) {
  return probabilities[option] ?? Number.NaN;
}

/**
 * @param {{ name: string, share: number }} what
 * @param {number} most the largest share of the question
 */
function makeShare({ name, share }, most) {
  const row = fromTemplate("share-template");
  part(row, ".share-name", HTMLElement).textContent = name;
  const value = part(row, ".share-value", HTMLDataElement);
  value.textContent = shown(share);
  value.value = String(share);
  row.classList.toggle("most", share === most);
  row.style.setProperty("--fill", String(share));
  return row;
}

/** @param {number} share */
function shown(share) {
  return share.toFixed(3);
}
