/** The user's opinions of the answers of a page, as far as they are stored. */
import { askOpinions, sendOpinion } from "../learn/ask.js";
import { dropOldest } from "./oldest.js";
import type { Wish } from "./scores.js";

/** The most opinions that are held here; the oldest are dropped first. */
const MOST_HELD = 2048;

type Named = Wish["answers"][number];

export class Opinions {
  readonly #changed: (problem?: string) => void;
  readonly #known = new Map<string, boolean>();
  /** Answers that the background was asked about, or on which a thumb was pressed since. */
  readonly #asked = new Map<string, true>();

  /** Calls `changed` after changes, with a problem if an opinion could not be stored. */
  constructor(changed: (problem?: string) => void) {
    this.#changed = changed;
  }

  of(print: string): boolean | undefined {
    return this.#known.get(print);
  }

  /** Asks the background about answers that it was not asked about yet. */
  want(wishes: readonly Wish[]): void {
    for (const { instruction, answers } of wishes) {
      const fresh = answers.filter(({ print }) => !this.#asked.has(print));
      for (const { print } of fresh) this.#asked.set(print, true);
      dropOldest(this.#asked, MOST_HELD);
      if (fresh.length > 0) void this.#ask(instruction, fresh);
    }
  }

  /** Has the next `want` ask about all answers again, because opinions may have changed elsewhere. */
  refresh(): void {
    this.#asked.clear();
  }

  /** Stores a new opinion. */
  async press(instruction: string, { print, text }: Named, liked: boolean | undefined): Promise<void> {
    const before = this.#known.get(print);
    this.#set(print, liked);
    this.#changed();
    try {
      await sendOpinion(instruction, text, liked);
    } catch (error) {
      this.#set(print, before);
      this.#changed(error instanceof Error ? error.message : String(error));
    }
  }

  async #ask(instruction: string, answers: readonly Named[]): Promise<void> {
    const before = answers.map(({ print }) => this.#known.get(print));
    try {
      const liked = await askOpinions(
        instruction,
        answers.map(({ text }) => text),
      );
      answers.forEach(({ print }, at) => {
        // Unless a thumb was pressed meanwhile, which is newer.
        if (this.#known.get(print) === before[at]) this.#set(print, liked[at]);
      });
      this.#changed();
    } catch {
      // Learning was switched off meanwhile, or the extension is gone. Both are handled elsewhere.
    }
  }

  #set(print: string, liked: boolean | undefined): void {
    this.#known.delete(print);
    if (liked !== undefined) this.#known.set(print, liked);
    dropOldest(this.#known, MOST_HELD);
  }
}
