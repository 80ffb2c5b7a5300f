import { bestFirst } from "./order.js";
import { BY_HAND, copyText } from "./copy.js";
import { announce, byId, fromTemplate, mayMove, part } from "./dom.js";
import { counted, inSeconds } from "./words.js";

/** @typedef {import("./cappy-web/index.js").Scored<{ text: string, place: number }>} Result */

/** With more rows than this, moving them would cost more than it shows. */
const MOST_MOVING = 60;
/** The height of a row whose text is short, in rem. */
const USUAL_ROW = 8.3125;

/** The list of results, best first. More of them come, and they change places, while candidates are scored. */
export class RankingView {
  #list = byId("results", HTMLElement);
  #status = byId("ranking-status", HTMLElement);
  #bar = byId("running-bar", HTMLProgressElement);
  #detail = byId("running-detail", HTMLElement);
  #copy = byId("copy", HTMLButtonElement);
  #copyCode = byId("copy-ranking-code", HTMLButtonElement);
  /** @type {{ result: Result, row: HTMLElement }[]} best first */
  #ranked = [];
  /** @type {Result[]} scored, but not shown yet */
  #waiting = [];
  #frame = 0;
  #total = 0;
  #started = 0;
  /** @type {Set<"task" | "model">} what has changed since the ranking began */
  #changed = new Set();

  constructor() {
    this.#copy.addEventListener("click", () => void this.#copyJson());
    this.#list.addEventListener("click", (event) => {
      const target = event.target instanceof HTMLButtonElement ? event.target : null;
      const more = target?.classList.contains("more") ? target : null;
      const all = more?.parentElement?.classList.toggle("all");
      more?.setAttribute("aria-expanded", String(all));
      if (more) more.textContent = all ? "Show less" : "Show all";
    });
  }

  /** The results so far, best first. */
  get results() {
    return this.#ranked.map(({ result }) => result);
  }

  /**
   * Leaves room for a ranking that the page will begin by itself, so that nothing moves then; or takes it back.
   * @param {readonly string[]} texts the candidates; none where no ranking is to come any more
   */
  expect(texts) {
    const is = texts.length > 0;
    byId("ranking-empty", HTMLElement).hidden = is;
    byId("ranking-state", HTMLElement).hidden = !is;
    this.#status.textContent = is ? "The ranking stands here when the model is loaded." : "";
    if (is) this.#reserve(texts);
    else this.#list.removeAttribute("style");
  }

  /** A new ranking of these texts begins. @param {readonly string[]} texts */
  begin(texts) {
    const total = texts.length;
    cancelAnimationFrame(this.#frame);
    this.#ranked = [];
    this.#waiting = [];
    this.#total = total;
    this.#started = performance.now();
    this.#reserve(texts);
    this.#copy.hidden = this.#copyCode.hidden = true;
    byId("by-hand", HTMLElement).hidden = true;
    this.#bar.max = total;
    byId("ranking-empty", HTMLElement).hidden = true;
    byId("ranking-state", HTMLElement).hidden = false;
    byId("running", HTMLElement).hidden = false;
    this.#changed.clear();
    this.#showStale();
    this.#status.textContent = "";
    announce(`Scoring ${counted(total, "candidate")}`);
    this.#progress();
  }

  /** A candidate has its score. It is drawn with the next frame. @param {Result} result */
  add(result) {
    this.#waiting.push(result);
    // A hidden tab gets no frames; there `end` draws the rest.
    if (this.#waiting.length === 1) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  /**
   * No more candidates come.
   * @param {"done" | "cancelled" | "failed"} how
   * @param {string} [where] what computed them, for people
   * @returns {number} how many seconds it took
   */
  end(how, where = "this device") {
    cancelAnimationFrame(this.#frame);
    this.#draw();
    const seconds = (performance.now() - this.#started) / 1000;
    const count = this.#ranked.length;
    byId("running", HTMLElement).hidden = true;
    this.#copy.hidden = this.#copyCode.hidden = count === 0;
    this.#list.removeAttribute("style");
    this.#showStale();
    this.#progress();
    if (how === "done") {
      this.#status.textContent = `${counted(count, "candidate")} in ${inSeconds(seconds)} on ${where}.${this.#scale()}`;
      announce(`${this.#status.textContent} Best: ${this.#ranked[0]?.result.text.slice(0, 200)}`);
    } else {
      const why = how === "cancelled" ? "Cancelled" : "Stopped by an error";
      this.#status.textContent = `${why} after ${count} of ${counted(this.#total, "candidate")}.`;
      announce(this.#status.textContent);
    }
    return seconds;
  }

  /** Says that this is no longer what the ranking is of. @param {"task" | "model"} what */
  markStale(what) {
    this.#changed.add(what);
    this.#showStale();
  }

  #showStale() {
    const line = byId("stale", HTMLElement);
    const all = [...this.#changed].sort().reverse();
    line.textContent = `The ${all.join(" and the ")} ${all.length > 1 ? "have" : "has"} changed since this ranking.`;
    line.hidden = all.length === 0 || this.#ranked.length === 0;
  }

  /** Shows how many candidates are scored. */
  #progress() {
    const done = this.#ranked.length;
    this.#bar.value = done;
    this.#detail.textContent = `${done} of ${this.#total} scored`;
  }

  #draw() {
    const fresh = this.#waiting.splice(0);
    if (fresh.length === 0) return;
    const before = this.#ranked.map(({ row }) => ({ row, top: row.getBoundingClientRect().top }));
    const made = fresh.map((result) => ({ result, row: makeRow(result) }));
    this.#ranked.push(...made);
    this.#ranked.sort((a, b) => bestFirst(a.result, b.result));
    this.#place();
    const [low, high] = this.#range();
    for (const [at, { result, row }] of this.#ranked.entries()) {
      part(row, ".rank", HTMLElement).textContent = String(at + 1);
      row.style.setProperty("--fill", String(Math.min(Math.max((result.score - low) / (high - low), 0), 1)));
    }
    for (const { row } of made) offerMore(row);
    if (mayMove() && this.#ranked.length <= MOST_MOVING) {
      for (const { row, top } of before) slide(row, top - row.getBoundingClientRect().top);
      for (const { row } of made) row.animate({ opacity: [0, 1] }, { duration: 200 });
    }
    this.#progress();
  }

  /**
   * Gives the list the height that it will have with these texts, so that what is below moves once.
   * @param {readonly string[]} texts
   */
  #reserve(texts) {
    this.#list.removeAttribute("style");
    if (texts.length > MOST_MOVING) {
      this.#list.replaceChildren();
      this.#list.style.minHeight = `${texts.length * USUAL_ROW}rem`;
      return;
    }
    const rows = texts.map((text, place) => makeRow({ text, score: 0, truncated: 0, candidate: { text, place } }));
    this.#list.replaceChildren(...rows);
    for (const row of rows) offerMore(row);
    const { height } = this.#list.getBoundingClientRect();
    this.#list.replaceChildren();
    this.#list.style.minHeight = `${height}px`;
  }

  /** Puts the rows into order. Rows in their place are not moved, so that the focus stays in them. */
  #place() {
    let at = this.#list.firstElementChild;
    for (const { row } of this.#ranked) {
      if (row === at) at = at.nextElementSibling;
      else this.#list.insertBefore(row, at);
    }
  }

  /**
   * The scores at which bars begin and end: 0 and 1, also for scores a little beyond, which are usual; for models of
   * another scale the lowest and highest score.
   * @returns {[low: number, high: number]}
   */
  #range() {
    const scores = this.#ranked.map(({ result }) => result.score);
    const low = scores.reduce((least, score) => Math.min(least, score), 0);
    const high = scores.reduce((most, score) => Math.max(most, score), 1);
    return low >= -0.25 && high <= 1.25 ? [0, 1] : [low, high];
  }

  #scale() {
    const [low, high] = this.#range();
    return low === 0 && high === 1 ? "" : ` Bars run from ${low.toFixed(2)} to ${high.toFixed(2)}.`;
  }

  async #copyJson() {
    const rows = this.#ranked.map(({ result: { candidate, score, text, truncated } }, at) => ({
      rank: at + 1,
      index: candidate.place,
      score,
      text,
      truncated,
    }));
    await this.copy(JSON.stringify(rows, null, 2), `${counted(rows.length, "candidate")} as JSON`);
  }

  /**
   * Copies a text, and says so.
   * @param {string} text
   * @param {string} name what it is
   */
  async copy(text, name) {
    const copied = await copyText(text, name);
    this.#status.textContent = copied ? `Copied ${name}.` : BY_HAND;
    announce(this.#status.textContent);
  }
}

/** Offers the rest of a text that is too long to be shown. @param {HTMLElement} row */
function offerMore(row) {
  const body = part(row, ".text", HTMLElement);
  part(row, ".more", HTMLElement).hidden = body.scrollHeight <= body.clientHeight + 1;
}

/** @param {Pick<Result, "text" | "score" | "truncated" | "candidate">} result */
function makeRow({ text, score, truncated, candidate }) {
  const row = fromTemplate("result-template");
  row.dataset.place = String(candidate.place);
  part(row, ".text", HTMLElement).textContent = text;
  part(row, ".value", HTMLElement).textContent = score.toFixed(4);
  part(row, ".explain", HTMLElement).setAttribute("aria-label", `Explain candidate ${candidate.place + 1}`);
  const cut = truncated > 0 ? `, ${counted(truncated, "token")} cut: too long for the model` : "";
  part(row, ".note", HTMLElement).textContent = `Candidate ${candidate.place + 1}${cut}`;
  return row;
}

/**
 * Lets a row slide from where it was.
 * @param {HTMLElement} row
 * @param {number} by CSS pixels
 */
function slide(row, by) {
  if (by === 0) return;
  row.animate({ transform: [`translateY(${by}px)`, "none"] }, { duration: 320, easing: "cubic-bezier(.2, .7, .2, 1)" });
}
