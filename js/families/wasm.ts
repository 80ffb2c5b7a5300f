import { starter } from "../start.js";
import init, { Sha256, WasmScorer } from "./wasm/cappy.js";

export { Sha256, WasmScorer };

/** Compiles the module that knows more families of models, once. Their tokenizers need Unicode's tables. */
export const startWasm = starter(init, new URL("./wasm/cappy_bg.wasm", import.meta.url));
