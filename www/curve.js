import { byId } from "./dom.js";
import { counted } from "./words.js";

/** Size of the drawing, in its own units. */
const [WIDTH, HEIGHT, EDGE] = [320, 96, 4];

/** The error after each step, as a line that is drawn during training. */
export class Curve {
  #figure = byId("curve", HTMLElement);
  #drawing = byId("curve-drawing", SVGSVGElement);
  #line = byId("curve-line", SVGPolylineElement);
  #caption = byId("curve-caption", HTMLElement);
  /** @type {number[]} */
  #losses = [];
  #steps = 1;
  #frame = 0;

  /** Begins a new line. */
  begin() {
    this.#losses = [];
    this.#figure.hidden = true;
    this.#line.setAttribute("points", "");
  }

  /**
   * @param {number} loss
   * @param {number} steps how many there will be
   */
  add(loss, steps) {
    this.#losses.push(loss);
    this.#steps = steps;
    if (this.#frame === 0) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.draw();
      });
    }
  }

  /** Draws the line as it is. It is also drawn at the end, because a hidden tab gets no frames. */
  draw() {
    const losses = this.#losses;
    if (losses.length === 0) return;
    this.#figure.hidden = false;
    const top = Math.max(...losses, 1e-6);
    const points = losses.map((loss, at) => {
      const x = EDGE + (at / Math.max(this.#steps - 1, 1)) * (WIDTH - 2 * EDGE);
      const y = HEIGHT - EDGE - (loss / top) * (HEIGHT - 2 * EDGE);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    this.#line.setAttribute("points", points.join(" "));
    const said = `Error on your marks: ${inDigits(losses[0] ?? 0)} at first, ${inDigits(losses.at(-1) ?? 0)} after ${counted(losses.length, "step")}`;
    this.#caption.textContent = said;
    this.#drawing.setAttribute("aria-label", `A line that goes from step to step. ${said}`);
  }
}

/** @param {number} loss */
function inDigits(loss) {
  return loss.toFixed(loss < 0.01 ? 4 : 3);
}
