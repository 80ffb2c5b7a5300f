/** The model's state on a page: its name, its phase, progress with Cancel, errors with Try again. */
import type { EngineClient } from "../engine/client.js";
import type { EngineState, ModelChoice } from "../messages.js";
import { changeSettings, onSettings, readSettings } from "../settings.js";
import { announce, button, make } from "./dom.js";
import { codeOf, errorBox, explain } from "./errors.js";
import type { Remote } from "./cost.js";
import { Rate } from "./rate.js";
import { inBytes, nameOf, phaseOf } from "./words.js";

/** The larger model, which has to be downloaded. */
export const LARGE: Remote = { source: "btan2/cappy-large", model: { kind: "large" }, name: "Cappy-large" };

type Progress = Extract<EngineState, { bytes: number }>;

/** Shows the state of the engine in `root`, as long as the page is open. */
export class ModelView {
  readonly #name = make("p", { className: "model-name" });
  /** How large the extension's own model is. Of others the question before their download says it. */
  readonly #about = make("p", { className: "muted small numbers" });
  readonly #status = make("p", { className: "muted small numbers" });
  /** The last action, such as a download that was cancelled. */
  readonly #note = make("p", { className: "small", role: "status" });
  readonly #bar = make("progress", { ariaLabel: "Loading the model" });
  readonly #cancel = button("Cancel", () => void this.#stop(), { label: "Cancel loading the model" });
  readonly #error = make("div", { role: "alert" });
  readonly #rate = new Rate();
  readonly #listeners = new Set<() => void>();
  #state: EngineState = { phase: "idle" };
  /** The last progress of the download. It and loading onto the GPU may go on at the same time. */
  #download: Progress | undefined;
  #choice: ModelChoice = { kind: "embedded" };
  /** Why the engine could not be reached at all. */
  #unreachable: unknown;
  readonly #retry: () => void;

  /** @param retry what the button below an error does, in place of loading the model again */
  constructor(
    root: HTMLElement,
    readonly engine: EngineClient,
    { retry }: { retry?: () => void } = {},
  ) {
    this.#retry = retry ?? (() => void this.load());
    root.append(
      make("div", {}, this.#name, this.#about, this.#status, this.#note),
      this.#bar,
      make("div", { className: "row" }, this.#cancel),
      this.#error,
    );
    engine.onState((state) => this.#show(state));
    const chosen = ({ model }: { model: ModelChoice }) => {
      this.#choice = model;
      this.#draw();
    };
    onSettings(chosen);
    void readSettings().then(chosen);
  }

  /** The state of the engine. */
  get state(): EngineState {
    return this.#state;
  }

  /** The model that is chosen. */
  get choice(): ModelChoice {
    return this.#choice;
  }

  /** Calls `listener` after every change of either. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Chooses a model and loads it. Problems show in the view. */
  async use(model: ModelChoice): Promise<void> {
    await changeSettings({ model });
    await this.load();
  }

  /** Loads the chosen model. Problems show in the view. */
  async load(): Promise<void> {
    this.#note.textContent = "";
    this.#unreachable = undefined;
    await this.engine.load().catch((error: unknown) => {
      // Other failures are part of the engine's state, which this view shows.
      if (codeOf(error) === "engine") this.#unreachable = error;
    });
    this.#draw();
  }

  /**
   * Stops loading. For a model that is downloaded the extension's own is chosen in its place; otherwise the next ranking
   * on any page would begin the download again.
   */
  async #stop(): Promise<void> {
    const { kind } = this.#choice;
    if (kind === "large" || kind === "hub" || kind === "url") {
      this.#note.textContent = `Cancelled. What was downloaded of ${nameOf(this.#choice)} is kept.`;
      // The change of settings stops the download. Rankings that waited for it use the extension's own.
      await changeSettings({ model: { kind: "embedded" } });
    } else {
      await this.engine.unload().catch(() => {});
    }
  }

  #show(state: EngineState): void {
    const before = this.#shown().phase;
    if (state.phase === "download") this.#download = state;
    else if (state.phase !== "load") this.#download = undefined;
    this.#state = state;
    const { phase } = this.#shown();
    if (phase !== before) {
      this.#rate.reset();
      announce(`${nameOf(this.#choice)}: ${phaseOf(this.#shown())}`);
    }
    this.#draw();
  }

  /** The state to show: the download, as long as it is not finished. */
  #shown(): EngineState {
    return this.#download && this.#download.bytes < this.#download.total ? this.#download : this.#state;
  }

  #draw(): void {
    const state = this.#shown();
    const busy = state.phase === "download" || state.phase === "load";
    this.#name.textContent = nameOf(this.#choice);
    this.#about.textContent =
      this.#choice.kind === "embedded" ? `Comes with the extension · ${inBytes(OWN_MODEL_BYTES)}` : "";
    this.#status.textContent = this.#words();
    this.#bar.hidden = this.#cancel.parentElement!.hidden = !busy;
    if (busy && state.total > 0) {
      this.#bar.max = state.total;
      this.#bar.value = state.bytes;
    } else {
      this.#bar.removeAttribute("value");
    }
    const wrong = state.phase === "failed" ? state : this.#unreachable;
    const key = wrong === undefined ? "" : explain(wrong).technical;
    // Drawn only when it changes, so that its button keeps the focus and it is read aloud once.
    if (key !== this.#error.dataset.shown) {
      this.#error.dataset.shown = key;
      this.#error.replaceChildren(...(wrong === undefined ? [] : [errorBox(wrong, this.#retry)]));
    }
    for (const listener of this.#listeners) listener();
  }

  #words(): string {
    const state = this.#shown();
    switch (state.phase) {
      case "idle":
        return "Not loaded. It loads by itself when something is ranked or decided.";
      case "failed":
        return state.model === nameOf(this.#choice) ? "" : state.model;
      case "ready":
        return [
          phaseOf(state),
          state.dtype,
          ...(state.device === "gpu"
            ? [state.adapter, `${inBytes(state.memoryBytes)} of graphics memory`]
            : ["on the processor", `${inBytes(state.memoryBytes)} of memory`]),
        ]
          .filter(Boolean)
          .join(" · ");
      default: {
        const amount = state.total > 0 ? [`${inBytes(state.bytes)} of ${inBytes(state.total)}`] : [];
        return [phaseOf(state), ...amount, ...this.#rate.words(state.bytes, state.total)].join(" · ");
      }
    }
  }
}
