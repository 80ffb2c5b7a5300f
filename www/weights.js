import { byId, part } from "./dom.js";
import { inBytes } from "./words.js";

/** @typedef {import("./cappy-web/index.js").Cost} Cost */
/** @typedef {import("./cappy-web/index.js").Dtype} Dtype */
/** @typedef {typeof import("./cappy-web/index.js").probe} Probe */
/** @typedef {typeof ALL[number]} Held how a person wants weights to be held; `auto` as they are stored */

const ALL = /** @type {const} */ (["auto", "f16", "q8", "q4"]);

/** The names of the ways of holding weights, after loading. */
export const NAMES = { f16: "16 bits", q8: "8 bits", q4: "4 bits" };

// All pages of an origin share one storage. The path distinguishes several copies of this page.
const KEY = `cappy weights ${new URL(".", import.meta.url).pathname}`;

const ROUNDED =
  "The download stays the same: what is stored in more bits is rounded while it loads, which saves graphics memory.";

/** The choice of how weights are held, with the costs of each way for one model. */
export class WeightsChoice {
  #held = storedChoice();
  #box = byId("weights", HTMLFieldSetElement);
  #home = byId("weights-home", HTMLElement);
  #note = byId("weights-note", HTMLElement);
  #apply = byId("weights-apply", HTMLButtonElement);
  #lookUps = 0;

  /** @param {() => void} load loads the present model as it is chosen */
  constructor(load) {
    for (const held of ALL) {
      const radio = part(this.#box, `[value="${held}"]`, HTMLInputElement);
      radio.checked = held === this.#held;
      radio.addEventListener("change", () => {
        this.#held = held;
        keep(held);
      });
    }
    this.#apply.addEventListener("click", load);
  }

  /** The user's choice. */
  get held() {
    return this.#held;
  }

  /**
   * Looks up the costs of each way for a model, and shows them. There is no choice for the package's own model, which is
   * stored in the bits that it was trained for.
   * @param {Probe} probe
   * @param {Parameters<Probe>[0]} source the package's own model unless given
   * @param {Parameters<Probe>[1]} options
   */
  async lookUp(probe, source, options) {
    this.#lookUps += 1;
    const mine = this.#lookUps;
    this.#home.hidden = source === undefined;
    if (source === undefined) return;
    this.#show(null, "Looking up what each takes…");
    try {
      const cost = await probe(source, options);
      if (mine === this.#lookUps) this.#show(cost, ROUNDED);
    } catch {
      // When the model is loaded, it shows its error in full.
      if (mine === this.#lookUps) this.#show(null, "What each takes could not be looked up.");
    }
  }

  /**
   * Moves into the question whether to download a model.
   * @param {HTMLElement} question
   * @param {Cost} cost
   */
  ask(question, cost) {
    this.#lookUps += 1;
    this.#show(cost, ROUNDED);
    question.append(this.#box);
    this.#apply.hidden = true;
  }

  /** Moves back after the question. */
  asked() {
    this.#home.append(this.#box);
    this.#apply.hidden = false;
  }

  /**
   * @param {Cost | null} cost
   * @param {string} note
   */
  #show(cost, note) {
    for (const held of ALL) {
      part(this.#box, `[value="${held}"] + span > .cost`, HTMLElement).textContent = cost ? inWords(cost, held) : "";
    }
    this.#note.textContent = note;
  }
}

/**
 * The option of `Scorer.load`. Weights of 16 bits are read as f16 where the adapter can, and unpacked
 * where it cannot; without an adapter the CPU holds them in 16 bits by default.
 * @param {Held} held
 * @returns {Promise<Dtype>}
 */
export async function dtypeOf(held) {
  if (held !== "f16") return held;
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return "auto";
  return adapter.features.has("shader-f16") ? "f16" : "f32";
}

/**
 * @param {Cost} cost
 * @param {Held} held
 */
function inWords({ download, gpuBytes, gpuBytesAs }, held) {
  const memory = held === "auto" ? gpuBytes : gpuBytesAs?.[held];
  return [
    download > 0 ? `download ${inBytes(download)}` : "nothing to download",
    `graphics memory ${memory === undefined ? "not known" : inBytes(memory)}`,
  ].join(", ");
}

/** @returns {Held} */
function storedChoice() {
  try {
    const found = localStorage.getItem(KEY);
    return ALL.find((held) => held === found) ?? "auto";
  } catch {
    return "auto";
  }
}

/** @param {Held} held */
function keep(held) {
  try {
    if (held === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, held);
  } catch {
    // The storage may be full or switched off. Then the choice is lost when the page is closed.
  }
}
