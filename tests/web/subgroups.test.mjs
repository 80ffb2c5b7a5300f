// wgpu cannot request subgroups from a browser, so the package adds them to wgpu's request; and it takes wgpu's
// listener from a device that is lost, because Firefox frees none that has one. That must not be
// noticed by anything else in the page: a made-up `navigator.gpu` shows what is changed, and for how long.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { withDevice } from "../../target/modules/gpu.js";
import { withKernel } from "../../target/modules/opening.js";

const withSubgroups = (work) => withDevice(true, work);

class Adapter {
  constructor(...features) {
    this.features = new Set(features);
    this.requested = [];
  }
  async requestDevice(descriptor) {
    this.requested.push(descriptor?.requiredFeatures ?? []);
    const device = { onuncapturederror: null };
    device.lost = new Promise((resolve) => (device.lose = resolve));
    this.device = device;
    return this.device;
  }
}

class Gpu {
  features = ["subgroups"];
  async requestAdapter() {
    return new Adapter(...this.features);
  }
}

const methods = [Gpu.prototype.requestAdapter, Adapter.prototype.requestDevice];
let gpu;
beforeEach(() => {
  gpu = new Gpu();
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
});

/** Asserts that nothing is left of any change. */
function assertUnchanged() {
  assert.deepEqual([Gpu.prototype.requestAdapter, Adapter.prototype.requestDevice], methods);
  assert.deepEqual(Object.getOwnPropertyNames(gpu), ["features"]);
}

/** As wgpu opens a device. */
async function open() {
  const adapter = await gpu.requestAdapter();
  await adapter.requestDevice({ requiredFeatures: ["shader-f16"] });
  return adapter;
}

test("subgroups are added to the one request that wgpu makes of an adapter", async () => {
  const adapter = await withSubgroups(open);
  assertUnchanged();
  await adapter.requestDevice();
  assert.deepEqual(adapter.requested, [["shader-f16", "subgroups"], []]);
});

test("an adapter that lets shaders choose the size of subgroups is asked for that, too", async () => {
  gpu.features = ["subgroups", "subgroup-size-control"];
  const [, ...added] = (await withSubgroups(open)).requested[0];
  assert.deepEqual(added, gpu.features);
});

test("an adapter without subgroups is asked for what wgpu asks for", async () => {
  gpu.features = [];
  assert.deepEqual((await withSubgroups(open)).requested, [["shader-f16"]]);
});

test("two loads at once, of which the first ends first, leave everything as it was", async () => {
  const ends = [];
  const load = () =>
    withSubgroups(async () => {
      await new Promise((resolve) => ends.push(resolve));
      return open();
    });
  const [first, second] = [load(), load()];
  while (ends.length < 2) await null;
  assert.equal(Adapter.prototype.requestDevice, methods[1], "no prototype is changed meanwhile");
  ends[0]();
  assert.deepEqual((await first).requested, [["shader-f16", "subgroups"]]);
  ends[1]();
  assert.deepEqual((await second).requested, [["shader-f16", "subgroups"]]);
  assertUnchanged();
});

test("a load that fails leaves everything as it was", async () => {
  await assert.rejects(
    withSubgroups(async () => {
      throw new Error("no device");
    }),
    /no device/,
  );
  assertUnchanged();
});

test("a method that the page has put onto navigator.gpu itself is there again afterwards", async () => {
  const own = async () => new Adapter("subgroups");
  gpu.requestAdapter = own;
  assert.deepEqual((await withSubgroups(open)).requested, [["shader-f16", "subgroups"]]);
  assert.equal(gpu.requestAdapter, own);
});

test("subgroups are asked for only where they are wanted", async () => {
  assert.deepEqual((await withDevice(false, open)).requested, [["shader-f16"]]);
  assertUnchanged();
});

test("kernels are told the subgroups of the adapter, and where they may choose the size, which one", async () => {
  const rest = { vendor: "", architecture: "", description: "", software: false, f16: true, maxBindingBytes: 0 };
  const asked = (kernel, smallest, largest, subgroupSizeControl) => {
    const adapter = { ...rest, subgroupSize: smallest, subgroupMaxSize: largest, subgroupSizeControl };
    return withKernel(kernel, adapter, async (subgroups) => [...subgroups]);
  };
  assert.deepEqual(await asked(undefined, 8, 32, false), [8, 32, 0]);
  for (const [smallest, largest, chosen] of [
    [8, 32, 16],
    [32, 64, 32],
    [32, 32, 32],
    [8, 8, 8],
  ]) {
    for (const kernel of [undefined, "subgroup", "broadcast"]) {
      assert.deepEqual(await asked(kernel, smallest, largest, true), [chosen, chosen, 1]);
    }
    assert.deepEqual(await asked("large", smallest, largest, true), []);
  }
  assert.deepEqual(await asked(undefined, 0, 0, false), []);
});

test("a device that is lost has no listener for errors any more, and one that is not lost keeps it", async () => {
  for (const subgroups of [true, false]) {
    const { device } = await withDevice(subgroups, open);
    const listener = () => {};
    device.onuncapturederror = listener;
    await new Promise(setImmediate);
    assert.equal(device.onuncapturederror, listener);
    device.lose();
    await device.lost;
    await null;
    assert.equal(device.onuncapturederror, null);
  }
});
