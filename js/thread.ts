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

/** Starts a thread that is used like a browser's worker. It does not keep the program from ending. */
export function startThread(path: string, assets: string | undefined): Worker {
  const { Worker: Thread } = process.getBuiltinModule("node:worker_threads");
  const address = scriptFile(path, assets);
  if (!address) throw new Error("is missing");
  // A thread takes over the program's own flags, and refuses this one, which is about the text after `--eval`.
  const execArgv = process.execArgv.filter((flag) => !flag.startsWith("--input-type"));
  const thread = new Thread(address, { execArgv });
  const worker: Pick<Worker, "postMessage" | "terminate"> & {
    addEventListener(type: string, listener: (event: object) => void): void;
  } = {
    postMessage: (message: unknown, transfer?: unknown) => thread.postMessage(message, transfer as []),
    addEventListener(type, listener) {
      thread.on(type, (what: unknown) => listener(type === "message" ? { data: what } : { message: messageOf(what) }));
      // A thread with a listener would keep the program running.
      thread.unref();
    },
    terminate: () => void thread.terminate(),
  };
  return worker as Worker;
}

/** Where a worker receives and sends messages: its global scope, or in a thread its port. */
export function ownPort<ToPage, ToWorker>(): {
  postMessage(message: ToPage, transfer?: Transferable[]): void;
  addEventListener(type: "message" | "messageerror", listener: (event: MessageEvent<ToWorker>) => void): void;
} {
  const port = isNode() ? process.getBuiltinModule("node:worker_threads").parentPort : globalThis;
  return port as never;
}
