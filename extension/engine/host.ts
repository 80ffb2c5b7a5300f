/**
 * The engine behind its ports: checks messages, scores, and sends its state to all. In Chrome it runs in the
 * offscreen document, in Firefox in the event page.
 */
import type { Answer as PackageAnswer, Question } from "cappy-web";
import * as v from "valibot";
import {
  type Decided,
  ENGINE_PORT,
  type EngineSettings,
  type EngineState,
  type FromEngine,
  type Kind,
  MOST_SCORES,
  type Score,
  type Taught,
  type Teaching,
  ToEngine,
  VERSION,
} from "../messages.js";
import { Failure, failureOf, Model } from "./model.js";
import { Teacher } from "./teach.js";
import { throttled } from "./throttle.js";
import { isOurPage, isOurs } from "./trust.js";

/** Between two states that differ only in numbers, such as bytes, at least so many ms pass. */
const STATE_EVERY = 200;

export interface HostOptions {
  /** The first settings. Requests wait for them. */
  settings: Promise<EngineSettings>;
  /**
   * Called with the state of the engine, but not when only the number of requests changes: the call may have to
   * wake another part of the extension, and those that work with the engine are connected.
   */
  onState: (state: EngineState) => void;
  /** Called with what was learned, to store it with the settings. */
  onTaught: (taught: Taught) => Promise<void>;
  /** Called when there was no request during the idle time. */
  onIdle: () => void;
}

export class EngineHost {
  readonly #model: Model;
  readonly #teacher: Teacher;
  readonly #ports = new Set<chrome.runtime.Port>();
  readonly #settings: Promise<void>;

  constructor({ settings, onState, onTaught, onIdle }: HostOptions) {
    let before: EngineState["phase"] | undefined;
    const publish = throttled<EngineState>(
      STATE_EVERY,
      ({ phase }) => phase,
      (state) => {
        for (const port of this.#ports) send(port, { v: VERSION, type: "state", state });
        if (state.phase !== "ready" || before !== "ready") onState(state);
        before = state.phase;
      },
    );
    this.#model = new Model(publish, onIdle);
    const onTeaching = throttled<Teaching>(
      STATE_EVERY,
      ({ phase }) => phase,
      (teaching) => {
        for (const port of this.#ports)
          if (isOurPage(port.sender)) send(port, { v: VERSION, type: "teaching", teaching });
      },
    );
    this.#teacher = new Teacher(this.#model, { onTeaching, onTaught });
    // Settings that came in the meantime are newer.
    this.#settings = settings.then((first) => {
      if (!this.#model.configured) this.#model.configure(first);
    });
    this.#settings.catch(() => {});
    chrome.runtime.onConnect.addListener((port) => this.#connect(port));
  }

  /** The state of the engine. */
  get state(): EngineState {
    return this.#model.state;
  }

  /** Takes other settings. */
  configure(settings: EngineSettings): void {
    this.#model.configure(settings);
  }

  #connect(port: chrome.runtime.Port): void {
    if (port.name !== ENGINE_PORT) return;
    if (!isOurs(port.sender)) {
      port.disconnect();
      return;
    }
    const isPage = isOurPage(port.sender);
    const running = new Map<number, { type: ToEngine["type"]; stop: AbortController }>();
    const leave = () => {
      this.#ports.delete(port);
      // A model that is being loaded goes on loading when the popup that asked for it closes.
      for (const { type, stop } of running.values())
        if (type === "score" || type === "decide") stop.abort(new Failure("aborted", "Nobody listens"));
    };
    port.onDisconnect.addListener(leave);
    port.onMessage.addListener((raw: unknown) => {
      const { success, output } = v.safeParse(ToEngine, raw);
      const known = success && (output.type === "cancel" || !running.has(output.id));
      if (!known || !(isPage || output.type === "score" || output.type === "cancel")) {
        leave();
        port.disconnect();
      } else if (output.type === "cancel") {
        running.get(output.id)?.stop.abort(new Failure("aborted", "It was cancelled"));
      } else {
        const stop = new AbortController();
        const busy = [...running.values()].filter(({ type }) => type === "score").length >= MOST_SCORES;
        const work = busy
          ? Promise.reject(new Failure("busy", `${MOST_SCORES} requests are under way`))
          : this.#run(port, output, stop.signal);
        running.set(output.id, { type: output.type, stop });
        work
          .then(
            () => send(port, { v: VERSION, type: "done", id: output.id }),
            (error) => send(port, { v: VERSION, type: "failed", id: output.id, ...failureOf(error) }),
          )
          .finally(() => running.delete(output.id));
      }
    });
    this.#ports.add(port);
    send(port, { v: VERSION, type: "state", state: this.#model.state });
    if (isPage) send(port, { v: VERSION, type: "teaching", teaching: this.#teacher.teaching });
  }

  async #run(
    port: chrome.runtime.Port,
    request: Exclude<ToEngine, { type: "cancel" }>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#settings;
    signal.throwIfAborted();
    switch (request.type) {
      case "load":
        return this.#model.load(signal);
      case "unload":
        return this.#model.unload();
      case "score":
        return this.#score(port, request, signal);
      case "decide":
        return this.#decide(port, request, signal);
      case "teach":
        return this.#teacher.teach();
      case "stop-teaching":
        return this.#teacher.stop();
    }
  }

  async #score(
    port: chrome.runtime.Port,
    { id, instruction, answers }: Extract<ToEngine, { type: "score" }>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#model.use(signal, async (scorer) => {
      let ready = 0;
      let first = 0;
      let batch: Score[] = [];
      const onProgress = ({ done }: { done: number }) => (ready = done);
      for await (const { score, truncated } of scorer.stream(instruction, answers, { signal, onProgress })) {
        batch.push({ score, truncated });
        if (first + batch.length < ready) continue;
        send(port, { v: VERSION, type: "scored", id, first, scores: batch });
        // Not how many are said to be ready: that is said now and then only.
        first += batch.length;
        batch = [];
      }
    });
  }

  async #decide(
    port: chrome.runtime.Port,
    { id, text, question, kind, options }: Extract<ToEngine, { type: "decide" }>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#model.use(signal, async (scorer) => {
      const questions = { asked: asPackage(kind, question, options) };
      const { answers, truncated } = await scorer.decide({ state: text, questions }, { signal });
      send(port, { v: VERSION, type: "decided", id, decided: { ...asDecided(answers.asked, options), truncated } });
    });
  }
}

/** The question as the package takes it. */
function asPackage(kind: Kind, instructions: string, options: readonly string[]): Question {
  if (kind === "boolean") return { type: kind, instructions };
  if (kind === "score") return { type: kind, instructions, criteria: options };
  return { type: kind, instructions, criteria: Object.fromEntries(options.map((option) => [option, null])) };
}

/** The probability of each option, in the order of the question, and the mean level. */
function asDecided(answer: PackageAnswer, options: readonly string[]): Omit<Decided, "truncated"> {
  if (answer.type === "boolean") {
    const shares = [
      { option: "yes", share: answer.probability },
      { option: "no", share: 1 - answer.probability },
    ];
    return { shares, level: null };
  }
  const isScale = answer.type === "score";
  // The package names levels by their numbers, as text.
  const shares = new Map(Object.entries(answer.probabilities));
  return {
    shares: options.map((option, at) => ({ option, share: shares.get(isScale ? String(at) : option)! })),
    level: isScale ? answer.score : null,
  };
}

function send(port: chrome.runtime.Port, message: FromEngine): void {
  try {
    port.postMessage(message);
  } catch {
    // It was closed; nobody needs the answer.
  }
}
