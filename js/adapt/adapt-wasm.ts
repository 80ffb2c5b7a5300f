import { starter } from "../start.js";
import init, { Sha256, WasmAdaptation, WasmScorer } from "./wasm/cappy_adapt.js";

export { Sha256, WasmAdaptation, WasmScorer };

/** Compiles the module that trains and scores with adaptations, once. */
export const startWasm = starter(
  init,
  "adapt/wasm/cappy_adapt_bg.wasm",
  () => new URL("./wasm/cappy_adapt_bg.wasm", import.meta.url),
);
