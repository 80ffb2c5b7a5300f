/** The worker that trains: one job, and then it ends. */

import { proxyFetch } from "../fetch-proxy.js";
import { ownPort } from "../thread.js";
import { plainError } from "../thrown.js";
import type { FromTrainer, Job, ToTrainer } from "./train-protocol.js";
import { train } from "./train.js";

const scope = ownPort<FromTrainer, ToTrainer>();
const send = (message: FromTrainer) => scope.postMessage(message);
const stop = new AbortController();
const fetching = proxyFetch(send);

async function run(job: Job): Promise<void> {
  try {
    const result = await train(job, {
      signal: stop.signal,
      onPlan: (plan) => send({ type: "plan", plan }),
      onProgress: (progress) => send({ type: "step", progress }),
    });
    scope.postMessage(
      { type: "trained", result },
      result.files.map(({ bytes }) => bytes.buffer),
    );
  } catch (thrown) {
    send({ type: "failed", error: plainError(thrown) });
  }
}

scope.addEventListener("message", ({ data: message }) => {
  switch (message.type) {
    case "train": {
      const { job } = message;
      void run(message.customFetch ? { ...job, options: { ...job.options, fetch: fetching.fetch } } : job);
      break;
    }
    case "abort":
      stop.abort();
      break;
    default:
      fetching.answer(message);
  }
});
