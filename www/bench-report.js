import { withText } from "./dom.js";
import { inBytes, inMillions, inSeconds, three } from "./words.js";

/**
 * What `cappy bench --json` prints, too.
 * @typedef {object} Report
 * @property {number} cappy_bench
 * @property {string} version
 * @property {string} shape
 * @property {number} parameters
 * @property {number} weight_bytes
 * @property {number} weights_read_seconds
 * @property {number} gpu_bytes
 * @property {{ name: string, backend: string, driver: string, device_type: string, f16: boolean }} adapter
 * @property {"f16" | "f32"} dtype
 * @property {number} tokens
 * @property {number} wait_seconds
 * @property {number} load_seconds
 * @property {number} first_seconds
 * @property {Record<"multiply_add" | "multiply_add_stored" | "copy", { best: number, samples: number[] }>} peaks
 * @property {"timestamps" | "repeats"} kernel_timer
 * @property {Workload[]} workloads
 * @property {Scaling | null} scaling
 * @property {string} [browser]
 */

/**
 * @typedef {object} Workload
 * @property {string} name
 * @property {number} pairs
 * @property {number} tokens
 * @property {number} seconds
 * @property {number[]} samples
 * @property {number} tokens_per_second
 * @property {number} flops
 * @property {number} gflops
 * @property {number} share
 * @property {Kernel[]} kernels
 */

/**
 * @typedef {object} Kernel
 * @property {string} label
 * @property {string} kernel
 * @property {number} dispatches
 * @property {number} flops
 * @property {number} bytes
 * @property {number} seconds
 * @property {number[]} samples
 * @property {number} gflops
 * @property {number} gbytes_per_second
 * @property {"arithmetic" | "bandwidth"} bound
 * @property {number} share
 */

/**
 * @typedef {object} Scaling
 * @property {number} batch_tokens
 * @property {{ candidates: number, mixed: boolean, tokens: number, seconds: number, microseconds_per_token: number }[]} sets
 * @property {number} largest_difference
 * @property {number} mixed_difference
 */

const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)}%`;
const ms = (/** @type {number} */ seconds) => (seconds * 1e3).toFixed(3);

/**
 * The figures that count most.
 * @param {Report} report
 * @returns {[term: string, value: string][]}
 */
export function factsOf({
  adapter,
  dtype,
  shape,
  parameters,
  gpu_bytes,
  load_seconds,
  first_seconds,
  workloads,
  ...report
}) {
  const { multiply_add, multiply_add_stored, copy } = report.peaks;
  return [
    ["Adapter", adapter.device_type === "cpu" ? `${adapter.name} (software)` : adapter.name],
    ["Shaders", dtype],
    ["Model", `${shape}, ${inMillions(parameters)} parameters, ${inBytes(gpu_bytes)}`],
    ...workloads.map(
      ({ name, pairs, tokens, seconds, tokens_per_second }) =>
        /** @type {[string, string]} */ ([
          pairs === 1 ? `One pair, ${tokens} tokens` : `A ${name} of ${pairs} pairs, ${tokens} tokens`,
          `${inSeconds(seconds)}, ${Math.round(tokens_per_second).toLocaleString("en")} tokens a second`,
        ]),
    ),
    ["First batch, with compilation", inSeconds(first_seconds)],
    ["Weights made and loaded", inSeconds(load_seconds)],
    ["Peak, f32 in registers", `${three(multiply_add.best)} GFLOP/s`],
    ["Peak, f16 numbers", `${three(multiply_add_stored.best)} GFLOP/s`],
    ["Bandwidth of copying", `${three(copy.best)} GB/s`],
  ];
}

/**
 * A table for each workload, and one for the candidates.
 * @param {Report} report
 */
export function tablesOf({ workloads, scaling, weights_read_seconds, weight_bytes }) {
  const made = workloads.map(({ name, pairs, tokens, seconds, gflops, share, kernels }) => {
    const sum = kernels.reduce((all, kernel) => all + kernel.seconds, 0);
    const reading =
      pairs === 1
        ? ` ${three(seconds / weights_read_seconds)} times as long as reading the weights (${inBytes(weight_bytes)}) once.`
        : "";
    return section(
      pairs === 1 ? `One pair of ${tokens} tokens, by kernel` : `A ${name} of ${pairs} pairs, by kernel`,
      `${three(gflops)} GFLOP/s, ${percent(share)} of the peak for f16 numbers.${reading}`,
      ["Step", "Runs", "ms", "Time", "GFLOP/s", "GB/s", "Bound by", "Reached"],
      kernels.map((kernel) => [
        kernel.label,
        String(kernel.dispatches),
        ms(kernel.seconds),
        percent(kernel.seconds / sum),
        kernel.gflops.toFixed(1),
        kernel.gbytes_per_second.toFixed(2),
        kernel.bound,
        percent(kernel.share),
      ]),
    );
  });
  if (!scaling) return made;
  const { batch_tokens, sets, largest_difference, mixed_difference } = scaling;
  return [
    ...made,
    section(
      "By the number of candidates",
      `64 tokens each on average, in batches of up to ${batch_tokens} tokens. A token takes up to ${percent(largest_difference)} longer in one set than in another; in sets of mixed length ${percent(mixed_difference)} longer than in sets of equal length.`,
      ["Candidates", "Lengths", "Tokens", "ms", "µs a token"],
      sets.map((set) => [
        String(set.candidates),
        set.mixed ? "mixed" : "equal",
        String(set.tokens),
        ms(set.seconds),
        set.microseconds_per_token.toFixed(2),
      ]),
    ),
  ];
}

/**
 * @param {string} title
 * @param {string} note
 * @param {string[]} heads
 * @param {string[][]} rows
 */
function section(title, note, heads, rows) {
  const whole = document.createElement("section");
  const scroller = document.createElement("div");
  scroller.className = "scroller";
  // An element that scrolls must be reachable by the keyboard.
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "region");
  scroller.ariaLabel = title;
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  head.append(
    ...heads.map((text) => {
      const cell = withText("th", text);
      cell.setAttribute("scope", "col");
      return cell;
    }),
  );
  const body = table.createTBody();
  for (const [first = "", ...rest] of rows) {
    const row = body.insertRow();
    const name = withText("th", first);
    name.setAttribute("scope", "row");
    row.append(name, ...rest.map((text) => withText("td", text)));
  }
  scroller.append(table);
  const about = withText("p", note);
  about.className = "muted";
  whole.append(withText("h3", title), about, scroller);
  return whole;
}
