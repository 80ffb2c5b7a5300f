import { starter } from "../start.js";
import type { AdapterInfo } from "../types.js";
import init, { compete, Sha256, WasmScorer } from "./wasm/cappy_cpu.js";

export { compete, Sha256, WasmScorer };

/** What stands for the adapter, as there is none. */
export const cpu: AdapterInfo = {
  vendor: "",
  architecture: "",
  description: "CPU",
  software: true,
  f16: false,
  subgroupSize: 0,
  subgroupMaxSize: 0,
  subgroupSizeControl: false,
  maxBindingBytes: 0,
};

/** Compiles the module that computes without a GPU, once. */
export const startWasm = starter(
  init,
  "cpu/wasm/cappy_cpu_bg.wasm",
  () => new URL("./wasm/cappy_cpu_bg.wasm", import.meta.url),
);
