import { isNode } from "./gpu.js";
import { startThread } from "./thread.js";

/** A worker of this package. */
export interface WorkerScript {
  /** Its script's path in the package. */
  path: string;
  /** Starts it from beside the script that calls. Bundlers find workers by `new Worker(new URL(…))` alone. */
  open(): Worker;
}

/** Starts a worker, outside of browsers in a thread. */
export function startWorker({ path, open }: WorkerScript): Worker {
  return isNode() ? startThread(path) : open();
}
