// The built package, which `onCpu` of demo-page.mjs serves beside this file, with the CPU as its default device.
const own = await import(new URL("own-index.js", import.meta.url).href);

export const { CappyError, deleteAdaptation, deleteKept, keptAdaptations, keptModels, probe } = own;

export class Scorer extends own.Scorer {
  static load(source, options) {
    return own.Scorer.load(source, { device: "cpu", ...options });
  }
}
