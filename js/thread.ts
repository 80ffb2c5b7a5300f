/** Threads of Node, which Deno and Bun have as well, in place of a browser's workers. */

import { messageOf } from "./error.js";
import { isNode } from "./gpu.js";

/** The address of a script of this package, in `assets` or beside this script; `undefined` where there is none, as in a bundle. */
export function scriptFile(path: string, assets: string | undefined): URL | undefined {
  try {
    const address = new URL(/* @vite-ignore */ path, assets ?? import.meta.url);
    return process.getBuiltinModule("node:fs").existsSync(address) ? address : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Of each thread a number that is 1 while it opens the GPU. Node's WebGPU crashes where its thread is ended then, so
 * a program that ends waits for it, even one that calls `process.exit()`.
 */
const opening = new Set<Int32Array>();

/** The longest that a program waits for it, in milliseconds. */
const MOST_WAIT_MS = 30_000;

let waits = false;

function waitAtExit(): void {
  if (waits) return;
  waits = true;
  process.on("exit", () => {
    for (const number of opening) if (Atomics.load(number, 0) === 1) Atomics.wait(number, 0, 1, MOST_WAIT_MS);
  });
}

/** Runs `work`, in which the GPU is opened, in a thread or elsewhere. */
export async function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  const number = isNode()
    ? (process.getBuiltinModule("node:worker_threads").workerData?.opening as Int32Array | undefined)
    : undefined;
  if (!number) return work();
  Atomics.store(number, 0, 1);
  try {
    return await work();
  } finally {
    Atomics.store(number, 0, 0);
    Atomics.notify(number, 0);
  }
}

/** Starts a thread that is used like a browser's worker. It does not keep the program from ending. */
export function startThread(path: string, assets: string | undefined): Worker {
  const { Worker: Thread } = process.getBuiltinModule("node:worker_threads");
  const address = scriptFile(path, assets);
  if (!address) throw new Error("is missing");
  // A thread takes over the program's own flags, and refuses this one, which is about the text after `--eval`.
  const execArgv = process.execArgv.filter((flag) => !flag.startsWith("--input-type"));
  const number = new Int32Array(new SharedArrayBuffer(4));
  const thread = new Thread(address, { execArgv, workerData: { opening: number } });
  opening.add(number);
  thread.once("exit", () => opening.delete(number));
  waitAtExit();
  const worker: Pick<Worker, "postMessage" | "terminate"> & {
    addEventListener(type: string, listener: (event: object) => void): void;
  } = {
    postMessage: (message: unknown, transfer?: unknown) => thread.postMessage(message, transfer as []),
    addEventListener(type, listener) {
      thread.on(type, (what: unknown) => listener(type === "message" ? { data: what } : { message: messageOf(what) }));
      // A thread with a listener would keep the program running.
      thread.unref();
    },
    terminate() {
      opening.delete(number);
      void thread.terminate();
    },
  };
  return worker as Worker;
}

/** The longest that a thread sleeps in a turn of its event loop, in milliseconds. */
const MOST_SLEEP_MS = 1;

/** Of the time that the GPU has worked since something was last done, the share by which its end may be noticed late. */
const LATE = 1 / 16;

/**
 * Lets this thread sleep for a moment in each turn of its event loop while `busy`; `since` tells when work began, or
 * was last done. Node's WebGPU asks the GPU in every turn whether it is done, which otherwise takes a whole core: from
 * a software adapter one that computes. One such loop is enough for all calls of a thread.
 */
export function sleepWhile(busy: () => boolean, since: () => number): void {
  const { setImmediate } = process.getBuiltinModule("node:timers");
  const never = new Int32Array(new SharedArrayBuffer(4));
  const turn = () => {
    if (!busy()) return;
    Atomics.wait(never, 0, 0, Math.min(MOST_SLEEP_MS, LATE * (performance.now() - since())));
    setImmediate(turn);
  };
  turn();
}

/** Where a worker receives and sends messages: its global scope, or in a thread its port. */
export function ownPort<ToPage, ToWorker>(): {
  postMessage(message: ToPage, transfer?: Transferable[]): void;
  addEventListener(type: "message" | "messageerror", listener: (event: MessageEvent<ToWorker>) => void): void;
} {
  const port = isNode() ? process.getBuiltinModule("node:worker_threads").parentPort : globalThis;
  return port as never;
}
