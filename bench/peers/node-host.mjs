// Node as a host: a process of its own that takes calls as JSON lines and answers each with one.
// `node-host.mjs gpu` gives it WebGPU by Dawn, the implementation that Chrome has.
import { createInterface } from "node:readline";

const answers = process.stdout.write.bind(process.stdout);
// What libraries log must not end up between the answers.
console.log = console.info = console.warn = console.error;

if (process.argv[2] === "gpu") {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals, { Window: function Window() {} });
  Object.defineProperty(globalThis, "navigator", {
    value: { gpu: create([]), userAgent: "node", hardwareConcurrency: 2 },
    configurable: true,
  });
  acceptSharedMemory(globalThis.GPUQueue.prototype);
  sleepEveryTurn();
}

/**
 * onnxruntime-web's memory is shared between threads, and npm's `webgpu` refuses to write a buffer
 * from such memory, as browsers don't. It gets a copy of the few bytes.
 */
function acceptSharedMemory(queue) {
  const { writeBuffer } = queue;
  queue.writeBuffer = function (buffer, at, data, ...part) {
    if (!((data.buffer ?? data) instanceof SharedArrayBuffer)) return writeBuffer.call(this, buffer, at, data, ...part);
    const [offset = 0, size] = part;
    const view = data.buffer ? data : new Uint8Array(data);
    return writeBuffer.call(this, buffer, at, view.slice(offset, size === undefined ? size : offset + size));
  };
}

/**
 * While Dawn waits for the GPU it turns the event loop without a pause and so takes a core from a
 * software adapter. A millisecond of sleep a turn gives the core back. It is for
 * theirs: ours waits in a thread of its own, which sleeps by itself.
 */
function sleepEveryTurn() {
  const never = new Int32Array(new SharedArrayBuffer(4));
  setImmediate(function turn() {
    Atomics.wait(never, 0, 0, 1);
    setImmediate(turn);
  });
}

const contestants = await import("./contestants.mjs");
for await (const line of createInterface({ input: process.stdin })) {
  const { method, argument } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await contestants[method](argument) };
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  answers(`${JSON.stringify(answer)}\n`);
}
process.exit();
