// How a thread of Node waits for the GPU, without one.
import assert from "node:assert/strict";
import { test } from "node:test";

const { sleepWhile } = await import("../../target/modules/thread.js");

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

test("a thread sleeps in each turn of its event loop while it waits, and no longer than that", async (t) => {
  // How long it asks to sleep: how long it does sleep, a busy machine decides as well.
  const slept = [];
  const { wait } = Atomics;
  t.after(() => Object.assign(Atomics, { wait }));
  Object.assign(Atomics, {
    wait(...how) {
      slept.push(how[3]);
      return Reflect.apply(wait, Atomics, how);
    },
  });
  let busy = true;
  const begin = performance.now();
  sleepWhile(
    () => busy,
    () => begin,
  );
  const waiting = await turnsIn(300);
  busy = false;
  await turnsIn(1);
  const { length } = slept;
  assert.ok(waiting < 900, `${waiting} turns in 300 ms`);
  assert.ok(length >= waiting && length > 2, `${length} times of sleep in ${waiting} turns`);
  assert.ok(Math.max(...slept) <= 1, `${Math.max(...slept)} ms of sleep`);
  await turnsIn(100);
  assert.equal(slept.length, length, "it does not sleep any more");
});
