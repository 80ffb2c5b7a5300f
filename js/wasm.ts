import { CappyError, type CappyErrorCode } from "./error.js";
import { isNode } from "./gpu.js";
import init, { Sha256, WasmScorer } from "./wasm/cappy.js";

export { Sha256, WasmScorer };

let started: Promise<unknown> | undefined;

/** Compiles the WebAssembly module, once. */
export function startWasm(): Promise<unknown> {
  started ??= start().catch((cause) => {
    started = undefined;
    throw new CappyError("network", "cappy_bg.wasm", `could not be loaded: ${messageOf(cause)}`, { cause });
  });
  return started;
}

async function start(): Promise<unknown> {
  // Written out, because this is what bundlers look for.
  const address = new URL("./wasm/cappy_bg.wasm", import.meta.url);
  if (isNode() && address.protocol === "file:") {
    // An import, even a dynamic one, would make bundlers split the worker in two.
    const { readFile } = process.getBuiltinModule("node:fs/promises");
    return init({ module_or_path: await readFile(address) });
  }
  return init({ module_or_path: address });
}

/** What the Rust side throws: the parts of an error. */
interface Parts {
  code: CappyErrorCode;
  atFault: string;
  what: string;
}

/** A `CappyError` of whatever was thrown. */
export function toCappyError(thrown: unknown): CappyError {
  if (thrown instanceof CappyError) return thrown;
  if (typeof thrown === "object" && thrown !== null && "code" in thrown && "atFault" in thrown) {
    const { code, atFault, what } = thrown as Parts;
    return new CappyError(code, atFault, what);
  }
  return new CappyError("gpu", "cappy", `stopped unexpectedly: ${messageOf(thrown)}`, { cause: thrown });
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
