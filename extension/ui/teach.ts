/** Teaching on a page: how many lessons there are, the progress, the result, and whether it is used. */
import type { EngineClient } from "../engine/client.js";
import { forgetAdaptations } from "../engine/teachable.js";
import { lessonsOf } from "../learn/opinions.js";
import { onOpinions, readOpinions } from "../learn/store.js";
import type { Taught, Teaching } from "../messages.js";
import { changeSettings, type Settings, taughtOf } from "../settings.js";
import { announce, button, make } from "./dom.js";
import { codeOf, errorBox, isAbort } from "./errors.js";
import { counted, nameOf } from "./words.js";

/** Shows the state of teaching in `root`, as long as the page is open. Hidden while learning is switched off. */
export class TeachView {
  readonly #about = make("p", {});
  readonly #teach = button("Teach", () => void this.#begin(), { className: "primary" });
  readonly #cancel = button("Cancel", () => void this.engine.stopTeaching(), { label: "Cancel teaching" });
  readonly #bar = make("progress", { ariaLabel: "Teaching" });
  readonly #status = make("p", { className: "muted small numbers", role: "status" });
  readonly #result = make("p", { className: "small numbers" });
  readonly #use = make("input", { type: "checkbox", className: "toggle", role: "switch" });
  readonly #forget = button("Forget what it learned", () => void this.#do(() => this.#forgetIt()));
  readonly #learned = make(
    "div",
    { className: "stack" },
    this.#result,
    make("label", { className: "switch" }, make("span", {}, "Use what it learned"), this.#use),
    make("div", { className: "row" }, this.#forget),
  );
  readonly #error = make("div", { role: "alert" });
  #settings: Settings | undefined;
  #teaching: Teaching = { phase: "idle" };
  #lessons = 0;

  constructor(
    readonly root: HTMLElement,
    readonly engine: EngineClient,
  ) {
    root.hidden = true;
    root.append(
      this.#about,
      make("div", { className: "row" }, this.#teach, this.#cancel),
      this.#bar,
      this.#status,
      this.#error,
      this.#learned,
    );
    this.#use.addEventListener("change", () => void changeSettings({ useLearned: this.#use.checked }));
    engine.onTeaching((teaching) => this.#update(teaching));
    onOpinions(() => void this.#count());
  }

  /** Takes settings over. */
  show(settings: Settings): void {
    const before = this.#settings?.learn;
    this.#settings = settings;
    this.root.hidden = !settings.learn;
    if (settings.learn && !before) void this.#count();
    this.#draw();
  }

  async #count(): Promise<void> {
    if (!this.#settings?.learn) return;
    this.#lessons = lessonsOf(await readOpinions()).length;
    this.#draw();
  }

  async #begin(): Promise<void> {
    if (this.#lessons === 0) return;
    await this.#do(() => this.engine.teach());
  }

  async #forgetIt(): Promise<void> {
    const taught = this.#settings && taughtOf(this.#settings);
    if (!taught) return;
    // The change of settings makes the engine unload the model, and pages drop their scores.
    await changeSettings({ taught: this.#settings!.taught.filter((one) => one !== taught) });
    await this.engine.unload();
    await forgetAdaptations(taught.name);
    this.#status.textContent = "Forgotten. The model scores as it came.";
    this.#teach.focus();
  }

  #update(teaching: Teaching): void {
    const before = this.#teaching.phase;
    this.#teaching = teaching;
    if (teaching.phase === "done") this.#status.textContent = "";
    if (teaching.phase !== before && teaching.phase === "done") announce(`Learned. ${inWords(teaching.taught)}`);
    if (teaching.phase === "failed") this.#fail(teaching);
    this.#draw();
  }

  #draw(): void {
    const { phase } = this.#teaching;
    const running = phase === "running";
    const name = this.#settings ? nameOf(this.#settings.model) : "";
    this.#about.textContent =
      this.#lessons === 0
        ? "No lessons yet. Press thumbs beside answers, best up and down for the same prompt."
        : `${counted(this.#lessons, "lesson")} to learn from. Teaching adjusts the last layer of ${name}, here on this device.`;
    // Not `disabled`, which would take the focus away.
    this.#teach.ariaDisabled = String(running || this.#lessons === 0);
    if (!running && document.activeElement === this.#cancel) this.#teach.focus();
    this.#cancel.hidden = this.#bar.hidden = !running;
    if (this.#teaching.phase === "running") this.#progress(this.#teaching);
    const taught = this.#settings && taughtOf(this.#settings);
    this.#learned.hidden = !taught;
    this.#use.checked = this.#settings?.useLearned ?? true;
    if (taught) this.#result.textContent = inWords(taught);
  }

  #progress({ lessons, step, steps, loss, heldOut }: Extract<Teaching, { phase: "running" }>): void {
    this.#error.replaceChildren();
    if (steps > 0) {
      this.#bar.max = steps;
      this.#bar.value = step;
    } else {
      this.#bar.removeAttribute("value");
    }
    this.#status.textContent = [
      steps > 0 ? `Step ${step} of ${steps}` : `Reading ${counted(lessons, "lesson")}`,
      ...(loss === null ? [] : [`error ${loss.toFixed(4)}`]),
      ...(heldOut === null ? [] : [`${heldOut.toFixed(4)} on lessons held out`]),
    ].join(" · ");
  }

  #fail(error: unknown): void {
    const away = isAbort(error);
    this.#status.textContent = away ? "Cancelled. Nothing was learned." : "";
    this.#error.replaceChildren(...(away ? [] : [errorBox(error, () => void this.#begin())]));
  }

  async #do(work: () => Promise<void>): Promise<void> {
    this.#error.replaceChildren();
    this.#status.textContent = "";
    try {
      await work();
    } catch (error) {
      // Another page is teaching it.
      if (codeOf(error) !== "busy") this.#fail(error);
    }
  }
}

/** The result of teaching, in sentences. */
function inWords({ lessons, steps, before, after, at }: Taught): string {
  const when = new Date(at).toLocaleDateString();
  const error =
    before === null || after === null
      ? "Too few lessons to hold some out and tell whether it helps."
      : `Error on lessons held out: ${before.toFixed(4)} before, ${after.toFixed(4)} after.${after < before ? "" : " It did not help."}`;
  return `Learned from ${counted(lessons, "lesson")} in ${counted(steps, "step")} on ${when}. ${error}`;
}
