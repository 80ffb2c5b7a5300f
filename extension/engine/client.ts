/**
 * Calls to the engine, for content scripts and the extension's pages. A port that breaks is opened anew at
 * the next call: the engine goes away when it is idle, and with the browser's background. Nothing but
 * `Client.#call` tries anything again.
 */
import * as v from "valibot";
import {
  type Answer,
  cut,
  type Decided,
  type EngineState,
  type Kind,
  MOST_ANSWERS,
  MOST_SCORES,
  type Score,
  type Teaching,
  ToBackground,
  VERSION,
} from "../messages.js";
import { Connection, EngineError, type Listeners, type Listening, type Request } from "./connection.js";
import { isOurPage } from "./trust.js";

export { EngineError } from "./connection.js";

/** A question about a text. */
export interface Asked {
  text: string;
  question: string;
  kind: Kind;
  /** Of a choice, or the levels of a scale, from the lowest on; none where the answer is yes or no. */
  options: readonly string[];
}

export interface EngineClient {
  /**
   * Scores `answers`, and reports each batch as it is done. Resolves when all are. Begins anew, and
   * reports the first answers again, when the engine goes away or its model is changed meanwhile.
   */
  score(
    instruction: string,
    answers: readonly string[],
    options: { signal?: AbortSignal; onScored: (first: number, scores: Score[]) => void },
  ): Promise<void>;
  /** Answers a question about a text. For pages of the extension. */
  decide(asked: Asked, options?: { signal?: AbortSignal }): Promise<Decided>;
  /** Loads the model that the settings name. */
  load(options?: { signal?: AbortSignal }): Promise<void>;
  /** Unloads the model, or stops loading it. */
  unload(): Promise<void>;
  /**
   * Calls `listener` with the state of the engine, whenever that changes: always for pages of the extension; for
   * content scripts while this client is connected, which it is from its first call on.
   */
  onState(listener: (state: EngineState) => void): void;
  /**
   * Teaches the chosen model what the thumbs say. Resolves when it has learned; how far it is, and what
   * came of it, goes to the listeners of `onTeaching`.
   */
  teach(): Promise<void>;
  /** Stops teaching. */
  stopTeaching(): Promise<void>;
  /** Calls `listener` with how far teaching is. For pages of the extension, along with `onState`. */
  onTeaching(listener: (teaching: Teaching) => void): void;
  /** Closes the connection for good; calls under way fail, and so do later ones. */
  close(): void;
}

/** A client. It does not start the engine; its first call of `score`, `decide`, `load` or `teach` does. */
export function engineClient(): EngineClient {
  return new Client();
}

/** After so many calls during which the engine went away, something is wrong with it. */
const MOST_LOST = 3;
/** A document that is just being closed, or made, does not listen. After so many tries nobody will. */
const MOST_UNREACHED = 6;
/** Between two tries to reach it there are as many times so many ms as have failed before. */
const PAUSE_MS = 50;

/** Codes of failures after which the same call, made again, may succeed. */
const AGAIN = ["engine", "changed"];

const isPage = location.origin === new URL(chrome.runtime.getURL("")).origin;

class Client implements EngineClient {
  readonly #stateListeners = new Set<(state: EngineState) => void>();
  readonly #teachingListeners = new Set<(teaching: Teaching) => void>();
  /** Scores that wait until fewer are under way than the engine takes from one port. */
  readonly #queue: (() => void)[] = [];
  #scoring = 0;
  #connection: Connection | undefined;
  #opening: Promise<void> | undefined;
  #closed = false;

  async score(
    instruction: string,
    answers: readonly string[],
    { signal, onScored }: { signal?: AbortSignal; onScored: (first: number, scores: Score[]) => void },
  ): Promise<void> {
    while (this.#scoring >= MOST_SCORES) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#scoring += 1;
    try {
      for (let start = 0; start < answers.length; start += MOST_ANSWERS) {
        const part = answers.slice(start, start + MOST_ANSWERS).map(cut);
        const fromStart = (first: number, scores: Score[]) => onScored(start + first, scores);
        await this.#call(
          { type: "score", instruction: cut(instruction), answers: part },
          { signal, onScored: fromStart },
        );
      }
    } finally {
      this.#scoring -= 1;
      this.#queue.shift()?.();
    }
  }

  async decide({ text, question, kind, options }: Asked, { signal }: { signal?: AbortSignal } = {}): Promise<Decided> {
    const request: Request = {
      type: "decide",
      text: cut(text),
      question: cut(question),
      kind,
      options: options.map(cut),
    };
    let found: Decided | undefined;
    await this.#call(request, { signal, onDecided: (decided) => (found = decided) });
    if (!found) throw gone("The engine did not answer the question");
    return found;
  }

  async load({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#call({ type: "load" }, { signal });
  }

  async unload(): Promise<void> {
    // Where no engine runs, no model is loaded.
    await this.#callIfThere({ type: "unload" });
  }

  teach(): Promise<void> {
    return this.#call({ type: "teach" }, {});
  }

  async stopTeaching(): Promise<void> {
    await this.#callIfThere({ type: "stop-teaching" });
  }

  onTeaching(listener: (teaching: Teaching) => void): void {
    this.#teachingListeners.add(listener);
  }

  onState(listener: (state: EngineState) => void): void {
    this.#stateListeners.add(listener);
    if (!isPage) return;
    chrome.runtime.onMessage.addListener(this.#announced);
    // Its state now, if it runs at all.
    void Connection.open(this.#listeners).then((connection) => connection && this.#use(connection));
  }

  close(): void {
    this.#closed = true;
    this.#stateListeners.clear();
    this.#teachingListeners.clear();
    chrome.runtime.onMessage.removeListener(this.#announced);
    this.#connection?.close();
  }

  /** Makes a call, and makes it again where the engine cannot be reached yet or goes away meanwhile. */
  async #call(request: Request, listening: Listening): Promise<void> {
    for (let unreached = 0, lost = 0; ; ) {
      listening.signal?.throwIfAborted();
      let connection: Connection | undefined;
      try {
        connection = await this.#connected(request);
        return await connection.call(request, listening);
      } catch (error) {
        if (this.#closed || !(error instanceof EngineError) || !AGAIN.includes(error.code)) throw error;
        if (connection) {
          lost += 1;
          if (lost === MOST_LOST) throw error;
        } else {
          unreached += 1;
          if (unreached === MOST_UNREACHED) throw error;
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * unreached));
        }
      }
    }
  }

  async #callIfThere(request: Request): Promise<void> {
    const connection = await Connection.open({ onState: () => {}, onTeaching: () => {} });
    await connection?.call(request, {}).finally(() => connection.close());
  }

  async #connected({ type }: Request): Promise<Connection> {
    if (!this.#connection?.usable) {
      await (this.#opening ??= this.#open().finally(() => (this.#opening = undefined)));
    } else if (type === "load" || type === "teach") {
      // The settings may just have been changed: this waits until the engine knows.
      await ensureEngine();
    }
    return this.#connection!;
  }

  async #open(): Promise<void> {
    if (this.#closed) throw gone("The connection was closed");
    await ensureEngine();
    const connection = await Connection.open(this.#listeners);
    if (!connection) throw gone("The engine does not answer");
    this.#use(connection);
  }

  /** Uses a connection from now on, unless there is another one meanwhile. */
  #use(connection: Connection): void {
    if (this.#connection?.usable || this.#closed) connection.close();
    else this.#connection = connection;
  }

  readonly #announced = (raw: unknown, sender: chrome.runtime.MessageSender) => {
    // A connection brings the same states, and out of order with these messages.
    if (this.#connection?.usable) return;
    const { success, output } = v.safeParse(ToBackground, raw);
    if (success && output.type === "engine-state" && isOurPage(sender)) this.#pass(output.state);
  };

  readonly #pass = (state: EngineState): void => {
    for (const listener of this.#stateListeners) listener(state);
  };

  readonly #listeners: Listeners = {
    onState: this.#pass,
    onTeaching: (teaching) => {
      for (const listener of this.#teachingListeners) listener(teaching);
    },
  };
}

function gone(message: string): EngineError {
  return new EngineError("engine", message);
}

/** Makes the background start the engine, with the settings as they are. */
async function ensureEngine(): Promise<void> {
  // This page was open while the extension was updated or removed.
  if (!chrome.runtime?.id) throw gone("The extension was updated. Load this page again");
  const message: ToBackground = { v: VERSION, to: "background", type: "ensure-engine" };
  const answer: Answer | undefined = await chrome.runtime.sendMessage(message).catch((error: unknown) => {
    throw gone(error instanceof Error ? error.message : String(error));
  });
  if (!answer?.ok) throw gone(answer?.message ?? "The background does not answer");
}
