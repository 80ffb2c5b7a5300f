/** Thumbs beside the results of a finished ranking, while learning is switched on. */
import { askOpinions, sendOpinion } from "../learn/ask.js";
import { onOpinions } from "../learn/store.js";
import { byId, part } from "../ui/dom.js";
import { Thumbs } from "../ui/thumbs.js";

/** A result and the text of its answer. */
export interface Row {
  element: HTMLElement;
  text: string;
}

/** The thumbs of all results. */
export class RowThumbs {
  readonly #status = byId("opinion-status", HTMLElement);
  readonly #made = new Map<Row, Thumbs>();
  #instruction = "";
  #rows: readonly Row[] = [];
  #on = false;
  #refreshes = 0;

  constructor() {
    onOpinions(() => void this.#refresh());
  }

  /** Gives thumbs to these results, and to no others. */
  show(instruction: string, rows: readonly Row[]): void {
    this.#instruction = instruction;
    this.#rows = rows;
    this.#draw();
  }

  /** Switches all of them on or off. */
  switch(on: boolean): void {
    if (on === this.#on) return;
    this.#on = on;
    this.#draw();
  }

  #draw(): void {
    for (const { element } of this.#made.values()) element.remove();
    this.#made.clear();
    if (!this.#on) return;
    for (const row of this.#rows) {
      const thumbs = new Thumbs((liked) => void this.#press(row, thumbs, liked));
      part(row.element, ".line", HTMLElement).append(thumbs.element);
      this.#made.set(row, thumbs);
    }
    void this.#refresh();
  }

  async #refresh(): Promise<void> {
    if (this.#made.size === 0) return;
    const refresh = (this.#refreshes += 1);
    const all = [...this.#made];
    try {
      const liked = await askOpinions(
        this.#instruction,
        all.map(([{ text }]) => text),
      );
      if (refresh === this.#refreshes) all.forEach(([, thumbs], at) => thumbs.show(liked[at]));
    } catch {
      // Learning was switched off meanwhile, which is handled elsewhere.
    }
  }

  async #press({ text }: Row, thumbs: Thumbs, liked: boolean | undefined): Promise<void> {
    this.#status.textContent = "";
    thumbs.show(liked);
    try {
      await sendOpinion(this.#instruction, text, liked);
    } catch (error) {
      this.#status.textContent = `This was not kept: ${error instanceof Error ? error.message : String(error)}.`;
      await this.#refresh();
    }
  }
}
