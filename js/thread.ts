/** Threads of Node, which Deno and Bun have as well, in place of a browser's workers. */

import { isNode } from "./gpu.js";
import { messageOf } from "./thrown.js";

/** The address of a script of this package, in `assets` or beside this one; `undefined` where it is not there, as in a bundle. */
export function scriptFile(path: string, assets: string | undefined): URL | undefined {
  try {
    const address = new URL(/* @vite-ignore */ path, assets ?? import.meta.url);
    return process.getBuiltinModule("node:fs").existsSync(address) ? address : undefined;
  } catch {
    return undefined;
  }
}

/** Starts a thread with the face of a browser's worker. It keeps no program from ending. */
export function startThread(path: string, assets: string | undefined): Worker {
  const { Worker: Thread } = process.getBuiltinModule("node:worker_threads");
  const address = scriptFile(path, assets);
  if (!address) throw new Error("is missing");
  const thread = new Thread(address);
  const face: Pick<Worker, "postMessage" | "terminate"> & { addEventListener(type: string, listener: (event: object) => void): void } = {
    postMessage: (message: unknown, transfer?: unknown) => thread.postMessage(message, transfer as []),
    addEventListener(type, listener) {
      thread.on(type, (what: unknown) => listener(type === "message" ? { data: what } : { message: messageOf(what) }));
      // A thread that is listened to keeps the program running otherwise.
      thread.unref();
    },
    terminate: () => void thread.terminate(),
  };
  return face as Worker;
}

/** Where a worker listens and answers: its own scope, in a thread its port. */
export function ownPort<ToPage, ToWorker>(): {
  postMessage(message: ToPage, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToWorker>) => void): void;
} {
  const port = isNode() ? process.getBuiltinModule("node:worker_threads").parentPort : globalThis;
  return port as never;
}
