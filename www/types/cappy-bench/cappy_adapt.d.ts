import type { Report } from "../../bench-report.js";

/** Compiles the WebAssembly beside this file. */
export default function init(): Promise<unknown>;

/** Measures; `crates/wasm/src/bench.rs`. `progress` ends the work by returning true. */
export function bench(
  shape: string,
  dtype: string,
  scaling: boolean,
  software: boolean,
  progress: (step: string, share: number) => unknown,
): Promise<Report>;
