import { type Collection, onCollection, readCollection, writeCollection } from "../collection.js";
import { asText, merge, withoutBlankRows } from "./merge.js";

/** How long the user must pause in writing until the text is stored, in ms. */
const PAUSE = 300;

/** Stores what is written in the panel, and adds what comes from other windows and from the context menu. */
export class Draft {
  /** What is stored, as far as this panel knows. */
  #base: Collection = { instruction: "", answers: [] };
  /** Own writes of which the notification has not come yet. */
  #written: string[] = [];
  #timer = 0;
  /** Off until it is known that this is no private window. */
  #stores = false;

  /**
   * @param now returns what is written in the panel
   * @param show replaces it
   */
  constructor(
    readonly now: () => Collection,
    readonly show: (collection: Collection) => void,
  ) {
    onCollection((theirs) => this.#merge(theirs));
    // A side panel may be closed at any time without warning.
    addEventListener("pagehide", () => this.flush());
    document.addEventListener("visibilitychange", () => this.flush());
    document.addEventListener("focusout", () => this.flush());
  }

  /** Shows what is stored, together with what was written meanwhile, and stores changes from now on. */
  async open(): Promise<void> {
    const theirs = await readCollection();
    this.#stores = true;
    this.#merge(theirs);
  }

  /** To be called after every change in the panel, which is stored a little later. */
  changed(): void {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.flush(), PAUSE);
  }

  /** Stores the panel's content now. */
  flush(): void {
    clearTimeout(this.#timer);
    if (!this.#stores) return;
    const ours = withoutBlankRows(this.now());
    if (asText(ours) === asText(this.#base)) return;
    this.#base = ours;
    this.#written.push(asText(ours));
    void writeCollection(ours);
  }

  #merge(theirs: Collection): void {
    if (!this.#stores) return;
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
