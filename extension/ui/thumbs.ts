/** A thumb up and a thumb down beside an answer: on pages of the extension, and beside badges. */

const SVG = "http://www.w3.org/2000/svg";
const HAND =
  "M5.3 7.2 8.1 2c1 0 1.7.9 1.5 1.9l-.5 2.6h3.3c.9 0 1.6.9 1.4 1.8l-.9 4.1c-.1.6-.7 1.1-1.3 1.1H5.3zM2.4 7.2h2.9v6.3H2.4z";

/** Each thumb: its meaning, its names, and by how many degrees the drawing is rotated. */
const THUMBS = [
  { liked: true, name: "up", label: "Good answer", angle: 0 },
  { liked: false, name: "down", label: "Bad answer", angle: 180 },
] as const;

/** The two buttons. At most one of them is pressed; pressing that one again takes it back. */
export class Thumbs {
  readonly element = document.createElement("div");
  readonly #buttons: readonly { liked: boolean; button: HTMLButtonElement }[];
  #liked: boolean | undefined;

  /** Calls `press` with the new opinion; `undefined` where a thumb was taken back. */
  constructor(press: (liked: boolean | undefined) => void) {
    this.element.className = "thumbs";
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Teach Cappy");
    this.#buttons = THUMBS.map(({ liked, name, label, angle }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = `thumb ${name}`;
      button.title = label;
      button.setAttribute("aria-label", label);
      button.append(hand(angle));
      button.addEventListener("click", (event) => {
        // Ignores clicks that a page's script has made.
        if (event.isTrusted) press(this.#liked === liked ? undefined : liked);
      });
      return { liked, button };
    });
    this.element.append(...this.#buttons.map(({ button }) => button));
    this.show(undefined);
  }

  /** Shows the opinion of the answer. */
  show(opinion: boolean | undefined): void {
    this.#liked = opinion;
    for (const { liked, button } of this.#buttons) button.setAttribute("aria-pressed", String(opinion === liked));
  }
}

function hand(angle: number): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [name, value] of Object.entries({
    viewBox: "0 0 16 16",
    width: "14",
    height: "14",
    "aria-hidden": "true",
    focusable: "false",
  })) {
    svg.setAttribute(name, value);
  }
  path.setAttribute("d", HAND);
  path.setAttribute("transform", `rotate(${angle} 8 8)`);
  svg.append(path);
  return svg;
}
