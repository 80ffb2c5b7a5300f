import { inSeconds, three } from "./words.js";

/** @typedef {{ device: string, browser: string, pairs: number }} Known a line of docs/devices.md */
/**
 * What the package tells of where it computes.
 * @typedef {object} Where
 * @property {string} device
 * @property {{ vendor: string, architecture: string, description: string, software: boolean, f16: boolean }} adapter
 */

/** From so many pairs a second on twenty answers are ranked in a tenth of a second; or in a whole one. */
const FAST = 200;
const USABLE = 20;

/**
 * Whether a device is fast, in one sentence.
 * @param {number} pairs a second
 */
export function verdict(pairs) {
  const speed = `${three(pairs)} pairs a second of the default model`;
  if (pairs >= FAST) return `This device is fast: ${speed}, so twenty answers are ranked before you notice.`;
  if (pairs >= USABLE) return `This device is fast enough: ${speed}, so twenty answers are ranked within a second.`;
  return `This device is slow: ${speed}, so twenty answers take ${inSeconds(20 / pairs)}.`;
}

/**
 * Which known device it is as fast as; nothing where none is known.
 * @param {number} pairs a second
 * @param {readonly Known[]} known
 */
export function comparison(pairs, known) {
  const distance = (/** @type {Known} */ each) => Math.abs(Math.log(each.pairs / pairs));
  const [nearest] = known.filter((each) => each.pairs > 0).toSorted((a, b) => distance(a) - distance(b));
  if (!nearest) return "";
  const name = `${nearest.device} in ${nearest.browser}`;
  const times = pairs / nearest.pairs;
  if (times > 0.8 && times < 1.25) return `It is about as fast as ${name}.`;
  return times > 1
    ? `It is ${three(times)} times as fast as ${name}.`
    : `${name} is ${three(1 / times)} times as fast.`;
}

/**
 * A line of the table in docs/devices.md.
 * @param {{ info: Where, pairs: number, one: number, version: string, agent?: string, cores?: number, date?: Date }} measured
 */
export function tableRow({
  info: { adapter, device },
  pairs,
  one,
  version,
  agent = navigator.userAgent,
  cores = navigator.hardwareConcurrency,
  date = new Date(),
}) {
  const gpu = [adapter.description, adapter.vendor, adapter.architecture].filter(Boolean).join(", ");
  const cells = [
    device === "cpu" ? `${cores} cores, name of the processor here` : gpu || "name of the GPU here",
    browserOf(agent),
    device === "cpu" ? "processor" : `GPU, ${adapter.f16 ? "f16" : "f32"}${adapter.software ? ", in software" : ""}`,
    three(pairs),
    inSeconds(one),
    version,
    date.toISOString().slice(0, 10),
  ];
  // A name comes from the browser. In a table it is one cell in one line.
  return `| ${cells.map((cell) => cell.replace(/[|\s]+/g, " ").trim()).join(" | ")} |`;
}

/** @param {string} agent */
function browserOf(agent) {
  const [, name, version] =
    /(Firefox)\/(\d+)/.exec(agent) ??
    /(Edg)[A-Za-z]*\/(\d+)/.exec(agent) ??
    /(OPR)\/(\d+)/.exec(agent) ??
    /(Chrome)\/(\d+)/.exec(agent) ??
    /(Version)\/(\d+)/.exec(agent) ??
    [];
  const names = { Edg: "Edge", OPR: "Opera", Version: "Safari" };
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "CrOS", "Linux"].find((each) =>
    agent.includes(each),
  );
  return [`${names[/** @type {keyof typeof names} */ (name)] ?? name ?? "unknown browser"} ${version ?? ""}`, system]
    .filter(Boolean)
    .join(", ");
}
