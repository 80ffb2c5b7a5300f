/** One port to the engine, and the calls that go through it. */
import * as v from "valibot";
import {
  type Decided,
  ENGINE_PORT,
  type EngineState,
  FromEngine,
  type Score,
  type Teaching,
  type ToEngine,
  VERSION,
} from "../messages.js";

/** A call that failed, with the code of the package's errors, or `engine` where the engine went away. */
export class EngineError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "EngineError";
  }
}

type Numbered = Exclude<ToEngine, { type: "cancel" }>;
/** What can be asked of the engine. */
export type Request = Numbered extends infer R ? (R extends Numbered ? Omit<R, "v" | "id"> : never) : never;
/** How a call is stopped, and what is called meanwhile with its scores or with what was decided. */
export interface Listening {
  signal?: AbortSignal | undefined;
  onScored?: (first: number, scores: Score[]) => void;
  onDecided?: (decided: Decided) => void;
}

/** Listeners to what concerns every call. */
export interface Listeners {
  onState: (state: EngineState) => void;
  onTeaching: (teaching: Teaching) => void;
}

type Reply = Exclude<FromEngine, { type: "state" | "teaching" }>;

/** A port that the engine has greeted. Once it is lost, every call fails with `engine`. */
export class Connection {
  readonly #port: chrome.runtime.Port;
  readonly #calls = new Map<number, { receive: (message: Reply) => void; failed: (error: EngineError) => void }>();
  readonly #listeners: Listeners;
  #lastId = 0;
  #lost = false;

  private constructor(port: chrome.runtime.Port, listeners: Listeners) {
    this.#port = port;
    this.#listeners = listeners;
  }

  /** Opens a port and waits for the engine's greeting, its state. `undefined` where nobody listens. */
  static open(listeners: Listeners): Promise<Connection | undefined> {
    return new Promise((resolve) => {
      const port = chrome.runtime.connect({ name: ENGINE_PORT });
      const connection = new Connection(port, listeners);
      port.onMessage.addListener((raw: unknown) => {
        if (connection.#receive(raw)) resolve(connection);
      });
      port.onDisconnect.addListener(() => {
        // Browsers log an error that is not read.
        void chrome.runtime.lastError;
        resolve(undefined);
        connection.#lose();
        listeners.onState({ phase: "idle" });
        listeners.onTeaching({ phase: "idle" });
      });
    });
  }

  /** Whether it can still be used. */
  get usable(): boolean {
    return !this.#lost;
  }

  /** Closes it. Calls under way fail. */
  close(): void {
    // The side that disconnects gets no event.
    this.#port.disconnect();
    this.#lose();
  }

  /** Makes a call, and resolves when the engine says that it is done. */
  call(request: Request, { signal, onScored, onDecided }: Listening): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = (this.#lastId += 1);
      const end = (then: () => void) => {
        this.#calls.delete(id);
        signal?.removeEventListener("abort", stop);
        then();
      };
      const failed = (error: unknown) => end(() => reject(error));
      const stop = () => {
        this.#send({ v: VERSION, type: "cancel", id });
        failed(signal!.reason);
      };
      const receive = (message: Reply) => {
        if (message.type === "scored") onScored?.(message.first, message.scores);
        else if (message.type === "decided") onDecided?.(message.decided);
        else if (message.type === "done") end(resolve);
        else failed(new EngineError(message.code, message.message));
      };
      this.#calls.set(id, { receive, failed });
      signal?.addEventListener("abort", stop);
      this.#send({ ...request, v: VERSION, id });
    });
  }

  #send(message: ToEngine): void {
    try {
      this.#port.postMessage(message);
    } catch {
      // It throws where the port is closed already.
      this.#lose();
    }
  }

  #receive(raw: unknown): boolean {
    const { success, output } = v.safeParse(FromEngine, raw);
    if (!success) return false;
    if (output.type === "state") this.#listeners.onState(output.state);
    else if (output.type === "teaching") this.#listeners.onTeaching(output.teaching);
    else this.#calls.get(output.id)?.receive(output);
    return true;
  }

  #lose(): void {
    this.#lost = true;
    for (const { failed } of [...this.#calls.values()]) failed(new EngineError("engine", "The engine went away"));
  }
}
