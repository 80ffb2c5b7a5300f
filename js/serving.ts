/** What workers do: an engine behind messages. */

import { Engine, type Module } from "./engine.js";
import { proxyFetch } from "./fetch-proxy.js";
import type { FromWorker, ToWorker } from "./protocol.js";
import { ownPort } from "./thread.js";
import { toCappyError } from "./thrown.js";

/** Makes this worker one that scores, by `module`. */
export function serve(module: Module): void {
  const scope = ownPort<FromWorker, ToWorker>();
  const tell = (message: FromWorker) => scope.postMessage(message);
  const running = new Map<number, AbortController>();
  const fetching = proxyFetch(tell);
  let loading: Promise<Engine> | undefined;
  let engine: Engine | undefined;

  async function run(message: Extract<ToWorker, { type: "load" | "score" }>, signal: AbortSignal): Promise<void> {
    const { id } = message;
    if (message.type === "load") {
      const options = message.customFetch ? { ...message.options, fetch: fetching.fetch } : message.options;
      const onProgress = (progress: Extract<FromWorker, { type: "progress" }>["progress"]) =>
        tell({ type: "progress", id, progress });
      loading = Engine.load(module, message.source, options, { signal, onProgress });
    }
    // A worker that replaces another is told at once what to score, and loads the model first.
    const ready = engine = await loading!;
    if (message.type === "score") {
      await ready.score(message.instruction, message.texts, {
        signal,
        onProgress: ({ first, scores }) => tell({ type: "batch", id, first, scores, info: ready.info() }),
      });
    }
    tell({ type: "done", id, info: ready.info() });
  }

  scope.addEventListener("message", ({ data: message }) => {
    switch (message.type) {
      case "load":
      case "score": {
        const controller = new AbortController();
        running.set(message.id, controller);
        run(message, controller.signal)
          .catch((thrown) => {
            const { code, atFault, message: text } = toCappyError(thrown);
            tell({ type: "failed", id: message.id, error: { code, atFault, message: text }, info: engine?.info() });
          })
          .finally(() => running.delete(message.id));
        break;
      }
      case "abort":
        running.get(message.id)?.abort();
        break;
      case "ping":
        tell({ type: "pong" });
        break;
      case "fetched":
      case "not-fetched":
        fetching.answer(message);
        break;
    }
  });
}
