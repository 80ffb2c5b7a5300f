/** What a worker that scores does: an engine that is called by messages. */

import { Engine, type Module, type Shared } from "./engine.js";
import { proxyFetch } from "./fetch-proxy.js";
import type { FromWorker, PlainInfo, ToWorker } from "./protocol.js";
import { turnsTheLoop } from "./gpu.js";
import { ownPort, sleepWhile } from "./thread.js";
import { plainError } from "./thrown.js";

/** Makes this worker one that scores, by `module`. */
export function serve(module: Module): void {
  const scope = ownPort<FromWorker, ToWorker>();
  const send = (message: FromWorker) => scope.postMessage(message);
  const running = new Map<number, AbortController>();
  const fetching = proxyFetch(send);
  let loading: Promise<Engine> | undefined;
  let engine: Engine | undefined;
  let sentInfo: PlainInfo | undefined;
  /** The calls that the GPU may work for, and when the newest of them began or a batch was last done. */
  const computing = new Set<number>();
  let doneAt = 0;
  let sleeping = false;

  /** Sends a message about a call, and before it what the engine says of itself where that has changed. */
  function answer(message: FromWorker): void {
    const info = engine?.info();
    if (info && info !== sentInfo) send({ type: "info", info });
    sentInfo = info;
    send(message);
  }

  /** Sends what other engines can be loaded with. Not every host can send a compiled module. */
  function share(shared: Shared): void {
    try {
      send({ type: "shared", shared });
    } catch {
      send({ type: "shared", shared: { model: shared.model } });
    }
  }

  /** Lets this thread sleep between turns of its event loop until call `id` and all others are done. */
  function sleepBetweenTurns(id: number): void {
    computing.add(id);
    doneAt = performance.now();
    if (sleeping) return;
    sleeping = true;
    const busy = () => {
      sleeping = computing.size > 0;
      return sleeping;
    };
    sleepWhile(busy, () => doneAt);
  }

  async function run(
    message: Extract<ToWorker, { type: "load" | "score" | "race" }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { id } = message;
    if (message.type === "load") {
      const options = message.customFetch ? { ...message.options, fetch: fetching.fetch } : message.options;
      const onProgress = (progress: Extract<FromWorker, { type: "progress" }>["progress"]) =>
        send({ type: "progress", id, progress });
      loading = Engine.load(module, message.source, options, { signal, onProgress });
    }
    // A worker that replaces another gets its calls to score at once, and has to load the model first.
    engine = await loading!;
    if (message.type === "load" && engine.shared) share(engine.shared);
    // Not while it loads: files come in many turns.
    if (message.type !== "load" && turnsTheLoop()) sleepBetweenTurns(id);
    if (message.type === "score") {
      await engine.score(message.instructions, message.texts, {
        signal,
        onProgress: ({ scores }) => {
          doneAt = performance.now();
          answer({ type: "batch", id, scores });
        },
      });
    }
    if (message.type === "race") await engine.race(message.rival, signal);
    answer({ type: "done", id });
  }

  scope.addEventListener("messageerror", () => {
    // The page hears of it as of a worker that has died.
    throw new Error("was sent what it cannot read");
  });
  scope.addEventListener("message", ({ data: message }) => {
    switch (message.type) {
      case "load":
      case "score":
      case "race": {
        const controller = new AbortController();
        running.set(message.id, controller);
        run(message, controller.signal)
          .catch((thrown) => answer({ type: "failed", id: message.id, error: plainError(thrown) }))
          .finally(() => {
            running.delete(message.id);
            computing.delete(message.id);
          });
        break;
      }
      case "abort":
        running.get(message.id)?.abort();
        break;
      case "ping":
        send({ type: "pong" });
        break;
      case "fetched":
      case "not-fetched":
        fetching.answer(message);
        break;
    }
  });
}
