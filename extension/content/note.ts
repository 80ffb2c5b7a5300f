/** The note that opens when a badge is pressed. */
import type { Host } from "./host.js";

/** What a note shows and offers. */
export interface Content {
  lines: string[];
  /** Goes to the best answer; missing where this is the best one, or where that is not on the page. */
  toBest?: (() => void) | undefined;
  /** Finds out what carried the score; missing where that is known, or there is no score. */
  explain?: (() => void) | undefined;
  /** Tries again after a failure. */
  retry?: (() => void) | undefined;
}

const MARGIN = 8;

export class Note {
  readonly #host: Host;
  readonly #closed: () => void;
  readonly #element = document.createElement("div");
  #badge: HTMLElement | undefined;

  /** Calls `closed` whenever it is closed. */
  constructor(host: Host, closed: () => void) {
    this.#host = host;
    this.#closed = closed;
    this.#element.className = "note";
    this.#element.hidden = true;
    this.#element.tabIndex = -1;
    this.#element.setAttribute("role", "dialog");
    this.#element.setAttribute("aria-label", "About this answer");
    host.add(this.#element);
    host.listen("keydown", (event) => {
      if (event.key === "Escape" && this.#badge) this.close(true);
    });
  }

  /** The badge of the open note; `undefined` while it is closed. */
  get badge(): HTMLElement | undefined {
    return this.#badge;
  }

  open(badge: HTMLElement, content: Content): void {
    this.close(false);
    this.#badge = badge;
    badge.setAttribute("aria-expanded", "true");
    this.#element.hidden = false;
    this.fill(content);
    this.place();
    this.#element.querySelector("button")?.focus({ preventScroll: true });
  }

  /** Shows other content. A button in the note keeps the focus. */
  fill({ lines: [title = "", ...rest], toBest, explain, retry }: Content): void {
    const signature = JSON.stringify([title, rest, !toBest, !explain, !retry]);
    if (this.#element.dataset.shows === signature) return;
    const focused = this.#element.contains(this.#host.focused);
    this.#element.dataset.shows = signature;
    this.#element.classList.toggle("dark", this.#badge?.closest(".dark") != null);
    const row = document.createElement("div");
    row.className = "row";
    if (retry) row.append(button("Try again", retry, "first"));
    if (toBest) row.append(button("Go to the best answer", toBest, "first"));
    if (explain) row.append(button("What carried this score?", explain));
    row.append(button("Close", () => this.close(true)));
    this.#element.replaceChildren(withText("h2", title), ...rest.map((line) => withText("p", line)), row);
    if (focused) row.querySelector("button")?.focus({ preventScroll: true });
  }

  /** Places it below its badge where there is room, or else above, and always inside the viewport. */
  place(): void {
    if (!this.#badge) return;
    const badge = this.#badge.getBoundingClientRect();
    // Its badge is out of sight. The note stays where it is.
    if (badge.width === 0) return;
    const { offsetWidth, offsetHeight } = this.#element;
    const below = badge.bottom + 6;
    const y = below + offsetHeight + MARGIN <= innerHeight ? below : badge.top - 6 - offsetHeight;
    const x = Math.min(badge.right - offsetWidth, document.documentElement.clientWidth - offsetWidth - MARGIN);
    this.#element.style.transform = `translate(${Math.max(x, MARGIN)}px, ${Math.max(y, MARGIN)}px)`;
  }

  /** Closes it. The focus returns to its badge if `giveBack` says so, or if it was in the note. */
  close(giveBack: boolean): void {
    const badge = this.#badge;
    if (!badge) return;
    const focused = this.#element.contains(this.#host.focused);
    this.#badge = undefined;
    badge.setAttribute("aria-expanded", "false");
    if (giveBack || focused) badge.focus({ preventScroll: true });
    this.#element.hidden = true;
    this.#element.replaceChildren();
    delete this.#element.dataset.shows;
    this.#closed();
  }
}

function button(text: string, press: () => void, name = ""): HTMLButtonElement {
  const made = withText("button", text);
  made.type = "button";
  made.className = name;
  made.addEventListener("click", press);
  return made;
}

function withText<K extends keyof HTMLElementTagNameMap>(name: K, text: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
