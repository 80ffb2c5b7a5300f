/** When to look at the page again: after changes, but not so often that the page becomes slow. */

/** The least time between two looks, in ms, and as a multiple of the time that the last look took. */
const LEAST_MS = 250;
const LEAST_SHARE = 10;

/** Attributes by which pages hide, show and move things, besides the adapter's own. */
const ATTRIBUTES = ["class", "style", "hidden", "open", "aria-hidden", "aria-busy"];

export class Watch {
  readonly #observer: MutationObserver;
  readonly #rootObserver: MutationObserver;
  readonly #scheme = matchMedia("(prefers-color-scheme: dark)");
  readonly #retheme: () => void;
  readonly #look: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;
  /** Before this time there is no next look. */
  #notBefore = 0;

  /** Calls `changed` after every change, `retheme` when colours may have changed, and `look` when it is time. */
  constructor(
    attributes: readonly string[],
    { changed, retheme, look }: { changed: (records: MutationRecord[]) => void; retheme: () => void; look: () => void },
  ) {
    this.#retheme = retheme;
    this.#look = look;
    this.#observer = new MutationObserver((records) => {
      changed(records);
      this.soon(0);
    });
    this.#observer.observe(document, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
      attributeFilter: [...new Set([...ATTRIBUTES, ...attributes])],
    });
    this.#rootObserver = new MutationObserver(retheme);
    for (const root of [document.documentElement, document.body]) {
      if (root) this.#rootObserver.observe(root, { attributes: true });
    }
    this.#scheme.addEventListener("change", retheme);
    this.soon(0);
  }

  /** Looks in `delay` ms, or later if the last look was too recent. An earlier look that is due stays due. */
  soon(delay: number): void {
    const due = Math.max(performance.now() + delay, this.#notBefore);
    if (due >= this.#due) return;
    this.#due = due;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#now(), due - performance.now());
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#observer.disconnect();
    this.#rootObserver.disconnect();
    this.#scheme.removeEventListener("change", this.#retheme);
  }

  #now(): void {
    this.#due = Infinity;
    const start = performance.now();
    // Set before the look, which may ask for the next one.
    this.#notBefore = start + LEAST_MS;
    this.#look();
    const end = performance.now();
    this.#notBefore = end + Math.max(LEAST_MS, LEAST_SHARE * (end - start));
  }
}
