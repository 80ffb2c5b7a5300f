import { CappyError } from "./error.js";
import { isNode } from "./gpu.js";
import { messageOf } from "./thrown.js";

/** What wasm-bindgen makes to compile a module. */
type Init = (input: { module_or_path: URL | Uint8Array<ArrayBuffer> }) => Promise<unknown>;

/**
 * Compiles a WebAssembly module, once; a failure is not remembered. It is taken from the folder
 * `assets` where that is given, else from beside the script that calls. Its address there is made only
 * then: scripts that a bundler has made classic know none of their own.
 */
export function starter(init: Init, path: string, beside: () => URL): (assets: string | undefined) => Promise<unknown> {
  let started: Promise<unknown> | undefined;
  const start = async (assets: string | undefined) => {
    const address = assets ? new URL(path, assets) : beside();
    if (!isNode() || address.protocol !== "file:") return init({ module_or_path: address });
    // An import, even a dynamic one, would make bundlers split the worker in two.
    const { readFile } = globalThis.process.getBuiltinModule("node:fs/promises");
    return init({ module_or_path: await readFile(address) });
  };
  return (assets) => {
    started ??= start(assets).catch((cause) => {
      started = undefined;
      throw new CappyError("network", path.replace(/.*\//, ""), `could not be loaded: ${messageOf(cause)}`, { cause });
    });
    return started;
  };
}
