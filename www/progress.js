import { announce, byId } from "./dom.js";
import { inBytes, inSeconds } from "./words.js";

/** @typedef {import("./cappy-web/index.js").LoadProgress} LoadProgress */

const PHASES = /** @type {const} */ (["download", "load"]);
const NAMES = { download: "Downloading", load: "Loading onto the graphics adapter" };

/** Rates are averages over so many milliseconds: long enough to be steady, short enough to be up to date. */
const WINDOW = 4000;

/** The bar that shows how far loading a model is. */
export class LoadingView {
  #bar = byId("loading-bar", HTMLProgressElement);
  #phase = byId("loading-phase", HTMLElement);
  #detail = byId("loading-detail", HTMLElement);
  /** @type {Partial<Record<LoadProgress["phase"], LoadProgress>>} the last word of each phase */
  #last = {};
  /** @type {{ at: number, bytes: number }[]} */
  #samples = [];
  #frame = 0;

  /** @param {string} model what to call it */
  begin(model) {
    this.#last = {};
    this.#samples = [];
    this.#bar.removeAttribute("value");
    this.#phase.textContent = "Preparing";
    this.#detail.textContent = "";
    byId("loading-model", HTMLElement).textContent = model;
    byId("loading", HTMLElement).hidden = false;
    announce(`Loading ${model}`);
  }

  /** @param {LoadProgress} progress */
  update(progress) {
    this.#last[progress.phase] = progress;
    // Progress may come thousands of times a second. A frame shows the last value.
    if (this.#frame === 0) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#draw();
      });
    }
  }

  /** Hides the bar. */
  end() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    byId("loading", HTMLElement).hidden = true;
  }

  #draw() {
    // Both phases may run at the same time. The first one that is not finished is shown.
    const begun = PHASES.flatMap((phase) => this.#last[phase] ?? []);
    const now = begun.find(({ bytes, total }) => bytes < total) ?? begun.at(-1);
    if (!now) return;
    const name = NAMES[now.phase];
    if (this.#phase.textContent !== name) {
      this.#phase.textContent = name;
      this.#samples = [];
      announce(name);
    }
    if (now.total > 0) {
      this.#bar.max = now.total;
      this.#bar.value = now.bytes;
    } else {
      this.#bar.removeAttribute("value");
    }
    const amount = now.total > 0 ? `${inBytes(now.bytes)} of ${inBytes(now.total)}` : "";
    this.#detail.textContent = [amount, now.file, ...this.#speed(now)].filter(Boolean).join(" · ");
  }

  /**
   * The recent rate in bytes a second, and how long the rest takes at that rate.
   * @param {LoadProgress} progress
   */
  #speed({ bytes, total }) {
    const at = performance.now();
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) > WINDOW) this.#samples.shift();
    const first = this.#samples[0];
    if (!first || at - first.at < 500 || bytes <= first.bytes) return [];
    const rate = (bytes - first.bytes) / ((at - first.at) / 1000);
    const left = (total - bytes) / rate;
    return [`${inBytes(rate)}/s`, ...(left >= 1 ? [`${inSeconds(left)} left`] : [])];
  }
}
