// A program of Node may end, dispose of a scorer or stop it whenever it likes: Node's WebGPU aborts the whole process
// where a thread is ended while it waits for the GPU.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { lavapipe } from "./hosts.mjs";

const script = fileURLToPath(new URL("runtimes/end.mjs", import.meta.url));

/** Milliseconds of work before it is ended: at its start, and while the GPU computes, on slow machines and fast ones. */
const WAITS = [0, 30, 100, 300];

/** How each is to end; what it says, unless loading may be done before. */
const WAYS = {
  "load by abort": { code: 0 },
  "load by exit": { code: 3 },
  "score by dispose": { code: 0, says: ["ends", "disposed"] },
  "score by abort": { code: 0, says: ["ends", "aborted"] },
  "score by exit": { code: 3, says: ["ends"] },
  "adapt by abort": { code: 0, says: ["ends", "aborted"] },
  "adapt by exit": { code: 3, says: ["ends"] },
};

/** How such a program ends, and what it says. */
function ended(way, wait) {
  return new Promise((resolve, reject) => {
    const program = spawn(process.execPath, [script, way, `${wait}`], { env: { ...process.env, ...lavapipe() } });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) program[name].on("data", (piece) => (output[name] += piece));
    program.on("error", reject);
    program.on("close", (code, signal) => resolve({ code, signal, ...output }));
  });
}

for (const [way, { code, says }] of Object.entries(WAYS)) {
  test(`a program that ends its work, ${way}, ends as it wants to`, { timeout: 300_000 }, async () => {
    for (const wait of WAITS) {
      const end = await ended(way, wait);
      assert.equal(end.signal, null, `after ${wait} ms: ${end.stderr}`);
      assert.equal(end.code, code, `after ${wait} ms: ${end.stderr}`);
      if (says) assert.deepEqual(end.stdout.trim().split("\n"), says, `after ${wait} ms`);
    }
  });
}
