import { CappyError } from "./error.js";
import type { AdapterInfo } from "./types.js";

/** Names of adapters that run shaders on a CPU. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b/i;

/** The feature by which a shader says for which size of subgroups it is compiled. Types of the browser do not know it yet. */
const SIZE_CONTROL = "subgroup-size-control" as GPUFeatureName;

/**
 * What the browser says of the adapter that the scorer will get.
 *
 * @throws CappyError `no-webgpu` or `no-adapter`, with what a person can do about it
 */
export async function adapterInfo(): Promise<AdapterInfo> {
  const gpu = await needGpu();
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new CappyError(
      "no-adapter",
      "WebGPU",
      "finds no graphics adapter. Hardware acceleration may be turned off in the browser's settings, or the driver is blocked",
    );
  }
  const { vendor, architecture, description, device } = adapter.info;
  const software =
    SOFTWARE.test([vendor, architecture, description, device].join(" ")) || adapter.info.isFallbackAdapter === true;
  const subgroups = adapter.features.has("subgroups");
  return {
    vendor,
    architecture,
    description: description || device,
    software,
    subgroupSize: subgroups ? adapter.info.subgroupMinSize : 0,
    subgroupMaxSize: subgroups ? adapter.info.subgroupMaxSize : 0,
    subgroupSizeControl: subgroups && adapter.features.has(SIZE_CONTROL),
    f16: adapter.features.has("shader-f16"),
    maxBindingBytes: adapter.limits.maxStorageBufferBindingSize,
  };
}

/** WebGPU. Throws `no-webgpu`, with what a person can do about it, where there is none. */
export async function needGpu(): Promise<GPU> {
  const gpu = await findGpu();
  if (gpu) return gpu;
  const why =
    globalThis.isSecureContext === false
      ? "is off here, because the page was not served over https"
      : "is missing. Chrome and Edge have it from 113 on, Safari from 26, Firefox from 141 on Windows and 145 on Macs";
  throw new CappyError("no-webgpu", "WebGPU", why);
}

/** How many calls of `withDevice` are under way, how many of them want subgroups, and what undoes the change that they share. */
let opening = 0;
let wantingSubgroups = 0;
let undo = () => {};

/**
 * Runs `work`, in which wgpu requests an adapter and its device. wgpu cannot ask a browser for subgroups, and never
 * takes its listener for errors away, which keeps a lost device alive in Firefox. So for every adapter that is
 * requested meanwhile, its first device is requested with subgroups where they are wanted, and loses that listener
 * with everything else. This changes single objects and no prototype.
 */
export async function withDevice<T>(subgroups: boolean, work: () => Promise<T>): Promise<T> {
  const gpu = await needGpu();
  opening += 1;
  wantingSubgroups += Number(subgroups);
  if (opening === 1) {
    const before = Object.getOwnPropertyDescriptor(gpu, "requestAdapter");
    const { requestAdapter } = gpu;
    const value = async (options?: GPURequestAdapterOptions) => prepared(await requestAdapter.call(gpu, options));
    Object.defineProperty(gpu, "requestAdapter", { value, configurable: true });
    undo = () =>
      before ? Object.defineProperty(gpu, "requestAdapter", before) : Reflect.deleteProperty(gpu, "requestAdapter");
  }
  try {
    return await work();
  } finally {
    wantingSubgroups -= Number(subgroups);
    opening -= 1;
    if (opening === 0) undo();
  }
}

function prepared(adapter: GPUAdapter | null): GPUAdapter | null {
  if (!adapter) return null;
  const wanted: GPUFeatureName[] = wantingSubgroups > 0 ? ["subgroups", SIZE_CONTROL] : [];
  const added = wanted.filter((feature) => adapter.features.has(feature));
  adapter.requestDevice = async (descriptor) => {
    // For this one call: from here on the adapter has its prototype's method again.
    Reflect.deleteProperty(adapter, "requestDevice");
    const requiredFeatures = [...(descriptor?.requiredFeatures ?? []), ...added];
    const device = await adapter.requestDevice({ ...descriptor, requiredFeatures });
    void device.lost.then(() => {
      device.onuncapturederror = null;
    });
    return device;
  };
  return adapter;
}

/** WebGPU, under Node from the package `webgpu` where that is installed. */
async function findGpu(): Promise<GPU | undefined> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  return gpu || !isNode() ? gpu : (nodeGpu ??= createGpu());
}

let nodeGpu: Promise<GPU> | undefined;

/** Whether WebGPU is that of the package `webgpu`, which turns the event loop without a pause while it waits. */
export const turnsTheLoop = (): boolean => nodeGpu !== undefined;

async function createGpu(): Promise<GPU> {
  // In a variable, because bundlers would look for a package that is named in the import, and pages do not need it.
  const name = ["web", "gpu"].join("");
  const { create } = (await import(/* webpackIgnore: true */ /* @vite-ignore */ name).catch((cause) => {
    nodeGpu = undefined;
    throw new CappyError("no-webgpu", "WebGPU", "under Node needs the package: npm install webgpu", { cause });
  })) as { create(options: string[]): GPU };
  // As natively: where there are several adapters, a part of the name chooses one.
  const adapter = globalThis.process.env.CAPPY_ADAPTER;
  return create(adapter ? [`adapter=${adapter}`] : []);
}

/** How many calls of `withGlobals` are under way, and what removes the globals that they share. */
let needingGlobals = 0;
let removeGlobals = () => {};

/**
 * Runs `work`, in which wgpu looks for the GPU. wgpu takes it from `navigator.gpu`, and only where there is a
 * `Window`. Under Node, which has neither, both are there while `work` runs.
 */
export async function withGlobals<T>(work: () => Promise<T>): Promise<T> {
  if (!isNode()) return work();
  const gpu = await findGpu();
  needingGlobals += 1;
  if (needingGlobals === 1) {
    const added: [object, string][] = [];
    const add = (to: object, name: string, value: unknown) => {
      if (name in to) return;
      Object.defineProperty(to, name, { value, configurable: true });
      added.push([to, name]);
    };
    add(globalThis, "navigator", {});
    add(globalThis.navigator, "gpu", gpu);
    add(globalThis, "Window", function Window() {});
    removeGlobals = () => added.forEach(([from, name]) => Reflect.deleteProperty(from, name));
  }
  try {
    return await work();
  } finally {
    needingGlobals -= 1;
    if (needingGlobals === 0) removeGlobals();
  }
}

/** Whether this is Node and not a page or a worker of one. */
export function isNode(): boolean {
  // With `globalThis`, because bundlers replace a plain `process` by something of their own.
  return typeof globalThis.process?.versions?.node === "string" && !("WorkerGlobalScope" in globalThis);
}
