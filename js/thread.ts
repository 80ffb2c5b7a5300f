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
 * What a thread and the program that started it know of each other: how many pieces of the thread's work use the GPU,
 * and 1 once the thread is to end. Node's WebGPU crashes the program where a thread is ended while it waits for the
 * GPU, so whoever ends one waits until it does not, and no other piece of its work begins then.
 */
type State = Int32Array<SharedArrayBuffer>;
const USES = 0;
const ENDS = 1;

/** The states of all threads that run. */
const states = new Set<State>();

/** The longest that a program waits for its threads when it ends, in milliseconds. */
const MOST_WAIT_MS = 30_000;

let waits = false;

/** Lets the program wait for its threads when it ends, even one that calls `process.exit()`. */
function waitAtExit(): void {
  if (waits) return;
  waits = true;
  process.on("exit", () => {
    const end = performance.now() + MOST_WAIT_MS;
    for (const state of states) Atomics.store(state, ENDS, 1);
    for (const state of states) {
      for (let uses = 1; uses > 0 && performance.now() < end; uses = Atomics.load(state, USES)) {
        Atomics.wait(state, USES, uses, end - performance.now());
      }
    }
  });
}

/** The state of this thread, unless something else started it. */
function ownState(): State | undefined {
  return isNode() ? process.getBuiltinModule("node:worker_threads").workerData?.stateOfCappy : undefined;
}

/** Whether this thread is to end as soon as it does not use the GPU. */
export function isToEnd(): boolean {
  const state = ownState();
  return state !== undefined && Atomics.load(state, ENDS) === 1;
}

/** Runs `work`, which uses the GPU. In a thread that is to end it does not begin, and what this gives is never settled. */
export async function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  const state = ownState();
  if (!state) return work();
  Atomics.add(state, USES, 1);
  try {
    // Asked only now, because whoever ends the thread looks at the uses after it has said so.
    if (!isToEnd()) return await work();
  } finally {
    leave(state);
  }
  return new Promise(() => {});
}

/** Ends a use of the GPU, once Node's WebGPU has left the turn of the event loop in which it said that it is done. */
function leave(state: State): void {
  const { setImmediate } = process.getBuiltinModule("node:timers");
  setImmediate(() =>
    setImmediate(() => {
      Atomics.sub(state, USES, 1);
      Atomics.notify(state, USES);
    }),
  );
}

/** Ends a thread once it does not use the GPU. */
async function end(thread: { terminate(): Promise<unknown> }, state: State): Promise<void> {
  Atomics.store(state, ENDS, 1);
  for (let uses: number; (uses = Atomics.load(state, USES)) > 0; ) await Atomics.waitAsync(state, USES, uses).value;
  states.delete(state);
  await thread.terminate();
}

/** Starts a thread that is used like a browser's worker. It does not keep the program from ending. */
export function startThread(path: string, assets: string | undefined): Worker {
  const { Worker: Thread } = process.getBuiltinModule("node:worker_threads");
  const address = scriptFile(path, assets);
  if (!address) throw new Error("is missing");
  // A thread takes over the program's own flags, and refuses this one, which is about the text after `--eval`.
  const execArgv = process.execArgv.filter((flag) => !flag.startsWith("--input-type"));
  const state: State = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const thread = new Thread(address, { execArgv, workerData: { stateOfCappy: state } });
  states.add(state);
  thread.once("exit", () => states.delete(state));
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
    terminate: () => void end(thread, state),
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
