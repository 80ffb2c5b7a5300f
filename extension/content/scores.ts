/** Scores of answers: those that are known, and requests to the engine for the others. */
import { engineClient, type EngineClient } from "../engine/client.js";
import type { EngineState, Score } from "../messages.js";
import { explained } from "./explain.js";
import { dropOldest } from "./oldest.js";

/** The most scores that are held; the oldest are dropped first. */
const MOST_HELD = 2048;

/** The most answers in one request, so that newer requests do not wait long. */
const MOST_ASKED = 32;

/** Answers to one prompt that lack a score. */
export interface Wish {
  instruction: string;
  answers: readonly { print: string; text: string }[];
}

export class Scores {
  readonly #changed: () => void;
  readonly #client: EngineClient = engineClient();
  readonly #scores = new Map<string, Score>();
  readonly #closed = new AbortController();
  #wishes: Wish[] = [];
  #asking = false;
  #problem = "";
  #state: EngineState | undefined;
  /** The model of these scores. */
  #model = "";

  /** Calls `changed` after new scores and changes of the engine's state. */
  constructor(changed: () => void) {
    this.#changed = changed;
    this.#client.onState((state) => this.#update(state));
  }

  /** The state of the engine; `undefined` until it has sent one. */
  get state(): EngineState | undefined {
    return this.#state;
  }

  /** The last error; nothing more is requested until `retry`. */
  get problem(): string {
    return this.#problem;
  }

  of(print: string): Score | undefined {
    return this.#scores.get(print);
  }

  /** Sets what to score now. It replaces earlier wishes for which no request was made yet. */
  want(wishes: Wish[]): void {
    this.#wishes = wishes;
    void this.#ask();
  }

  /** Tries again after a problem. */
  retry(): void {
    this.#problem = "";
    void this.#ask();
    this.#changed();
  }

  /** What carried the score of an answer, as lines for a note. */
  explain(instruction: string, answer: string, signal: AbortSignal): Promise<string[]> {
    return explained(this.#client, instruction, answer, AbortSignal.any([signal, this.#closed.signal]));
  }

  /** Forgets all scores, as when another model is chosen. */
  forget(): void {
    this.#scores.clear();
    this.#problem = "";
  }

  close(): void {
    this.#closed.abort();
    this.#client.close();
  }

  #update(state: EngineState): void {
    this.#state = state;
    if (state.phase === "ready") {
      const model = `${state.model} ${state.adaptation} ${state.dtype}`;
      if (this.#model && model !== this.#model) {
        this.forget();
        void this.#ask();
      }
      this.#model = model;
    }
    this.#changed();
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      for (let next = this.#next(); next; next = this.#next()) await this.#score(next);
    } finally {
      this.#asking = false;
    }
    this.#changed();
  }

  #next(): Wish | undefined {
    if (this.#problem || this.#closed.signal.aborted) return undefined;
    for (const { instruction, answers } of this.#wishes) {
      // Equal answers have equal fingerprints, and are requested once.
      const lacking = new Map(
        answers.filter(({ print }) => !this.#scores.has(print)).map((answer) => [answer.print, answer]),
      );
      if (lacking.size > 0) return { instruction, answers: [...lacking.values()].slice(0, MOST_ASKED) };
    }
    return undefined;
  }

  async #score({ instruction, answers }: Wish): Promise<void> {
    try {
      await this.#client.score(
        instruction,
        answers.map(({ text }) => text),
        {
          signal: this.#closed.signal,
          onScored: (first, scores) => {
            scores.forEach((score, index) => this.#add(answers[first + index], score));
            this.#changed();
          },
        },
      );
      // Otherwise an engine that says it is done without scores would get the same request for ever.
      if (answers.some(({ print }) => !this.#scores.has(print))) this.#problem = "The engine left answers out.";
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      this.#problem = error instanceof Error ? error.message : String(error);
    }
  }

  #add(answer: Wish["answers"][number] | undefined, score: Score): void {
    if (!answer) return;
    this.#scores.set(answer.print, score);
    dropOldest(this.#scores, MOST_HELD);
  }
}
