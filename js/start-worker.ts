import { isNode } from "./gpu.js";
import { startThread } from "./thread.js";

/** A worker of this package. */
export interface WorkerScript {
  /** Its script's path in the package. */
  path: string;
  /** Starts it from beside this package's script. Bundlers find workers only by `new Worker(new URL(…))`. */
  open(): Worker;
}

/** The policy of Trusted Types that makes addresses of scripts, in browsers that enforce them. */
let policy: { createScriptURL(address: string): string } | undefined;

/**
 * Starts a worker, from the folder `assets` where that is given. Browsers refuse a script of another origin,
 * such as a CDN's, or any script in a sandboxed frame. There a script in memory, which is of the page's own
 * origin, imports it. Outside of browsers the worker is a thread.
 */
export function startWorker({ path, open }: WorkerScript, assets: string | undefined): Worker {
  if (isNode()) return startThread(path, assets);
  const Plain = Worker;
  const start = (address: string | URL, options?: WorkerOptions) =>
    new Plain(trusted(reachable(address, options)), options);
  if (assets) return start(new URL(path, assets), { type: "module", name: path });
  try {
    // Replaced only while `open` runs, to learn the worker's address, which a bundler may have written.
    // biome-ignore lint/complexity/useArrowFunction: it is called with `new`, which an arrow function refuses
    globalThis.Worker = function (address: string | URL, options?: WorkerOptions) {
      return start(address, options);
    } as unknown as typeof Worker;
    return open();
  } finally {
    globalThis.Worker = Plain;
  }
}

function reachable(address: string | URL, options?: WorkerOptions): string {
  const { href, origin, protocol } = new URL(address, globalThis.location?.href);
  // Outside of browsers nothing has an origin.
  if (!globalThis.origin || origin === globalThis.origin || !protocol.startsWith("http")) return href;
  const name = JSON.stringify(href);
  // Bundlers that make classic scripts of workers leave the type out.
  const script = options?.type === "module" ? `import ${name}` : `importScripts(${name})`;
  // Chromium starts none in memory from a sandboxed frame, which has no origin, and takes it from an address.
  return globalThis.origin === "null"
    ? `data:text/javascript,${encodeURIComponent(script)}`
    : URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
}

function trusted(address: string): string {
  try {
    policy ??= (
      globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): typeof policy } }
    ).trustedTypes?.createPolicy("cappy-web", { createScriptURL: (same: string) => same });
  } catch {
    // The page does not allow a policy of this name. Its default policy may let the address pass.
  }
  return policy?.createScriptURL(address) ?? address;
}
