/** The measurement, in a worker, so that the page stays smooth and can stop it by ending the worker. */

import init, { bench } from "./cappy-bench/cappy_adapt.js";

/** @typedef {import("./bench-report.js").Report} Report */
/** @typedef {{ shape: string, dtype: string, scaling: boolean }} Ask */
/** @typedef {{ code: string, atFault: string, what: string }} PlainError as the package's WebAssembly throws it */
/** @typedef {{ step: string, share: number } | { report: Report } | { error: PlainError }} FromWorker */

/** Names of adapters that run shaders on a CPU; as in the package. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b/i;

/** @param {FromWorker} message */
const send = (message) => postMessage(message);

addEventListener("message", (/** @type {MessageEvent<Ask>} */ { data }) => {
  measure(data).then(
    (report) => send({ report }),
    (thrown) => send({ error: plainError(thrown) }),
  );
});

/**
 * @param {Ask} ask
 * @returns {Promise<Report>}
 */
async function measure({ shape, dtype, scaling }) {
  const { gpu } = navigator;
  if (!gpu) throw { code: "no-webgpu", atFault: "WebGPU", what: "is missing" };
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw { code: "no-adapter", atFault: "WebGPU", what: "finds no graphics adapter" };
  const { vendor, architecture, description, device, isFallbackAdapter } = adapter.info;
  const software = SOFTWARE.test([vendor, architecture, description, device].join(" ")) || isFallbackAdapter === true;
  await init().catch((cause) => {
    throw {
      code: "network",
      atFault: "cappy_adapt_bg.wasm",
      what: `could not be loaded: ${cause instanceof Error ? cause.message : cause}`,
    };
  });
  const report = await bench(shape, dtype, scaling, software, (step, share) => send({ step, share }));
  // A browser tells wgpu nothing about the adapter.
  report.adapter.name = description || device || [vendor, architecture].filter(Boolean).join(" ") || "unknown";
  report.adapter.device_type = software ? "cpu" : "other";
  return { ...report, browser: navigator.userAgent };
}

/**
 * @param {unknown} thrown
 * @returns {PlainError}
 */
function plainError(thrown) {
  if (typeof thrown === "object" && thrown !== null && "code" in thrown && "what" in thrown)
    return /** @type {PlainError} */ (thrown);
  return {
    code: "gpu",
    atFault: "cappy",
    what: `stopped unexpectedly: ${thrown instanceof Error ? thrown.message : thrown}`,
  };
}
