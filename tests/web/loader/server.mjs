// A file server that misbehaves as a test asks it to.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

/** Bytes that look random and are the same every time. */
export function noise(length, seed = 1) {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = seed;
  for (let i = 0; i < words.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    words[i] = x ^ (x >>> 15);
  }
  return Buffer.from(words.buffer, 0, length);
}

/**
 * Serves `files` (path to bytes). The behaviour can be changed at any time:
 * `ranges` (true), `head` (status of HEAD, 200), `etags` (true), `status` (of every answer, by path),
 * `cuts` (connections are cut after so many bytes of body, one number a connection), `slow` (milliseconds
 * between parts of 64 KiB of what is below `slowPath`), `type`, `encoding`, `cors`, `policy` (Content-Security-Policy of pages and
 * scripts), `coep` (Cross-Origin-Embedder-Policy of pages), `needs` (a header that files below `/m/` are not given without). `log` has a line a request.
 */
export async function serve(files) {
  const log = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    log.push(`${request.method} ${path} ${request.headers.range ?? ""}`.trim());
    const send = (status, headers = {}) => response.writeHead(status, headers).end();
    const wanted = site.status[path];
    if (wanted) return send(wanted, site.headers);
    if (path.startsWith("/moved/")) return send(302, { location: path.slice("/moved".length) });
    const body = site.files[path];
    if (!body) return send(404);
    if (site.needs && path.startsWith("/m/") && !request.headers[site.needs]) return send(401);
    if (request.method === "HEAD" && site.head !== 200) return send(site.head);
    const headers = { "content-type": site.type ?? "application/octet-stream", "cache-control": "max-age=9999" };
    if (path.endsWith(".html")) headers["content-type"] = "text/html";
    if (path.endsWith(".js")) headers["content-type"] = "text/javascript";
    if (path.endsWith(".wasm")) headers["content-type"] = "application/wasm";
    if (site.policy) headers["content-security-policy"] = site.policy;
    if (site.coep && path.endsWith(".html")) headers["cross-origin-embedder-policy"] = site.coep;
    if (site.etags) headers.etag = `"${createHash("md5").update(body).digest("hex")}"`;
    if (site.encoding) headers["content-encoding"] = site.encoding;
    let [start, end, status] = [0, body.length, 200];
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const fresh = !request.headers["if-range"] || request.headers["if-range"] === headers.etag;
    if (range && site.ranges && fresh && request.method === "GET") {
      start = Number(range[1]);
      end = range[2] ? Math.min(end, Number(range[2]) + 1) : end;
      if (start >= body.length) return send(416);
      status = 206;
      headers["content-range"] = `bytes ${start}-${end - 1}/${body.length}`;
    }
    if (site.cors) {
      headers["access-control-allow-origin"] = "*";
      headers["access-control-expose-headers"] = "ETag";
    }
    if (!site.encoding) headers["content-length"] = end - start;
    response.writeHead(status, headers);
    if (request.method === "HEAD") return response.end();
    const cut = end - start > 1 ? (site.cuts.shift() ?? Infinity) : Infinity;
    sendParts(response, body.subarray(start, end), cut);
  });

  async function sendParts(response, body, cut) {
    for (let at = 0; at < body.length && !response.destroyed; ) {
      const part = body.subarray(at, Math.min(at + 65536, cut, body.length));
      at += part.length;
      site.sent += part.length;
      if (!response.write(part) && !response.destroyed) {
        const done = new AbortController();
        const either = ["drain", "close"].map((name) => once(response, name, { signal: done.signal }).catch(() => {}));
        await Promise.race(either);
        done.abort();
      }
      if (at >= cut) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return response.destroy();
      }
      if (site.slow && response.req.url.startsWith(site.slowPath))
        await new Promise((resolve) => setTimeout(resolve, site.slow));
    }
    response.end();
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const site = {
    files,
    log,
    ranges: true,
    head: 200,
    etags: true,
    status: {},
    cuts: [],
    slow: 0,
    slowPath: "/",
    sent: 0,
    url: `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
    /** Requests for bodies of files whose path has `part` in it. */
    gets: (part) => log.filter((line) => line.startsWith("GET") && line.includes(part)),
  };
  return site;
}
