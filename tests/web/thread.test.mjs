// How a thread of Node waits for the GPU, without one.
import assert from "node:assert/strict";
import { test } from "node:test";

const { sleepWhile } = await import("../../dist/thread.js");

/** How often the event loop turns in `ms` milliseconds. */
async function turnsIn(/** @type {number} */ ms) {
  const end = performance.now() + ms;
  let turns = 0;
  while (performance.now() < end) {
    await new Promise((resolve) => setImmediate(resolve));
    turns += 1;
  }
  return turns;
}

test("a thread sleeps in each turn of its event loop while it waits, and no longer than that", async () => {
  let busy = true;
  const begin = performance.now();
  sleepWhile(
    () => busy,
    () => begin,
  );
  const waiting = await turnsIn(300);
  busy = false;
  await turnsIn(1);
  const free = await turnsIn(100);
  assert.ok(waiting > 20 && waiting < 900, `${waiting} turns in 300 ms`);
  assert.ok(free > 1000, `${free} turns in 100 ms after it`);
});
