// Where contestants run: every host gives `call(method, argument)` into contestants.mjs.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { lavapipe, openChromium, openFirefox } from "../../tests/web/hosts.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Every driver compiles its shaders anew, as on the day when a user comes for the first time. */
export const noShaderCache = { MESA_SHADER_CACHE_DISABLE: "true" };

/** A program that takes calls as JSON lines. `read` makes an answer of a line. */
export function openProgram(command, args, { env = {}, read = JSON.parse } = {}) {
  // Vulkan drivers want a private folder, and bare machines have none.
  const home = mkdtempSync(join(tmpdir(), "cappy-peers-"));
  const child = spawn(command, args, {
    env: { ...process.env, XDG_RUNTIME_DIR: home, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complaints = "";
  child.stderr.on("data", (text) => {
    complaints = (complaints + text).slice(-4000);
  });
  const waiting = [];
  const ended = new Promise((resolve) =>
    child.on("close", (code) => {
      rmSync(home, { recursive: true, force: true });
      for (const { reject } of waiting.splice(0)) reject(new Error(`${command} ended with ${code}: ${complaints}`));
      resolve(undefined);
    }),
  );
  child.on("error", (error) => {
    complaints += error.message;
  });
  child.stdin.on("error", () => {});
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { resolve, reject } = waiting.shift();
    const { error, result } = read(line);
    if (error) reject(new Error(error));
    else resolve(result);
  });
  return {
    send: (line) =>
      new Promise((resolve, reject) => {
        if (child.exitCode !== null) reject(new Error(`${command} has ended: ${complaints}`));
        waiting.push({ resolve, reject });
        child.stdin.write(`${line}\n`);
      }),
    /** The most memory that it has had, where Linux keeps count. */
    peakBytes() {
      try {
        return 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))[1]);
      } catch {
        return undefined;
      }
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

function openNode(args, env) {
  const program = openProgram(process.execPath, [here("node-host.mjs"), ...args], { env });
  return {
    call: (method, argument) => program.send(JSON.stringify({ method, argument })),
    // The package's files lie on disk for Node, its modules cannot come from a server.
    module: (path) => new URL(`../../${path}`, import.meta.url).href,
    memory: program.peakBytes,
    close: program.close,
  };
}

async function openPage(open, site, env) {
  const host = await open(site, env);
  return {
    call: (method, argument) =>
      host.page.evaluate(
        async ([method, argument]) => (await import("/bench/peers/contestants.mjs"))[method](argument),
        [method, argument],
      ),
    module: (path) => `${site.url}/${path}`,
    close: host.close,
  };
}

/** The hosts with a GPU, by name. */
export const hosts = {
  dawn: { title: "Node + Dawn, lavapipe", open: (site, env) => openNode(["gpu"], { ...lavapipe(), ...env }) },
  firefox: { title: "Firefox, lavapipe", open: (site, env) => openPage(openFirefox, site, env) },
  chromium: { title: "Chromium, SwiftShader", open: (site, env) => openPage(openChromium, site, env) },
};

/** A Node without a GPU, for WebAssembly. */
export const openPlainNode = () => openNode([], {});

/** The hosts for what needs no GPU, by name; `call` is that of the process for a number of threads. */
export const wasmHosts = {
  "wasm-node": () => openNodes(),
  "wasm-firefox": (site) => openOnePage(openFirefox, site),
  "wasm-chromium": (site) => openOnePage(openChromium, site),
};

async function openOnePage(open, site) {
  const page = await openPage(open, site);
  return { ...page, call: () => page.call };
}

function openNodes() {
  const nodes = new Map();
  const node = (threads = 1) => {
    if (!nodes.has(threads)) nodes.set(threads, openPlainNode());
    return nodes.get(threads);
  };
  return {
    inNode: true,
    call: (threads) => node(threads).call,
    module: node().module,
    close: () => Promise.all([...nodes.values()].map(({ close }) => close())),
  };
}
