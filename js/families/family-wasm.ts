import { starter } from "../start.js";
import init, { compete, Sha256, WasmScorer } from "./wasm/cappy_families.js";

export { compete, Sha256, WasmScorer };

/** Compiles the module for XLM-RoBERTa, BERT and DistilBERT, once. */
export const startWasm = starter(
  init,
  "families/wasm/cappy_families_bg.wasm",
  () => new URL("./wasm/cappy_families_bg.wasm", import.meta.url),
);
