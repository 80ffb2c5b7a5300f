import { CappyError } from "./error.js";
import type { AdapterInfo } from "./types.js";

/** Names of adapters that run shaders on a CPU. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b/i;

/**
 * The adapter that the scorer will get, as far as this browser tells.
 *
 * @throws CappyError `no-webgpu` or `no-adapter`, with what a person can do about it
 */
export async function adapterInfo(): Promise<AdapterInfo> {
  await provideGpu();
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) {
    const why = globalThis.isSecureContext === false
      ? "is off here, because the page was not served over https"
      : "is missing. Chrome and Edge have it from 113 on, Safari from 26, Firefox from 141 on Windows and 145 on Macs";
    throw new CappyError("no-webgpu", "WebGPU", why);
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new CappyError("no-adapter", "WebGPU",
      "finds no graphics adapter. Hardware acceleration may be turned off in the browser's settings, or the driver is blocked");
  }
  const { vendor, architecture, description, device } = adapter.info;
  const software = SOFTWARE.test([vendor, architecture, description, device].join(" "))
    || adapter.info.isFallbackAdapter === true;
  const subgroups = adapter.features.has("subgroups") ? adapter.info.subgroupMinSize : 0;
  return {
    vendor, architecture, description: description || device, software, subgroupSize: subgroups,
    f16: adapter.features.has("shader-f16"),
    maxBindingBytes: adapter.limits.maxStorageBufferBindingSize,
  };
}

/**
 * Runs `work`, which opens a device by wgpu. wgpu cannot ask a browser for subgroups, so they are
 * added to what it asks for.
 */
export async function withSubgroups<T>(work: () => Promise<T>): Promise<T> {
  const prototype = Object.getPrototypeOf(await navigator.gpu.requestAdapter()) as GPUAdapter;
  const { requestDevice } = prototype;
  prototype.requestDevice = function (descriptor) {
    const requiredFeatures = [...descriptor?.requiredFeatures ?? [], "subgroups" as const];
    return requestDevice.call(this, { ...descriptor, requiredFeatures });
  };
  try {
    return await work();
  } finally {
    prototype.requestDevice = requestDevice;
  }
}

/** Under Node, WebGPU is the npm package `webgpu`, if that is installed. */
async function provideGpu(): Promise<void> {
  if (!isNode()) return;
  if (!(globalThis.navigator as Navigator | undefined)?.gpu) {
    // Not written out: bundlers would look for it, and pages have no need of it.
    const name = ["web", "gpu"].join("");
    const { create } = await import(/* webpackIgnore: true */ /* @vite-ignore */ name).catch((cause) => {
      throw new CappyError("no-webgpu", "WebGPU", "under Node needs the package: npm install webgpu", { cause });
    }) as { create(options: string[]): GPU };
    const gpu = { value: create([]), configurable: true };
    if (globalThis.navigator) Object.defineProperty(globalThis.navigator, "gpu", gpu);
    else Object.defineProperty(globalThis, "navigator", { value: Object.defineProperty({}, "gpu", gpu), configurable: true });
  }
  // By this name wgpu tells that it runs where `navigator` is.
  (globalThis as { Window?: unknown }).Window ??= function Window() {};
}

/** Whether this is Node and not a page or a worker of one. */
export function isNode(): boolean {
  // Not as a name alone: bundlers would put something of their own in its place.
  return typeof globalThis.process?.versions?.node === "string" && !("WorkerGlobalScope" in globalThis);
}
