import { CappyError, messageOf } from "./error.js";
import { isNode } from "./gpu.js";

/** What wasm-bindgen makes to compile a module. */
type Init = (input: { module_or_path: URL | Uint8Array<ArrayBuffer> }) => Promise<unknown>;

/**
 * A function that compiles a WebAssembly module, once; after a failure it tries again. The module is taken from
 * the folder `assets` where that is given, or else from beside the calling script. Its address there is made no
 * sooner, because in a classic script, which some bundlers make, that fails.
 */
export function starter(init: Init, path: string, beside: () => URL): (assets: string | undefined) => Promise<unknown> {
  let started: Promise<unknown> | undefined;
  const start = async (assets: string | undefined) => {
    const address = assets ? new URL(path, assets) : beside();
    if (!isNode() || address.protocol !== "file:") return init({ module_or_path: address });
    // Not imported: even a dynamic import would make bundlers split the worker's script in two.
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
