import { starter } from "../start.js";
import init, { Sha256, WasmScorer } from "./wasm/cappy_families.js";

export { Sha256, WasmScorer };

/** Compiles the module that knows more families of models, once. Their tokenizers need Unicode's tables. */
export const startWasm = starter(init, "families/wasm/cappy_families_bg.wasm", () => new URL("./wasm/cappy_families_bg.wasm", import.meta.url));
