/** How long the user must pause in writing until the text is stored, in ms. */
const PAUSE = 300;

/** How something that is written in the panel is stored. */
export interface Kept<T> {
  read(): Promise<T>;
  write(value: T): Promise<void>;
  /** Calls `listener` after each change of what is stored. */
  onChange(listener: (value: T) => void): unknown;
  /** The form in which it is stored. */
  tidied(value: T): T;
  /** What to show after what is stored was changed elsewhere. Changes of both sides since `base` are kept. */
  merged(base: T, ours: T, theirs: T): T;
  /** A text that is the same for equal values. */
  asText(value: T): string;
  empty: T;
}

/** Stores what is written in the panel, and adds what comes from other windows and from the context menu. */
export class Draft<T> {
  readonly #kept: Kept<T>;
  /** What is stored, as far as this panel knows. */
  #base: T;
  /** Own writes of which the notification has not come yet. */
  #written: string[] = [];
  #timer = 0;
  /** Off until it is known that this is no private window. */
  #stores = false;

  /**
   * @param kept how it is stored
   * @param now returns what is written in the panel
   * @param show replaces it
   */
  constructor(
    kept: Kept<T>,
    readonly now: () => T,
    readonly show: (value: T) => void,
  ) {
    this.#kept = kept;
    this.#base = kept.empty;
    kept.onChange((theirs) => this.#merge(theirs));
    // A side panel may be closed at any time without warning.
    addEventListener("pagehide", () => this.flush());
    document.addEventListener("visibilitychange", () => this.flush());
    document.addEventListener("focusout", () => this.flush());
  }

  /** Shows what is stored, together with what was written meanwhile, and stores changes from now on. */
  async open(): Promise<void> {
    const theirs = await this.#kept.read();
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
    const { tidied, asText, write } = this.#kept;
    const ours = tidied(this.now());
    if (asText(ours) === asText(this.#base)) return;
    this.#base = ours;
    this.#written.push(asText(ours));
    void write(ours);
  }

  #merge(theirs: T): void {
    if (!this.#stores) return;
    const { merged, asText } = this.#kept;
    const own = this.#written.indexOf(asText(theirs));
    if (own >= 0) {
      this.#written.splice(0, own + 1);
      return;
    }
    const both = merged(this.#base, this.now(), theirs);
    this.#base = theirs;
    this.show(both);
    this.changed();
  }
}
