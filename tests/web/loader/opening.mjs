// What the loader's tests share: a server with a model, and a store for the cache.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { afterEach, beforeEach } from "node:test";

import { MemoryStore } from "../../../target/modules/loader/memory.js";
import { openIn } from "../../../target/modules/loader/open.js";
import { noise, serve } from "./server.mjs";

export const MIB = 1024 * 1024;
export const weights = noise(11 * MIB + 12345);
export const config = Buffer.from('{"model_type":"roberta"}');
/** The server and the store of the present test. */
export let site;
export let store;
const opened = [];

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
export const hasher = () => {
  const hash = createHash("sha256");
  return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("hex") };
};

beforeEach(async () => {
  store = new MemoryStore();
  site = await serve({ "/m/config.json": config, "/m/model.safetensors": weights });
});
afterEach(() => {
  for (const model of opened.splice(0)) model.close();
  site.close();
});

/** As in a browser that keeps nothing. */
export function keepNothing() {
  store = null;
}

/** Opens the model as a new page would that has `store`. */
export async function open(options = {}, context = {}, source = `${site.url}/m`, around = {}) {
  const surroundings = { openStore: async () => store, retryPause: 1, stalled: 2000, ...around };
  const model = await openIn(surroundings, source, options, { hasher, ...context });
  opened.push(model);
  return model;
}
export const openWeights = async (...args) => (await open(...args)).open("model.safetensors");

export async function same(file, bytes = weights, step = 1_000_003) {
  assert.equal(file.size, bytes.length);
  for (let at = 0; at < bytes.length; at += step) {
    const end = Math.min(bytes.length, at + step);
    assert.ok(Buffer.from(await file.read(at, end)).equals(bytes.subarray(at, end)), `bytes ${at} to ${end}`);
  }
}
export const fails = (work, code, message) =>
  assert.rejects(work, (/** @type {any} */ error) => {
    assert.equal(error.code, code, `${error}`);
    assert.match(error.message, message);
    return true;
  });
