import { askCost } from "./cost.js";
import { announce, byId, fillFacts } from "./dom.js";
import { codeOf, hideError, showError } from "./errors.js";
import { showOffered } from "./offered.js";
import { showStoredModels } from "./stored-models.js";
import { LoadingView } from "./progress.js";
import { dtypeOf, NAMES, WeightsChoice } from "./weights.js";
import { whereItRuns, whereOf } from "./where.js";
import { inBytes, inMillions } from "./words.js";

/** @typedef {import("./cappy-web/index.js").Scorer} Scorer */
/** @typedef {import("./cappy-web/index.js").Info} Info */
/** @typedef {import("./cappy-web/index.js").LoadOptions} LoadOptions */

/**
 * A model that the user has asked for. Without `source` it is the one that comes with the package.
 * @typedef {object} Wish
 * @property {string} name its name for people
 * @property {boolean} [typed] whether its name was typed into the field
 * @property {string | File[]} [source]
 * @property {Pick<LoadOptions, "headers" | "cache">} [options]
 */

/** A download of more bytes than this is confirmed first. */
const SMALL = 8_000_000;

/** Imports the package only when it is needed, so that the page can show an error when that fails. */
const thePackage = () => import("./cappy-web/index.js");

/** @type {Wish} */
const OWN = { name: "cappy-small" };

/** The model panel: the loaded model, loading another one, its costs, and the stored models. */
export class ModelPanel {
  /** @type {Scorer | null} */
  #scorer = null;
  /** @type {Wish} the last one, for trying again */
  #wish = OWN;
  /** @type {Wish | null} what the present model was asked for by */
  #loaded = null;
  /** @type {AbortController | null} stops what is going on */
  #stop = null;
  /** @type {LoadOptions["dtype"]} what it was loaded with */
  #dtype = "auto";
  /** @type {Promise<unknown>} while the model scores, it is not disposed of */
  #inUse = Promise.resolve();
  #view = new LoadingView();
  #weights = new WeightsChoice(() => {
    this.#change.focus();
    void this.load(this.#loaded ?? this.#wish);
  });
  #name = byId("model-name", HTMLElement);
  #about = byId("model-about", HTMLElement);
  #chooser = byId("chooser", HTMLElement);
  #change = byId("change-model", HTMLButtonElement);
  #source = byId("source", HTMLInputElement);
  /** @type {() => void} */
  #onChange;
  /** @type {() => void} */
  #onOther;

  /**
   * @param {() => void} onChange called when a model is there, or not any more
   * @param {() => void} onOther called when another model takes the place of one, or the same in other bits
   */
  constructor(onChange, onOther) {
    this.#onChange = onChange;
    this.#onOther = onOther;
    this.#source.addEventListener("input", () => this.#clearSource());
    this.#change.addEventListener("click", () => this.#open(this.#chooser.hidden !== false));
    byId("loading-cancel", HTMLButtonElement).addEventListener("click", () => {
      this.cancel();
      this.#change.focus();
    });
    byId("use-own", HTMLButtonElement).addEventListener("click", () => void this.load(OWN));
    showOffered(byId("offered", HTMLElement), (model) => void this.load(this.#named(model, true)));
    byId("hub-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const keep = byId("keep", HTMLInputElement).checked;
      void this.load({ ...this.#named(this.#source.value.trim(), keep), typed: true });
    });
    for (const what of ["files", "folder"]) {
      const input = byId(`model-${what}`, HTMLInputElement);
      byId(`pick-${what}`, HTMLButtonElement).addEventListener("click", () => input.click());
      input.addEventListener("change", () => {
        const files = [...(input.files ?? [])];
        input.value = "";
        if (files.length > 0) void this.loadFiles(files);
      });
    }
  }

  /** The model to score with; `null` while there is none. */
  get scorer() {
    return this.#scorer;
  }

  /** Whether a model is being loaded. */
  get isBusy() {
    return this.#stop !== null;
  }

  /**
   * What the present model was loaded from and with; the package's own where there is none.
   * @returns {{ source: Wish["source"], dtype: LoadOptions["dtype"] }}
   */
  get origin() {
    return { source: this.#loaded?.source, dtype: this.#dtype };
  }

  /** What computes, for people, such as "the GPU (NVIDIA …)". */
  get where() {
    const info = this.#scorer?.info();
    return info ? whereItRuns(info) : "this device";
  }

  /**
   * Keeps the present model from being disposed of until this work is over.
   * @param {Promise<unknown>} work
   */
  holdFor(work) {
    this.#inUse = Promise.allSettled([this.#inUse, work]);
  }

  /** Stops a look-up or a load. */
  cancel() {
    this.#stop?.abort();
  }

  /** Loads the last model again; at first, the package's own. */
  reload() {
    return this.load(this.#wish);
  }

  /** @param {File[]} files */
  loadFiles(files) {
    const folder = files[0]?.webkitRelativePath.split("/")[0];
    return this.load({ name: folder || "files of this device", source: files });
  }

  /**
   * Loads a model in place of the present one, which stays until the new one is ready.
   * @param {Wish} wish
   */
  async load(wish) {
    this.cancel();
    const stop = new AbortController();
    this.#stop = stop;
    this.#wish = wish;
    hideError("model-error");
    this.#clearSource();
    this.#view.begin(wish.name);
    const { signal } = stop;
    let found = false;
    // A name that was typed may be wrong. Then the error is shown at the field.
    if (!wish.typed) this.#open(false);
    try {
      const cappy = await thePackage();
      if (
        typeof wish.source === "string" &&
        !(await this.#agreed(wish, wish.source, signal, () => {
          found = true;
        }))
      )
        return;
      // The package's own model is stored in the bits that it was trained for.
      const dtype = wish.source === undefined ? "auto" : await dtypeOf(this.#weights.held);
      const scorer = await cappy.Scorer.load(wish.source, {
        ...wish.options,
        dtype,
        signal,
        onProgress: (progress) => this.#stop === stop && this.#view.update(progress),
      });
      if (signal.aborted) scorer.dispose();
      else this.#take(scorer, wish, dtype);
    } catch (error) {
      if (this.#stop !== stop || codeOf(error) === "aborted" || signal.aborted) return;
      if (!this.#scorer) this.#name.textContent = "No model";
      if (wish.typed && !found) this.#showWrong(wish, error);
      else showError("model-error", error, () => void this.load(wish));
    } finally {
      // The user may have asked for another model meanwhile. Then the panel shows that one.
      if (this.#stop === stop) {
        this.#stop = null;
        this.#view.end();
        byId("cost", HTMLElement).hidden = true;
        if (!this.#scorer && signal.aborted) this.#cancelled();
        this.#onChange();
      }
    }
  }

  /**
   * Looks up what the model costs, and asks the user where that is much.
   * @param {Wish} wish
   * @param {string} source
   * @param {AbortSignal} signal
   * @param {() => void} found called when the model is there
   * @returns {Promise<boolean>}
   */
  async #agreed(wish, source, signal, found) {
    const { probe } = await thePackage();
    const cost = await stoppable(probe(source, wish.options ?? {}), signal);
    found();
    this.#open(false);
    if (cost.download <= SMALL) return true;
    this.#view.end();
    const yes = await askCost(cost, this.#weights, wish.options?.cache !== false, signal);
    if (!yes) {
      this.cancel();
      this.#open(true);
      return false;
    }
    this.#view.begin(wish.name);
    return true;
  }

  /**
   * @param {Scorer} scorer
   * @param {Wish} wish
   * @param {LoadOptions["dtype"]} dtype
   */
  #take(scorer, wish, dtype) {
    const old = this.#scorer;
    const info = scorer.info();
    if (old) {
      const same = this.#loaded?.source === wish.source && old.info().weights === info.weights;
      if (!same) this.#onOther();
      void this.#inUse.finally(() => old.dispose());
    }
    this.#scorer = scorer;
    this.#loaded = wish;
    this.#dtype = dtype;
    const isOwn = wish.source === undefined;
    this.#name.textContent = typeof wish.source === "object" ? wish.name : info.model;
    this.#about.textContent = isOwn
      ? `Comes with this page: ${inBytes(info.fileBytes)} of weights, for English. It makes mistakes.`
      : "";
    this.#about.hidden = !isOwn;
    this.#showFacts(info);
    byId("facts-box", HTMLElement).hidden = false;
    // A model may begin on the processor and move to the GPU.
    void scorer.settled().then(
      (settled) => this.#scorer === scorer && this.#showFacts(settled),
      () => {},
    );
    announce(`Ready: ${this.#name.textContent}, weights in ${NAMES[info.weights]}`);
  }

  /** @param {Info} info */
  #showFacts(info) {
    fillFacts(byId("facts", HTMLElement), factsOf(info));
    byId("facts-line", HTMLElement).textContent = shortly(info);
  }

  /**
   * Says at the field what is wrong with the name in it.
   * @param {Wish} wish
   * @param {unknown} error
   */
  #showWrong(wish, error) {
    this.#open(true);
    showError("source-error", error, () => void this.load(wish));
    this.#source.setAttribute("aria-invalid", "true");
    this.#source.setAttribute("aria-describedby", "source-error");
    this.#source.focus();
  }

  #clearSource() {
    hideError("source-error");
    this.#source.removeAttribute("aria-invalid");
    this.#source.removeAttribute("aria-describedby");
  }

  #cancelled() {
    this.#name.textContent = "No model";
    this.#about.textContent = "Loading was cancelled. Choose a model to go on.";
    this.#about.hidden = false;
    this.#open(true);
  }

  /** @param {boolean} open */
  #open(open) {
    this.#chooser.hidden = !open;
    this.#change.setAttribute("aria-expanded", String(open));
    this.#change.textContent = open ? "Close" : "Change model";
    if (!open) return;
    const load = (/** @type {string} */ model) => void this.load(this.#named(model, true));
    const fail = (/** @type {unknown} */ error) => showError("model-error", error, () => this.#open(true));
    thePackage().then((cappy) => {
      void showStoredModels(cappy, load, fail);
      const { source, options } = this.#loaded ?? this.#wish;
      void this.#weights.lookUp(cappy.probe, source, options);
    }, fail);
  }

  /**
   * @param {string} source a hub id or the address of a folder
   * @param {boolean} cache whether to keep what is downloaded, and to use what is kept
   * @returns {Wish}
   */
  #named(source, cache) {
    const field = byId("token", HTMLInputElement);
    const token = field.value.trim();
    field.value = ""; // It is for this model's server; the next model may come from another.
    return {
      name: source,
      source,
      options: {
        ...(token && { headers: { Authorization: `Bearer ${token}` } }),
        cache,
      },
    };
  }
}

/**
 * The result of `work`, or an error as soon as `signal` aborts: `probe` itself takes no signal.
 * @template T
 * @param {Promise<T>} work
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
function stoppable(work, signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}

/**
 * The adapter and how numbers are held, in one line.
 * @param {Info} info
 */
function shortly({ adapter, device, dtype, weights, parameters }) {
  const where = `Runs on ${whereOf(adapter, device)}`;
  return [
    where,
    adapterName(adapter),
    dtype,
    `weights in ${NAMES[weights]}`,
    `${inMillions(parameters)} parameters`,
  ].join(" · ");
}

/** @param {Info["adapter"]} adapter */
function adapterName({ vendor, architecture, description }) {
  const maker = [vendor, architecture].filter(Boolean).join(" ");
  return [description, maker].filter(Boolean).join(", ") || "adapter not named by the browser";
}

/**
 * @param {Info} info
 * @returns {[string, string][]}
 */
function factsOf({
  adapter,
  device,
  dtype,
  weights,
  note,
  parameters,
  fileBytes,
  gpuBytes,
  format,
  maxTokens,
  worker,
}) {
  /** @type {[string, string][]} */
  const facts = [
    ["Adapter", adapterName(adapter)],
    ["Runs on", whereOf(adapter, device)],
    ["Path taken", `${dtype} kernels`],
    ["Parameters", inMillions(parameters)],
    ["Weights held in", NAMES[weights]],
    ["Weights stored in", `${inBytes(fileBytes)}, ${format}`],
    ["Graphics memory", inBytes(gpuBytes)],
    ["Longest pair", `${maxTokens} tokens`],
    ["Thread", worker ? "a worker" : "the page's own"],
  ];
  if (note) facts.push(["Note", note]);
  return facts;
}
