/** Teaching: the model learns from the user's thumbs, on this device alone. */
import type { Scorer } from "cappy-web";
import { lessonsOf } from "../learn/opinions.js";
import { readOpinions } from "../learn/store.js";
import type { Taught, Teaching } from "../messages.js";
import { Failure, failureOf, type Model } from "./model.js";
import { adapt, forgetAdaptations, type Lesson } from "./teachable.js";

/** With fewer instructions than this nothing is held out, because there is too little to learn from as it is. */
const FEWEST_TO_HOLD_OUT = 5;
const HELD_OUT = 0.2;

export class Teacher {
  readonly #model: Model;
  readonly #onTeaching: (teaching: Teaching) => void;
  readonly #onTaught: (taught: Taught) => Promise<void>;
  #teaching: Teaching = { phase: "idle" };
  #stop: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();

  /** Calls `onTeaching` with how far it is, and `onTaught` once with the result, to be stored. */
  constructor(
    model: Model,
    { onTeaching, onTaught }: { onTeaching: (teaching: Teaching) => void; onTaught: (taught: Taught) => Promise<void> },
  ) {
    this.#model = model;
    this.#onTeaching = onTeaching;
    this.#onTaught = onTaught;
  }

  /** How far it is. */
  get teaching(): Teaching {
    return this.#teaching;
  }

  /** Teaches the chosen model all lessons. The result replaces what it learned before. */
  async teach(): Promise<void> {
    if (this.#stop) throw new Failure("busy", "It is being taught already");
    this.#stop = new AbortController();
    await (this.#running = this.#teach(this.#stop));
  }

  async #teach(stop: AbortController): Promise<void> {
    try {
      const lessons = lessonsOf(await readOpinions());
      if (lessons.length === 0) throw new Failure("input", "There are no lessons");
      this.#publish({ phase: "running", lessons: lessons.length, step: 0, steps: 0, loss: null, heldOut: null });
      const taught = await this.#learn(lessons, stop.signal);
      await this.#onTaught(taught);
      await forgetAdaptations(prefixOf(taught.model), taught.name);
      this.#publish({ phase: "done", taught });
    } catch (error) {
      const { code, message } = failureOf(error);
      this.#publish(stop.signal.aborted ? { phase: "idle" } : { phase: "failed", code, message });
      throw error;
    } finally {
      this.#stop = undefined;
    }
  }

  /** Stops it, with nothing learned. Resolves when it has stopped. */
  async stop(): Promise<void> {
    this.#stop?.abort(new Failure("aborted", "It was cancelled"));
    await this.#running.catch(() => {});
  }

  async #learn(lessons: Lesson[], signal: AbortSignal): Promise<Taught> {
    // An error of teaching must not count as a failure of the model, which others may be using.
    let outcome: { taught: Taught } | { error: unknown } | undefined;
    await this.#model.use(signal, async (scorer, model) => {
      outcome = await this.#run(scorer, model, lessons, signal).then(
        (taught) => ({ taught }),
        (error: unknown) => ({ error }),
      );
    });
    if (!outcome || "error" in outcome) throw outcome?.error;
    return outcome.taught;
  }

  async #run(scorer: Scorer, model: string, lessons: Lesson[], signal: AbortSignal): Promise<Taught> {
    const at = Date.now();
    const name = `${prefixOf(model)}${at.toString(36)}`;
    const instructions = new Set(lessons.map(({ instruction }) => instruction)).size;
    let heldOut: number | null = null;
    try {
      const history = await adapt(scorer, lessons, {
        signal,
        keep: name,
        heldOut: instructions < FEWEST_TO_HOLD_OUT ? 0 : HELD_OUT,
        onProgress: ({ step, steps, loss, heldOut: error }) => {
          heldOut = error ?? heldOut;
          this.#publish({ phase: "running", lessons: lessons.length, step, steps, loss, heldOut });
        },
      });
      return { model, name, lessons: lessons.length, at, ...history };
    } catch (error) {
      // The package has stored a state to resume from. Lessons are few, so the next run begins anew.
      await forgetAdaptations(name).catch(() => {});
      throw error;
    }
  }

  #publish(teaching: Teaching): void {
    this.#teaching = teaching;
    this.#onTeaching(teaching);
  }
}

/** How the names of everything begin that a model learns here. */
function prefixOf(model: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < model.length; at += 1) hash = Math.imul(hash ^ model.charCodeAt(at), 0x01000193);
  return `choices-${(hash >>> 0).toString(36)}-`;
}
