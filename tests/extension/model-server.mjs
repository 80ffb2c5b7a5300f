// A small model on a loopback server that lets other origins read, for tests of models from elsewhere.
import { createServer } from "node:http";
import { miniFiles } from "../web/mini.mjs";
import { tinyModel } from "../web/tiny-model.mjs";
import { sleep } from "./harness.mjs";

/** Bytes that are sent at once. */
const PIECE = 500_000;

/** The files of a small random model, with cappy-mini's tokenizer. */
export async function modelFiles() {
  const mini = await miniFiles();
  return tinyModel(mini["tokenizer.json"], JSON.parse(String(mini["config.json"])).vocab_size);
}

/**
 * Serves `files` below /m/. Where `stall` is set, a file's body stops at so many bytes until `go` is
 * called; `asked` lists the bodies that were asked for, with their range of bytes. While it is `away` nobody answers.
 */
export async function serveModel(files) {
  const site = { stall: undefined, away: false, asked: [], waiting: [], go, close };
  const server = createServer(async (request, response) => {
    if (site.away) return request.socket.destroy();
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-allow-headers", "*");
    response.setHeader("access-control-expose-headers", "etag, content-range");
    if (request.method === "OPTIONS") return response.writeHead(204).end();
    const name = new URL(request.url, "http://local").pathname.replace(/^\/m\//, "");
    const bytes = files[name];
    if (!bytes) return response.writeHead(404).end();
    const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const [from, to] = [Number(start ?? 0), end ? Math.min(Number(end) + 1, bytes.length) : bytes.length];
    response.writeHead(start === undefined ? 200 : 206, {
      "content-type": "application/octet-stream",
      "content-length": to - from,
      "accept-ranges": "bytes",
      etag: '"1"',
      ...(start === undefined ? {} : { "content-range": `bytes ${from}-${to - 1}/${bytes.length}` }),
    });
    if (request.method === "HEAD") return response.end();
    site.asked.push({ name, from, to });
    const until = Math.min(to, Math.max(from, site.stall ?? to));
    for (let at = from; at < until; at += PIECE) {
      response.write(bytes.subarray(at, Math.min(at + PIECE, until)));
      // Progress is reported now and then, as bytes come.
      if (until - from > PIECE) await sleep(60);
    }
    // Unless `go` was called while the bytes before were still on their way.
    if (until < to && site.stall !== undefined) await new Promise((resolve) => site.waiting.push(resolve));
    response.end(bytes.subarray(until, to));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  site.port = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
  site.url = `http://127.0.0.1:${site.port}/m/`;
  return site;

  function go() {
    site.stall = undefined;
    for (const resolve of site.waiting.splice(0)) resolve();
  }
  function close() {
    go();
    return new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }
}

/** A model's weights with a tensor more before the others, which nobody needs: they take longer to download. */
export function padded(weights, bytes) {
  const length = Number(weights.readBigUInt64LE(0));
  const header = JSON.parse(weights.subarray(8, 8 + length));
  for (const tensor of Object.values(header)) tensor.data_offsets = tensor.data_offsets.map((at) => at + bytes);
  const json = Buffer.from(
    JSON.stringify({ padding: { dtype: "F32", shape: [bytes / 4], data_offsets: [0, bytes] }, ...header }),
  );
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([start, json, Buffer.alloc(bytes), weights.subarray(8 + length)]);
}
