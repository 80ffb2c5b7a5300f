/** How often a call to the engine is made again, and how often not. Without a browser: its messages and ports are made up. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { bundleText } from "../../extension/build.mjs";

/** What happens to each port that is opened: `absent` nobody listens, `dies` it breaks at the first call, `works` calls are done. */
let engine = "works";
/** How often the background was asked to start the engine, and how often the engine got a call. */
let started = 0;
let calls = 0;

function connect() {
  const listeners = { message: [], disconnect: [] };
  const port = {
    onMessage: { addListener: (listener) => listeners.message.push(listener) },
    onDisconnect: { addListener: (listener) => listeners.disconnect.push(listener) },
    disconnect() {},
    postMessage({ id }) {
      calls += 1;
      if (engine === "dies") return breakIt();
      queueMicrotask(() => say({ type: "done", id }));
    },
  };
  const say = (message) => listeners.message.forEach((listener) => listener({ v: 1, ...message }));
  const breakIt = () => queueMicrotask(() => listeners.disconnect.forEach((listener) => listener()));
  queueMicrotask(() => (engine === "absent" ? breakIt() : say({ type: "state", state: { phase: "idle" } })));
  return port;
}

globalThis.location = /** @type {any} */ ({ origin: "https://example.org" });
globalThis.chrome = /** @type {any} */ ({
  runtime: {
    id: "it",
    getURL: () => "chrome-extension://it/",
    onMessage: { addListener() {}, removeListener() {} },
    async sendMessage() {
      started += 1;
      return { ok: true };
    },
    connect,
  },
});
const code = await bundleText("engine/client.ts");
const { engineClient } = await import(`data:text/javascript,${encodeURIComponent(code)}`);

beforeEach(() => (started = calls = 0));

const score = () => engineClient().score("Which animal barks?", ["a dog"], { onScored() {} });

test("a call to an engine that works is made once", async () => {
  engine = "works";
  await score();
  assert.deepEqual([started, calls], [1, 1]);
});

test("an engine that nobody reaches is looked for six times in all, and then the call fails", async () => {
  engine = "absent";
  await assert.rejects(score(), { code: "engine" });
  assert.deepEqual([started, calls], [6, 0]);
});

test("an engine that goes away during every call gets three calls, and then the call fails", async () => {
  engine = "dies";
  await assert.rejects(score(), { code: "engine" });
  assert.deepEqual([started, calls], [3, 3]);
});

test("a call goes on where the engine comes back", async () => {
  engine = "absent";
  setTimeout(() => (engine = "works"), 120);
  await score();
  assert.ok(started > 1 && started < 6, `${started} tries`);
  assert.equal(calls, 1);
});

test("loading makes sure that the engine knows the newest settings, once", async () => {
  engine = "works";
  const client = engineClient();
  await client.load();
  assert.equal(started, 1);
  await client.load();
  assert.deepEqual([started, calls], [2, 2]);
});
