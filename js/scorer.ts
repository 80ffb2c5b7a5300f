import type { Best, BestOptions } from "./best/choice.js";
import { adapting, type Opened, openEngine, openFirst } from "./choose.js";
import type { Answers, DecideOptions, Decision, Question, Rendering } from "./decide/decisions.js";
import { Engine, type EngineOptions, type Origin, type ScoringEngine, type TextScore } from "./engine.js";
import { CappyError, messageOf } from "./error.js";
import type { Explanation, ExplainOptions } from "./explain/explanation.js";
import type { Disposing } from "./globals.js";
import { isNode } from "./gpu.js";
import { assetsAt, plainSource } from "./loader/source.js";
import { forward, seldom } from "./listening.js";
import { checkOptions, LOAD, RANK, SCORE, textOfCandidate } from "./options.js";
import { bestFirst } from "./order.js";
import { Queue } from "./queue.js";
import { scriptFile } from "./thread.js";
import { asCappyError, isOfPair, part, toCappyError } from "./thrown.js";
import type {
  AdaptationSource,
  Adapted,
  AdaptOptions,
  Candidate,
  Info,
  KeptAdaptation,
  Lesson,
  LoadOptions,
  ModelSource,
  Ranked,
  RankOptions,
  Scored,
  ScoreOptions,
} from "./types.js";

/** Opening the GPU waits so long for a first call, and so long for its end: both would take the same cores. */
const FIRST_CALL_MS = 50;
const MOST_FIRST_CALL_MS = 1_000;

type Batches = AsyncGenerator<TextScore[], void, void>;

/** `using` disposes of it, where that exists. */
export interface Scorer extends Disposing {}

/** A loaded model that scores how well responses answer an instruction. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the method is added below, where the browser knows Symbol.dispose
export class Scorer {
  readonly #origin: Origin;
  readonly #queue = new Queue();
  /** Calls that are under way. */
  readonly #calls = new Set<Promise<void>>();
  /** The engine in use comes last. Before it are former ones with calls under way. */
  readonly #engines: ScoringEngine[];
  /** How the model is asked for decisions, once that was read. */
  #rendering: Promise<Rendering> | undefined;

  /** Stops what may take the place of the engine that was loaded. */
  readonly #moving = new AbortController();
  readonly #settled: Promise<void>;

  private constructor({ engine, next }: Opened, origin: Origin) {
    this.#engines = [engine];
    this.#origin = origin;
    this.#settled = next ? this.#move(next) : Promise.resolve();
  }

  get #engine(): ScoringEngine {
    return this.#engines.at(-1)!;
  }

  /**
   * Loads a model: cappy-small, which comes with this package, unless another is named. It is a download of 12.7 MB.
   *
   * @throws CappyError see `CappyErrorCode`
   * @example
   * const scorer = await Scorer.load("btan2/cappy-large", { onProgress: console.log });
   */
  static load(source?: ModelSource, options: LoadOptions = {}): Promise<Scorer> {
    return asCappyError(async () => {
      checkOptions(options, LOAD, "load");
      const { signal, onProgress, adaptation, worker, ...rest } = options;
      const plain = checked(rest);
      const origin = { source: plainSource(source), options: plain, worker: worker ?? hasWorkers(plain.assets) };
      const listening = { signal, onProgress: onProgress && forward(isolated(onProgress)) };
      return new Scorer(await openFirst(origin, adaptation, listening), origin);
    });
  }

  /** The raw logit of one response; nominally 0..1, it may step a little outside. */
  score(instruction: string, response: string, options?: ScoreOptions): Promise<number>;
  /** The raw logit of each response, in input order. */
  score(instruction: string, responses: readonly Candidate[], options?: ScoreOptions): Promise<Float32Array>;
  async score(
    instruction: string,
    responses: string | readonly Candidate[],
    options?: ScoreOptions,
  ): Promise<number | Float32Array> {
    const list = typeof responses === "string" ? [responses] : responses;
    const scores = new Float32Array(textsOf(list).length);
    for await (const { index, score } of this.stream(instruction, list, options)) scores[index] = score;
    return typeof responses === "string" ? scores[0]! : scores;
  }

  /** The logit of every label for each response, in input order; for models with several outputs. */
  async logits(instruction: string, responses: readonly Candidate[], options?: ScoreOptions): Promise<Float32Array[]> {
    const all: Float32Array[] = [];
    for await (const scores of this.#batches([instruction], textsOf(responses), options)) {
      all.push(...scores.map(({ logits }) => Float32Array.from(logits)));
    }
    return all;
  }

  /** The candidates with their scores, best first. Equal scores keep the order given. */
  async rank<C extends Candidate>(
    instruction: string,
    candidates: readonly C[],
    options: RankOptions = {},
  ): Promise<Ranked<C>[]> {
    checkOptions(options, RANK, "rank");
    const { topK, ...others } = options;
    if (topK !== undefined && !(Number.isInteger(topK) && topK >= 0)) {
      throw new CappyError("input", "topK", `is ${topK}; it must be a whole number, 0 or more`);
    }
    const ranked: Ranked<C>[] = [];
    for await (const scored of this.stream(instruction, candidates, others)) ranked.push(scored);
    return ranked.sort(bestFirst).slice(0, topK);
  }

  /** Each candidate as soon as it is scored, in input order. Leaving the loop stops the work. */
  async *stream<C extends Candidate>(
    instruction: string,
    candidates: readonly C[],
    options?: ScoreOptions,
  ): AsyncGenerator<Scored<C>, void, void> {
    const texts = textsOf(candidates);
    this.#needsOneOutput();
    let index = 0;
    for await (const scores of this.#batches([instruction], texts, options)) {
      for (const { logits, device, tokens, truncated } of scores) {
        const text = texts[index]!;
        yield { index, score: logits[0]!, text, candidate: candidates[index]!, device, tokens, truncated };
        index += 1;
      }
    }
  }

  /**
   * Answers typed questions about a state, with probabilities: each option is scored as a response to the state
   * and the question. The order of options and of questions changes no answer. `truncated` is the most tokens
   * that were cut because the state is too long.
   *
   * @throws CappyError `input` naming the question that cannot be answered, or the model where it has several
   *   labels of which none is `entailment`; `config` for a broken `decide.json`
   * @example
   * const { answers } = await scorer.decide({
   *   state: { message: "I was charged twice." },
   *   questions: {
   *     team: { type: "choice", instructions: "Which team should handle this?", criteria: { billing: null, support: null } },
   *     refund: { type: "boolean", instructions: "Is a refund asked for?" },
   *   },
   * });
   * console.log(answers.team.choice, answers.refund.probability);
   */
  decide<const Q extends Readonly<Record<string, Question>>>(
    decision: Decision<Q>,
    options: DecideOptions = {},
  ): Promise<{ answers: Answers<Q>; truncated: number }> {
    return asCappyError(async () => {
      const { labels } = this.info();
      const { decide, ownRendering } = await part("decide/decide.js", () => import("./decide/decide.js"));
      const rendering = () => {
        // A failure is not remembered, because the next try may succeed.
        this.#rendering ??= ownRendering(this.#origin, labels.length).catch((error) => {
          this.#rendering = undefined;
          throw error;
        });
        return this.#rendering;
      };
      const onAnswer = options?.onAnswer;
      const safe = typeof onAnswer === "function" ? { ...options, onAnswer: isolated(onAnswer) } : options;
      return this.#byOneEngine((score) => decide({ labels, rendering, score }, decision, safe));
    });
  }

  /**
   * Scores candidates one by one as they come, such as the samples of a language model, and asks for no more once
   * one is good `enough`, or `patience` of them in a row were no better, or `atMost` were scored. Then it calls
   * `return()` on the source's iterator, which is how its maker learns of it, and waits for it. So it does where
   * something fails, or is aborted. Of equal scores the earlier candidate is the best. `undefined` where there was
   * no candidate.
   *
   * @throws CappyError `input` naming the option, the candidate, or the model where it has several outputs, and
   *   as `score`; what the source throws comes as it is
   * @example
   * async function* samples(prompt) {
   *   for (;;) yield await generate(prompt);
   * }
   * const best = await scorer.best(prompt, samples(prompt), { enough: 0.8, patience: 4, atMost: 16 });
   * console.log(best.text, best.score, `after ${best.scored}: ${best.stopped}`);
   */
  async best<C extends Candidate>(
    instruction: string,
    candidates: Iterable<C> | AsyncIterable<C>,
    options: BestOptions<C> = {},
  ): Promise<Best<C> | undefined> {
    this.#needsOneOutput();
    const { best } = await part("best/best.js", () => import("./best/best.js"));
    const onScore = options?.onScore;
    const safe = typeof onScore === "function" ? { ...options, onScore: isolated(onScore) } : options;
    return this.#byOneEngine((score) => best(score, instruction, candidates, safe));
  }

  /**
   * What each word or sentence of the response does to the score, by leaving it out; with `of: "instruction"`,
   * those of the instruction. It tells what the model reacts to, not why an answer is right.
   *
   * @throws CappyError `input` naming the text that has no words, or more than `atMost`, or the model where it has
   *   several outputs
   * @example
   * const { units } = await scorer.explain("Which animal barks?", "A dog barks.");
   * console.log(units.map(({ text, effect }) => `${text} ${effect.toFixed(2)}`));
   */
  explain(instruction: string, response: string, options: ExplainOptions = {}): Promise<Explanation> {
    return asCappyError(async () => {
      this.#needsOneOutput();
      const { explain } = await part("explain/explain.js", () => import("./explain/explain.js"));
      const onProgress = options?.onProgress;
      const safe = typeof onProgress === "function" ? { ...options, onProgress: isolated(onProgress) } : options;
      return this.#byOneEngine((score) => explain(score, instruction, response, safe));
    });
  }

  /**
   * Makes the model learn from lessons, on this device; `apply` applies the result. Training always begins with
   * the model itself, whatever is applied, so to add a lesson pass all of them.
   *
   * @throws CappyError `input` naming a lesson or an option, `out-of-memory`, `not-finite` where the
   *   learning rate was too high, and what `load` throws
   * @example
   * const adapted = await scorer.adapt([{ instruction: "Greet me.", chosen: "Good morning!", rejected: "What." }]);
   * await scorer.apply(adapted);
   */
  adapt(lessons: Iterable<Lesson>, options: AdaptOptions = {}): Promise<Adapted> {
    return asCappyError(async () => {
      const info = this.info();
      return (await adapting()).adapt(this.#origin, info, lessons, options, isolated);
    });
  }

  /**
   * Scores with an adaptation from now on; without an argument, with the model itself. Calls under way end as
   * they began. While the model is loaded again, both are in the GPU's memory. When loading fails, the scorer is
   * as before.
   *
   * @throws CappyError `not-found` for a name that nothing is kept under, `checkpoint` for one that
   *   does not fit the model, and what `load` throws
   */
  apply(adaptation?: AdaptationSource): Promise<void> {
    return asCappyError(() =>
      this.#queue.run(async () => {
        this.info();
        const engine = await openEngine(this.#origin, adaptation, {});
        this.#replaceBy(engine);
        // It would take the adaptation away again.
        this.#moving.abort();
      }),
    );
  }

  /**
   * Waits until it is decided what computes from now on, and gives `info()`. With `device: "auto"` a small model
   * begins on the CPU and may move to the GPU; otherwise that is decided when loading ends. Calls under way end
   * where they began, and each result says by `device` what computed it.
   *
   * @throws CappyError `disposed`
   */
  async settled(): Promise<Info> {
    // Opening the GPU does not keep a program of Node from ending; waiting for it does.
    const hold = setInterval(() => {}, 60_000);
    try {
      await this.#settled;
    } finally {
      clearInterval(hold);
    }
    return this.info();
  }

  /** What was loaded and how it runs. */
  info(): Info {
    return { ...this.#engine.info(), worker: !(this.#engine instanceof Engine) };
  }

  /** Frees the GPU's memory and ends the worker. Calls under way fail with `disposed`. */
  dispose(): void {
    this.#moving.abort();
    for (const engine of this.#engines) engine.dispose();
  }

  /** Scores with this engine from now on. Calls under way end as they began. */
  #replaceBy(engine: ScoringEngine): void {
    const before = [...this.#engines];
    try {
      before.at(-1)!.info();
    } catch (error) {
      engine.dispose();
      throw error;
    }
    this.#engines.push(engine);
    void Promise.allSettled(this.#calls).then(() => {
      for (const old of before) old.dispose();
      this.#engines.splice(0, this.#engines.indexOf(engine));
    });
  }

  /** Opens the engine that may take the place of the first, once a call that comes at once is answered. */
  async #move(next: NonNullable<Opened["next"]>): Promise<void> {
    const { signal } = this.#moving;
    await pause(FIRST_CALL_MS);
    await Promise.race([Promise.allSettled(this.#calls), pause(MOST_FIRST_CALL_MS)]);
    if (signal.aborted) return;
    const engine = await next(signal);
    if (!engine) return;
    await this.#queue.run(async () => {
      if (signal.aborted) engine.dispose();
      else this.#replaceBy(engine);
    });
  }

  /** Does `work` with the engine of now, even where another takes its place meanwhile: scores that are compared come from one. */
  #byOneEngine<T>(
    work: (score: (instructions: string[], texts: string[], options?: ScoreOptions) => Batches) => Promise<T>,
  ): Promise<T> {
    const engine = this.#engine;
    const done = work((instructions, texts, options) => this.#batches(instructions, texts, options, engine));
    this.#underWay(done);
    return done;
  }

  /** Notes a call, until whose end the engines remain that there are. */
  #underWay(call: Promise<unknown>): void {
    const ended = call.then(
      () => {},
      () => {},
    );
    this.#calls.add(ended);
    void ended.then(() => this.#calls.delete(ended));
  }

  #needsOneOutput(): void {
    const { labels } = this.info();
    if (labels.length !== 1) {
      throw new CappyError("input", "model", `has ${labels.length} outputs; use logits() instead`);
    }
  }

  /** The batches as they finish. The engine may be faster than the caller; then batches wait in a list. */
  async *#batches(instructions: string[], texts: string[], options: ScoreOptions = {}, engine = this.#engine): Batches {
    checkOptions(options, SCORE, "score");
    const { signal, onProgress } = options;
    if (typeof instructions[0] !== "string") throw new CappyError("input", "instruction", "is not a string");
    const stop = new AbortController();
    const report = onProgress && seldom(isolated(onProgress));
    const abort = () => stop.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { signal: stop.signal });
    const ready: TextScore[][] = [];
    let wake = () => {};
    let over = false;
    let failure: unknown;
    let done = 0;
    const work = engine
      .score(instructions, texts, {
        signal: stop.signal,
        onProgress: ({ first, scores }) => {
          ready.push(scores);
          done = first + scores.length;
          report?.({ done, total: texts.length });
          wake();
        },
      })
      .catch((error) => {
        failure = naming(error, done);
      })
      .finally(() => {
        over = true;
        wake();
      });
    this.#underWay(work);
    try {
      for (;;) {
        while (ready.length > 0) yield ready.shift()!;
        if (over) break;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (failure !== undefined) throw failure;
    } finally {
      stop.abort();
      await work;
    }
  }
}

/** The adaptations that are kept in this browser: results, and runs that can be resumed. */
export function keptAdaptations(): Promise<KeptAdaptation[]> {
  return asCappyError(async () => (await adapting()).keptAdaptations());
}

/**
 * Deletes an adaptation that is kept in this browser; nothing happens where there is none.
 *
 * @throws CappyError `io` while it is being trained, or when the storage fails
 */
export function deleteAdaptation(name: string): Promise<void> {
  return asCappyError(async () => (await adapting()).deleteAdaptation(name));
}

// Older browsers have no Symbol.dispose; a method by that name would be called "undefined" there.
if (Symbol.dispose) {
  Object.defineProperty(Scorer.prototype, Symbol.dispose, { value: Scorer.prototype.dispose });
}

function textsOf(candidates: readonly Candidate[]): string[] {
  if (!Array.isArray(candidates)) throw new CappyError("input", "candidates", "are not a list");
  // Unlike `map`, `Array.from` visits holes, too.
  return Array.from(candidates, textOfCandidate);
}

/** A while, which does not keep a program from ending. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer: unknown = setTimeout(resolve, ms);
    (timer as { unref?(): void }).unref?.();
  });
}

/** Names the candidate at fault. It is always the first one that is not done, because a batch ends before it. */
function naming(thrown: unknown, index: number): CappyError {
  const error = toCappyError(thrown);
  if (!isOfPair(error)) return error;
  return new CappyError(error.code, `candidates[${index}] with its instruction`, error.what, { cause: error });
}

/** A listener whose own errors stop nothing: they are reported like those of an event listener. */
function isolated<P extends unknown[]>(listener: (...told: P) => void): (...told: P) => void {
  return (...told) => {
    try {
      listener(...told);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

/** Whether there are workers to load a model in. A worker itself does not start another one. */
function hasWorkers(assets: string | undefined): boolean {
  return (
    (typeof Worker === "function" && typeof document === "object") ||
    (isNode() && scriptFile("worker.js", assets) !== undefined)
  );
}

/** The options, checked, in a form that can be sent to a worker. */
function checked({ headers, fetch: custom, assets, ...options }: Omit<LoadOptions, "adaptation">): EngineOptions {
  for (const name of ["batchTokens", "threads"] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) {
      throw new CappyError("input", name, `is ${value}; it must be a whole number above 0`);
    }
  }
  const folder = assets && assetsAt(assets);
  try {
    return {
      ...options,
      assets: folder,
      headers: headers && Object.fromEntries(new Headers(headers)),
      // A browser's own fetch must not be called as a method of another object.
      fetch: custom && ((url, init) => custom(url, init)),
    };
  } catch (cause) {
    throw new CappyError("input", "headers", messageOf(cause), { cause });
  }
}
