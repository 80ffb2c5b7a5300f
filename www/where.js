/** @typedef {import("./cappy-web/index.js").Info} Info */

/**
 * @param {Info["adapter"]} adapter
 * @param {Info["device"]} device
 */
export function whereOf(adapter, device) {
  if (device === "cpu") return "the processor";
  return adapter.software ? "the processor, in software (slow)" : "the GPU";
}

/**
 * What computes, with the adapter's name where that is what computes.
 * @param {Pick<Info, "adapter" | "device">} info
 */
export function whereItRuns({ adapter, device }) {
  const name = device === "cpu" || adapter.software ? "" : adapter.description || adapter.vendor;
  return whereOf(adapter, device) + (name && ` (${name})`);
}
