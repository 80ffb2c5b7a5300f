/** The one element that is added to a page. Everything else is in its closed shadow root. */
import { STYLE } from "./style.js";

/** How often the element is put back when the page removes it: not for ever, because a page may insist. */
const MOST_RETURNS = 8;

export class Host {
  /** A `div`: a page could define a custom element of any other name, and would get its shadow root. */
  readonly element = document.createElement("div");
  readonly #root = this.element.attachShadow({ mode: "closed" });
  readonly #layer = document.createElement("div");
  readonly #spoken = document.createElement("div");
  #returns = 0;

  constructor() {
    this.element.dataset.cappy = "";
    const style = document.createElement("style");
    // Firefox applies the content policy of the script that sets the text first: the extension's, not the page's.
    style.textContent = "";
    style.textContent = STYLE;
    this.#spoken.className = "spoken";
    this.#spoken.setAttribute("role", "status");
    this.#root.append(style, this.#spoken, this.#layer);
    // Hidden from the page, because some pages take every key for their own input.
    for (const type of ["keydown", "keypress", "keyup", "pointerdown", "mousedown", "pointerup", "mouseup", "click"]) {
      this.#root.addEventListener(type, (event) => event.stopPropagation());
    }
    document.documentElement.append(this.element);
  }

  /** The element of the shadow root that has the focus. */
  get focused(): Element | null {
    return this.#root.activeElement;
  }

  /** Puts elements in, before `next` or at the end. */
  add(element: Element, next: Element | null = null): void {
    this.#layer.insertBefore(element, next);
  }

  /** Runs `look` while hit tests ignore everything in here. */
  seenThrough<T>(look: () => T): T {
    this.#layer.className = "through";
    try {
      return look();
    } finally {
      this.#layer.className = "";
    }
  }

  listen(type: "keydown", listener: (event: KeyboardEvent) => void): void {
    this.#root.addEventListener(type, (event) => listener(event as KeyboardEvent));
  }

  /** Has a screen reader say something when it is idle. */
  say(text: string): void {
    this.#spoken.textContent = text;
  }

  /** Puts the element back if the page has removed it. */
  stay(): void {
    if (this.element.parentNode === document.documentElement || this.#returns >= MOST_RETURNS) return;
    this.#returns += 1;
    document.documentElement.append(this.element);
  }

  remove(): void {
    this.element.remove();
  }
}
