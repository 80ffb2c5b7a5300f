import { starter } from "./start.js";
import init, { compete, Sha256, WasmScorer } from "./wasm/cappy.js";

export { compete, Sha256, WasmScorer };

/** Compiles the WebAssembly module, once. Its address is written out, because bundlers look for this form. */
export const startWasm = starter(init, "wasm/cappy_bg.wasm", () => new URL("./wasm/cappy_bg.wasm", import.meta.url));
