import { type Collection, onCollection, readCollection, writeCollection } from "../collection.js";
import { asText, kept, merge } from "./merge.js";

/** How long writing must pause until it is kept, in ms. */
const PAUSE = 300;

/** Keeps what stands in the panel, and brings in what others add to it. */
export class Keeper {
  /** What is kept, as far as this panel knows. */
  #base: Collection = { instruction: "", answers: [] };
  /** Own writes that were not heard of yet. */
  #written: string[] = [];
  #timer = 0;
  /** Off until it is known that this is no private window. */
  #keeps = false;

  /**
   * @param now what stands in the panel
   * @param show puts something else there
   */
  constructor(readonly now: () => Collection, readonly show: (collection: Collection) => void) {
    onCollection((theirs) => this.#heard(theirs));
    // A side panel may be closed at any time, and is not asked.
    addEventListener("pagehide", () => this.flush());
    document.addEventListener("visibilitychange", () => this.flush());
    document.addEventListener("focusout", () => this.flush());
  }

  /** Shows what is kept, with what was written meanwhile, and keeps changes from now on. */
  async open(): Promise<void> {
    const theirs = await readCollection();
    this.#keeps = true;
    this.#heard(theirs);
  }

  /** To be called after every change in the panel: keeps it a little later. */
  changed(): void {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.flush(), PAUSE);
  }

  /** Keeps it now. */
  flush(): void {
    clearTimeout(this.#timer);
    if (!this.#keeps) return;
    const ours = kept(this.now());
    if (asText(ours) === asText(this.#base)) return;
    this.#base = ours;
    this.#written.push(asText(ours));
    void writeCollection(ours);
  }

  #heard(theirs: Collection): void {
    if (!this.#keeps) return;
    const own = this.#written.indexOf(asText(theirs));
    if (own >= 0) {
      this.#written.splice(0, own + 1);
      return;
    }
    const merged = merge(this.#base, this.now(), theirs);
    this.#base = theirs;
    this.show(merged);
    this.changed();
  }
}
