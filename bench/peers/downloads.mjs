// How much a page downloads before the model: the files that each library asks for.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const ORT = "node_modules/onnxruntime-web/dist";

/** Our package without its embedded model and the adapters for other libraries. */
function ourFiles(root) {
  const skip = /^model\/|^(ai-sdk|langchain|rerank|ranker)\.js$|\.d\.ts$/;
  return readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(js|wasm)$/.test(name) && !skip.test(name))
    .map((name) => join("dist", name));
}

export function downloads(root) {
  const sets = {
    ours: ourFiles(root),
    "onnxruntime-web WebGPU": [
      "ort.webgpu.min.mjs",
      "ort-wasm-simd-threaded.asyncify.mjs",
      "ort-wasm-simd-threaded.asyncify.wasm",
    ].map((name) => join(ORT, name)),
    "onnxruntime-web wasm": ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"].map(
      (name) => join(ORT, name),
    ),
  };
  // The highest setting of brotli takes a minute for these; servers that compress as they go use less.
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
  return Object.entries(sets).map(([name, files]) => {
    const contents = files.map((file) => readFileSync(join(root, file)));
    const sum = (of) => contents.reduce((sum, bytes) => sum + of(bytes).length, 0);
    return {
      name,
      files,
      raw: sum((bytes) => bytes),
      gzip: sum((bytes) => gzipSync(bytes, { level: 9 })),
      brotli: sum((bytes) => brotliCompressSync(bytes, quality)),
    };
  });
}
