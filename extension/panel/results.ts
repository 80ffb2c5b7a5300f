/** The results, best first. More of them come, and they change places, while answers are scored. */
import { byId, fromTemplate, make, mayMove, onClick, part } from "../ui/dom.js";
import { counted, inSeconds } from "../ui/words.js";
import { copyText } from "./copy.js";
import { asMarkdown, inOrder, type RankedAnswer, type Ranking } from "./ranking.js";
import type { Row } from "./thumbs.js";

/** With more rows than this, moving them costs more than it shows. */
const MOST_MOVING = 40;

/** The card with the ranking. */
export class ResultsView {
  readonly #card = byId("ranking", HTMLElement);
  readonly #list = byId("results", HTMLElement);
  readonly #about = byId("ranking-about", HTMLElement);
  /** Where it is said that something was copied. */
  readonly #where = { said: byId("copied", HTMLElement), byHand: byId("by-hand", HTMLTextAreaElement) };
  readonly #copies: HTMLElement[];
  readonly #rows = new Map<string, HTMLElement>();
  #ranking: Ranking | undefined;

  /** Finds out what carried the score of an answer, as lines; asked for by the button of a result. */
  readonly #explain: (instruction: string, answer: string, signal: AbortSignal) => Promise<string[]>;
  /** Stops explanations that are under way. */
  #stop = new AbortController();

  constructor(explain: (instruction: string, answer: string, signal: AbortSignal) => Promise<string[]>) {
    this.#explain = explain;
    const best = () => inOrder(this.#ranking!.answers)[0]!;
    this.#copies = [
      onClick("copy-best", () => void copyText(best().text, "Copied the best answer.", this.#where)),
      onClick(
        "copy-result",
        () => void copyText(asMarkdown(this.#ranking!), "Copied as a list in Markdown.", this.#where),
      ),
    ];
    this.#list.addEventListener("click", (event) => {
      if (!(event.target instanceof HTMLButtonElement)) return;
      if (event.target.classList.contains("why")) void this.#tellWhy(event.target.closest("li")!);
      if (!event.target.classList.contains("more")) return;
      const all = event.target.parentElement!.classList.toggle("all");
      event.target.ariaExpanded = String(all);
      event.target.textContent = all ? "Show less" : "Show all";
    });
  }

  /** A new ranking begins. */
  begin(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#about.textContent = this.#where.said.textContent = "";
    this.#where.byHand.hidden = true;
    this.#card.hidden = false;
    this.#ranking = undefined;
    this.#offerCopies();
  }

  /** Shows what was scored so far. */
  show(answers: readonly RankedAnswer[], finished: boolean): void {
    const before = [...this.#rows.values()].map((row) => ({ row, top: row.getBoundingClientRect().top }));
    const ordered = inOrder(answers);
    const [low, high] = range(answers);
    let at = this.#list.firstElementChild;
    for (const [place, answer] of ordered.entries()) {
      const row = this.#rows.get(answer.id) ?? this.#makeRow(answer);
      if (row === at) at = at.nextElementSibling;
      else this.#list.insertBefore(row, at);
      part(row, ".rank", HTMLElement).textContent = `${place + 1}.`;
      row.classList.toggle("best", finished && place === 0 && ordered.length > 1);
      row.style.setProperty("--fill", String(Math.min(Math.max((answer.score - low) / (high - low), 0), 1)));
    }
    if (mayMove() && ordered.length <= MOST_MOVING) {
      for (const { row, top } of before) slide(row, top - row.getBoundingClientRect().top);
    }
  }

  /** Shows a ranking that is finished. */
  finish(ranking: Ranking): void {
    this.#ranking = ranking;
    this.#card.hidden = false;
    this.show(ranking.answers, true);
    for (const row of this.#rows.values()) part(row, ".why", HTMLElement).hidden = false;
    const { answers, model, dtype, seconds } = ranking;
    const [low, high] = range(answers);
    const scale = low === 0 && high === 1 ? "" : ` Bars run from ${low.toFixed(2)} to ${high.toFixed(2)}.`;
    const how = [model, dtype].filter(Boolean).join(", ");
    this.#about.textContent = `${counted(answers.length, "answer")} in ${inSeconds(seconds)} · ${how}.${scale}`;
    this.#offerCopies();
  }

  /** The rows of these answers. */
  rows(answers: readonly RankedAnswer[]): Row[] {
    return answers.map(({ id, text }) => ({ element: this.#rows.get(id)!, text }));
  }

  /** Shows that the ranking ended early, and why. */
  stop(why: string): void {
    this.#about.textContent = why;
  }

  /** Shows why the ranking does not fit the panel's content any more; an empty text if it does. */
  markStale(why: string): void {
    const line = byId("stale", HTMLElement);
    if (line.textContent !== why) line.textContent = why;
    this.#card.classList.toggle("is-stale", why !== "");
  }

  /** Names the results by the answers' present places. */
  number(answers: readonly { id: string }[]): void {
    for (const [id, row] of this.#rows) {
      const at = answers.findIndex((answer) => answer.id === id);
      const name = at < 0 ? "Removed answer" : `Answer ${at + 1}`;
      part(row, ".which", HTMLElement).textContent = row.classList.contains("best") ? `${name} · best` : name;
    }
  }

  /** Brings the ranking into sight. */
  reveal(): void {
    this.#card.scrollIntoView({ block: "start", behavior: mayMove() ? "smooth" : "instant" });
  }

  #makeRow({ id, text, score, truncated }: RankedAnswer): HTMLElement {
    const row = fromTemplate("result-template");
    this.#rows.set(id, row);
    const body = part(row, ".text", HTMLElement);
    body.textContent = text;
    part(row, ".value", HTMLElement).textContent = score.toFixed(4);
    const note = part(row, ".note", HTMLElement);
    note.hidden = truncated === 0;
    note.textContent = `Not read to its end: with the instruction it is ${counted(truncated, "token")} too long for the model.`;
    this.#list.append(row);
    part(row, ".more", HTMLElement).hidden = body.scrollHeight <= body.clientHeight + 1;
    return row;
  }

  /** Shows below a result what carried its score. */
  async #tellWhy(row: HTMLElement): Promise<void> {
    const [id] = [...this.#rows].find(([, each]) => each === row)!;
    const { instruction, answers } = this.#ranking!;
    const { signal } = this.#stop;
    const show = (lines: readonly string[]) =>
      part(row, ".carried", HTMLElement).replaceChildren(...lines.map((line) => make("p", {}, line)));
    // It stays, as long as nothing is known, so that the focus is not lost.
    part(row, ".why", HTMLElement).ariaDisabled = "true";
    show(["Scoring the answer without each of its words …"]);
    try {
      show(await this.#explain(instruction, answers.find((answer) => answer.id === id)!.text, signal));
    } catch (error) {
      if (signal.aborted) return;
      show([error instanceof Error ? error.message : String(error)]);
    }
    part(row, ".why", HTMLElement).ariaDisabled = "false";
  }

  #offerCopies(): void {
    for (const element of this.#copies) element.hidden = this.#ranking === undefined;
  }
}

/** Where bars begin and end: 0..1, and a little beyond is usual; further for models of another scale. */
function range(answers: readonly RankedAnswer[]): [low: number, high: number] {
  const low = answers.reduce((least, { score }) => Math.min(least, score), 0);
  const high = answers.reduce((most, { score }) => Math.max(most, score), 1);
  return low >= -0.25 && high <= 1.25 ? [0, 1] : [low, high];
}

/** Lets a row slide from where it was. */
function slide(row: HTMLElement, by: number): void {
  if (by === 0) return;
  row.animate({ transform: [`translateY(${by}px)`, "none"] }, { duration: 260, easing: "cubic-bezier(.2, .7, .2, 1)" });
}
