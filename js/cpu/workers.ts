/** Scoring on the CPU by several workers, each with a copy of the model: pages share memory only where they are isolated. */

import { BUILDS } from "../builds.js";
import type { EngineOptions, Listening, Racing, ScoringEngine, SharedModel, TextScore } from "../engine.js";
import { disposedError, throwIfAborted } from "../error.js";
import type { PlainSource } from "../loader/picked.js";
import type { PlainInfo } from "../protocol.js";
import { RemoteEngine } from "../remote.js";
import { threadsFor } from "../threads.js";
import { isOfPair } from "../thrown.js";
import { InOrder, Shares } from "./shares.js";

/** A token is about so many characters. What counts is only which pair costs more. */
const CHARACTERS_A_TOKEN = 4;

/** A worker beside the first is started for so many tokens of a call: loading the model takes as long as they do. */
const TOKENS_A_WORKER = 256;

/** Shares that a worker has at a time: the next one is there when one ends, since messages may wait for a core. */
const AHEAD = 2;

/** A call that workers take shares of. */
interface Job {
  /** How many pairs it has. */
  pairs: number;
  /** About how many tokens they have. */
  tokens: number;
  /** Lets a worker take part that was started meanwhile. */
  join(engine: RemoteEngine): void;
}

/**
 * One worker that is loaded, and others that are started once there is enough for them to do. A single pair is one
 * worker's. Where another worker fails, the rest does its share; where the first fails, the call does.
 */
export class CpuWorkers implements ScoringEngine, Racing {
  readonly #first: RemoteEngine;
  readonly #others: RemoteEngine[] = [];
  readonly #source: PlainSource;
  readonly #options: EngineOptions;
  /** The most workers. Less once one could not be started, or has failed. */
  #most: number;
  /** How many are being started. */
  #starting = 0;
  /** Calls that each worker has to do with. */
  readonly #busy = new Map<RemoteEngine, number>();
  readonly #jobs = new Set<Job>();
  readonly #stop = new AbortController();
  /** Why the CPU computes, where that is known only after loading. */
  note: string | undefined;

  /** `first` was loaded from `source` with `options`, and asked to share. */
  constructor(first: RemoteEngine, source: PlainSource, options: EngineOptions) {
    this.#first = first;
    this.#source = source;
    this.#options = options;
    const most = threadsFor(first.info().cpuBytes, options.threads);
    // What is not kept is not downloaded once more, unless that was asked for.
    this.#most = first.shared?.model || options.threads !== undefined ? most : 1;
  }

  /** Where another engine can take the model from without another download. */
  get sharedModel(): SharedModel | undefined {
    return this.#first.shared?.model;
  }

  /** See `Racing`. */
  race(rival: number, signal?: AbortSignal): Promise<void> {
    return this.#first.race(rival, signal);
  }

  /** See `ScoringEngine`. */
  async score(
    instructions: readonly string[],
    texts: readonly string[],
    listening: Listening<{ first: number; scores: TextScore[] }>,
  ): Promise<void> {
    if (this.#stop.signal.aborted) throw disposedError();
    throwIfAborted(listening.signal, "scoring");
    const { batchTokens, maxTokens } = this.#first.info();
    const instructionOf = (pair: number) => instructions[instructions.length === 1 ? 0 : pair]!;
    const costs = texts.map((text, pair) =>
      Math.min(maxTokens, 4 + (instructionOf(pair).length + text.length) / CHARACTERS_A_TOKEN),
    );
    const tokens = costs.reduce((sum, cost) => sum + cost, 0);
    if (this.#most === 1 || texts.length < 2) {
      const job = { pairs: texts.length, tokens, join: () => {} };
      return this.#during(job, () =>
        this.#on(this.#idlest(), (engine) => engine.score(instructions, texts, listening)),
      );
    }

    const shares = new Shares(costs, this.#most, batchTokens);
    const done = new InOrder((batch) => listening.onProgress?.(batch));
    const stop = new AbortController();
    const abort = () => stop.abort(listening.signal?.reason);
    const { signal } = stop;
    const working = new Set<Promise<void>>();

    const work = async (engine: RemoteEngine): Promise<void> => {
      for (let pairs = shares.take(); pairs.length > 0; pairs = shares.take()) {
        // Nothing after a pair that cannot be scored is handed on.
        const share = pairs.filter((pair) => pair < done.end);
        if (share.length === 0) continue;
        let count = 0;
        const onProgress = ({ first, scores }: { first: number; scores: TextScore[] }) => {
          count = first + scores.length;
          done.put(share.slice(first), scores);
        };
        const asked = instructions.length === 1 ? instructions : share.map(instructionOf);
        const wanted = share.map((pair) => texts[pair]!);
        try {
          await engine.score(asked, wanted, { signal, onProgress });
        } catch (error) {
          if (isOfPair(error)) {
            done.fail(share[count]!, error);
            shares.putBack(share.slice(count + 1));
            continue;
          }
          if (engine === this.#first || signal.aborted || this.#stop.signal.aborted) throw error;
          shares.putBack(share.slice(count));
          this.#drop(engine);
          // The first may have found nothing more to do before.
          join(this.#first);
          return;
        }
      }
    };
    const join = (engine: RemoteEngine) => {
      for (let i = 0; i < AHEAD; i += 1) {
        const part = this.#on(engine, work).finally(() => working.delete(part));
        working.add(part);
        // It is waited for below.
        part.catch(() => {});
      }
    };
    await this.#during({ pairs: texts.length, tokens, join }, async () => {
      listening.signal?.addEventListener("abort", abort);
      try {
        for (const engine of [this.#first, ...this.#others]) join(engine);
        while (working.size > 0) await Promise.all(working);
      } finally {
        listening.signal?.removeEventListener("abort", abort);
        // Where one worker has failed, the others do nothing more.
        stop.abort();
      }
    });
    done.throwIfFailed();
  }

  /** See `ScoringEngine`. The bytes are those of all workers, also of those that are not started yet. */
  info(): PlainInfo {
    const info = this.#first.info();
    const { note = info.note } = this;
    return { ...info, note, threads: this.#most, cpuBytes: info.cpuBytes * this.#most };
  }

  /** See `ScoringEngine`. */
  dispose(): void {
    this.#stop.abort();
    for (const engine of [this.#first, ...this.#others]) engine.dispose();
  }

  /** Does `work`, for which more workers may be started, and which those may take part in. */
  async #during<T>(job: Job, work: () => Promise<T>): Promise<T> {
    this.#jobs.add(job);
    this.#grow();
    try {
      return await work();
    } finally {
      this.#jobs.delete(job);
    }
  }

  async #on<T>(engine: RemoteEngine, work: (engine: RemoteEngine) => Promise<T>): Promise<T> {
    const change = (by: number) => this.#busy.set(engine, (this.#busy.get(engine) ?? 0) + by);
    change(1);
    try {
      return await work(engine);
    } finally {
      change(-1);
    }
  }

  #idlest(): RemoteEngine {
    const busy = (engine: RemoteEngine) => this.#busy.get(engine) ?? 0;
    return this.#others.reduce((best, engine) => (busy(engine) < busy(best) ? engine : best), this.#first);
  }

  /** Starts as many workers as there is work for. */
  #grow(): void {
    const sum = (of: "pairs" | "tokens") => [...this.#jobs].reduce((sum, job) => sum + job[of], 0);
    const wanted = Math.min(this.#most, sum("pairs"), 1 + Math.floor(sum("tokens") / TOKENS_A_WORKER));
    for (let there = 1 + this.#others.length + this.#starting; there < wanted; there += 1) void this.#start();
  }

  /** Starts one more worker, which takes part in the calls that are under way. */
  async #start(): Promise<void> {
    this.#starting += 1;
    const { model = { source: this.#source, options: {} }, compiled } = this.#first.shared ?? {};
    const load = (compiled: WebAssembly.Module | undefined) => {
      const options = { ...this.#options, ...model.options, share: false, rival: undefined, compiled };
      return RemoteEngine.load(BUILDS.cpu.worker, model.source, options, {
        signal: this.#stop.signal,
        unheeded: true,
      });
    };
    try {
      // A worker may not be given a compiled module, as where it has another origin than the page.
      const engine = await load(compiled).catch((error) => {
        if (!compiled) throw error;
        return load(undefined);
      });
      if (this.#stop.signal.aborted) return engine.dispose();
      this.#others.push(engine);
      for (const job of this.#jobs) job.join(engine);
    } catch {
      this.#most -= 1;
    } finally {
      this.#starting -= 1;
    }
  }

  /** Does without a worker from now on. */
  #drop(engine: RemoteEngine): void {
    engine.dispose();
    const at = this.#others.indexOf(engine);
    if (at < 0) return;
    this.#others.splice(at, 1);
    this.#most -= 1;
  }
}
