import { CappyError, messageOf } from "./error.js";
import { isNode } from "./gpu.js";

/** What wasm-bindgen makes to start a compiled module. */
type Init = (input: { module_or_path: WebAssembly.Module }) => Promise<unknown>;

/** Starts a WebAssembly module, from the folder `assets` where that is given; not compiled again where it was already. */
export type StartWasm = (
  assets: string | undefined,
  compiled?: WebAssembly.Module | undefined,
) => Promise<WebAssembly.Module>;

/**
 * A function that compiles and starts a WebAssembly module, once; after a failure it tries again. The module is
 * taken from the folder `assets` where that is given, or else from beside the calling script. Its address there is
 * made no sooner, because in a classic script, which some bundlers make, that fails.
 */
export function starter(init: Init, path: string, beside: () => URL): StartWasm {
  let started: Promise<WebAssembly.Module> | undefined;
  const start = async (assets: string | undefined, compiled: WebAssembly.Module | undefined) => {
    const module = compiled ?? (await compile(assets ? new URL(path, assets) : beside()));
    await init({ module_or_path: module });
    return module;
  };
  return (assets, compiled) => {
    started ??= start(assets, compiled).catch((cause) => {
      started = undefined;
      throw new CappyError("network", path.replace(/.*\//, ""), `could not be loaded: ${messageOf(cause)}`, { cause });
    });
    return started;
  };
}

/** Compiles a module while it comes, where the server names its type as browsers want it. */
async function compile(address: URL): Promise<WebAssembly.Module> {
  if (isNode() && address.protocol === "file:") {
    // Not imported: even a dynamic import would make bundlers split the worker's script in two.
    const { readFile } = globalThis.process.getBuiltinModule("node:fs/promises");
    return WebAssembly.compile(await readFile(address));
  }
  const response = await fetch(address);
  if (!response.ok) throw new Error(`the server answered with status ${response.status}`);
  const streams = response.headers.get("content-type")?.toLowerCase() === "application/wasm";
  return streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}
