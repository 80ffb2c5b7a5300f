import { abortedError, CappyError, throwIfAborted, messageOf } from "../error.js";
import { FetchHost } from "../fetch-proxy.js";
import { startWorker, type WorkerScript } from "../start-worker.js";
import { toCappyError } from "../thrown.js";
import type { FromTrainer, Job, Result, ToTrainer } from "./train-protocol.js";
import type { TrainingListeners } from "./train.js";

/** How long a worker that is told to stop may take to save the state of training. */
const PATIENCE_MS = 10_000;

const trainWorker: WorkerScript = {
  path: "adapt/train-worker.js",
  open: () => new Worker(new URL("./train-worker.js", import.meta.url), { type: "module", name: "cappy adapt" }),
};

/** As `train`, in a worker of its own. */
export async function trainRemotely(job: Job, { signal, onPlan, onProgress }: TrainingListeners): Promise<Result> {
  throwIfAborted(signal, "adapting");
  const { fetch: custom, ...options } = job.options;
  const host = custom && new FetchHost(custom);
  let worker: Worker;
  try {
    worker = startWorker(trainWorker, options.assets);
  } catch (cause) {
    throw new CappyError("worker", "train-worker.js", `could not be started: ${messageOf(cause)}`, { cause });
  }
  const end = new AbortController();
  // A thread does not keep a program of Node from ending, so a timer does.
  const running = setInterval(() => {}, 60_000);
  const send = (message: ToTrainer, transfer: Transferable[] = []) => worker.postMessage(message, transfer);
  try {
    return await new Promise<Result>((resolve, reject) => {
      signal?.addEventListener(
        "abort",
        () => {
          send({ type: "abort" });
          const late = setTimeout(() => reject(abortedError(signal, "adapting")), PATIENCE_MS);
          end.signal.addEventListener("abort", () => clearTimeout(late));
        },
        { signal: end.signal },
      );
      const died = (why: string) => reject(new CappyError("worker", "train-worker.js", why));
      worker.addEventListener("error", ({ message }) => died(message || "could not be loaded"));
      worker.addEventListener("messageerror", () => died("sent what cannot be read"));
      worker.addEventListener("message", ({ data }: MessageEvent<FromTrainer>) => {
        switch (data.type) {
          case "plan":
            return onPlan?.(data.plan);
          case "step":
            return onProgress?.(data.progress);
          case "trained":
            return resolve(data.result);
          case "failed": {
            // The worker does not have the reason that the caller gave.
            const stopped = data.error.code === "aborted" && signal?.aborted;
            return reject(stopped ? abortedError(signal, "adapting") : toCappyError(data.error));
          }
          case "fetch":
            return void host?.run(data, send);
          case "stop-fetch":
            return host?.stop(data.id);
        }
      });
      try {
        send({ type: "train", job: { ...job, options }, customFetch: custom !== undefined });
      } catch (cause) {
        reject(new CappyError("input", "options", `cannot be sent to a worker: ${messageOf(cause)}`, { cause }));
      }
    });
  } finally {
    clearInterval(running);
    end.abort();
    worker.terminate();
    host?.stopAll();
  }
}
