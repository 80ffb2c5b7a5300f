import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Chromium, by CHROME_PATH or in its usual places; `undefined` where there is none. */
export const chromiumPath = [
  process.env.CHROME_PATH,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
].find((path) => path && existsSync(path));

/**
 * Whether the tests run on the browsers' software adapters, as they do unless CAPPY_ADAPTER names another one.
 * A browser does not choose by name: with any other name it takes the GPU that it would take by itself.
 */
export const onSoftwareAdapter = /^$|swiftshader|llvmpipe|lavapipe/i.test(process.env.CAPPY_ADAPTER ?? "");

/** Why a test that holds on software adapters alone is skipped, or `false` where it runs. */
export const needsSoftwareAdapter = onSoftwareAdapter
  ? false
  : `it expects a software adapter, and CAPPY_ADAPTER is ${process.env.CAPPY_ADAPTER}`;

/** Flags for a headless Chromium with a WebGPU adapter, and without calls of its own. */
export const chromiumArgs = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  ...(onSoftwareAdapter ? ["--use-webgpu-adapter=swiftshader"] : []),
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Serves folders and single files under an address with a path of its own, as a plain web server does.
 * `mounts` are pairs of an address below that path and what is there; the first that has a file gives it.
 * What was answered is noted in `sent`: files by name, and their bytes.
 */
export async function serve(mounts, sent = []) {
  const base = "/some/where/";
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://local").pathname);
    const name = normalize(path.slice(base.length) || "index.html");
    for (const [at, where] of path.startsWith(base) && !name.startsWith("..") ? mounts : []) {
      if (!name.startsWith(at)) continue;
      try {
        const bytes = await readFile(at === name ? where : join(where, name.slice(at.length)));
        response.writeHead(200, {
          "content-type": TYPES[extname(name)] ?? "application/octet-stream",
          "content-length": bytes.length,
        });
        response.end(bytes);
        if (request.method === "GET") sent.push({ name, bytes: bytes.length });
        return;
      } catch (error) {
        if (error.code !== "ENOENT" && error.code !== "EISDIR") throw error;
      }
    }
    response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return {
    url: `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}${base}`,
    /** Answers nobody any more. The port remains this server's, so that no other one answers there. */
    hangUp: () => {
      server.on("connection", (socket) => socket.destroy());
      server.closeAllConnections();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}
