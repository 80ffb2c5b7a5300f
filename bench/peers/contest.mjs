// The referee: checks every answer, lets the contestants take turns, keeps every sample.
import { settle } from "./quiet.mjs";

/**
 * How far scores may be from onnxruntime's fp32 on the CPU, as a share of their standard deviation.
 * Ours and fp32 have to compute the same function. The others round every number on the way, and
 * on random weights that shows; a wrong answer, such as another pair's, is still far outside.
 * Not so with weights of 4 bits: they move the scores of random models, most of it all alike, by as
 * much as lies between them. So ours are held to `OWN_BOUNDS`, too.
 */
const BOUNDS = { ours: 0.02, fp32: 0.02, fp16: 0.5, bf16: 1, q8: 1, "ours q8": 0.5, "ours q4": 4 };

/**
 * How far ours may be from the fp32 scores of the very weights that rounding left. On a GPU kernels
 * for rounded weights have no excuse to be less exact than others; the CPU rounds them once more, to
 * the 8 bits that it computes with.
 */
const OWN_BOUNDS = { gpu: BOUNDS.ours, cpu: 0.5 };

/**
 * 24 random layers make more of every rounding: so many times as much is allowed there. For ours
 * that is 0.002 in the score, the bound of trained models.
 */
const DEEP = { large: 3 };

/** Longer calls than this are repeated `FEW_ROUNDS` times only. */
const LONG_SECONDS = 20;
const FEW_ROUNDS = 3;

export const say = (text) => process.stderr.write(`${new Date().toTimeString().slice(0, 8)} ${text}\n`);

export function median(samples) {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Runs calls and refuses answers that are not the right ones. */
export class Referee {
  /** `expected` is a shape's expected.json, `rounded` what is expected of its weights in q8 and q4. */
  constructor(shape, expected, rounded) {
    this.shape = shape;
    this.expected = expected;
    this.rounded = rounded;
    this.last = new Map();
  }

  /**
   * One call of a contestant: `{ seconds, error, own }`, errors as shares of the standard deviation;
   * `own` is that from the scores of its own rounded weights, where it has such.
   */
  async run(contestant, workload, variant) {
    const { name, precision, dtype, call } = contestant;
    const { seconds, scores } = await call("run", { name, workload, variant });
    const where = `${name}, ${this.shape} ${workload}`;
    const key = `${name} ${workload}`;
    const several = this.expected.scores[workload].length > 1;
    if (several && this.last.get(key) === scores.join()) throw new Error(`${where}: the scores of the texts before`);
    this.last.set(key, scores.join());
    const distance = ({ scores: expected }, bound, what) =>
      this.distance(scores, expected[workload], variant, bound, `${where}: ${what}`);
    const error = distance(this.expected, BOUNDS[precision], "scores");
    const rounded = this.rounded[dtype];
    const own =
      rounded && distance(rounded, OWN_BOUNDS[contestant.device ?? "gpu"], `scores of its weights in ${dtype}`);
    return { seconds, error, own };
  }

  /** How far `scores` are from those of a variant, as a share of the standard deviation. Throws where that is too far. */
  distance(scores, variants, variant, least, what) {
    const wanted = variants[variant % variants.length];
    if (scores.length !== wanted.length) throw new Error(`${what} are ${scores.length} for ${wanted.length} pairs`);
    const error = Math.max(...scores.map((score, i) => Math.abs(score - wanted[i]))) / this.expected.deviation;
    const bound = least * (DEEP[this.shape] ?? 1);
    // Written so that NaN is refused.
    if (!(error <= bound))
      throw new Error(`${what} are wrong by ${error} of their standard deviation; ${bound} is allowed`);
    return error;
  }

  /**
   * All contestants at all `workloads`, in turn, after a call of each that is only checked: it
   * compiles pipelines for the shape at hand. Gives `{ workload: { name: { samples, ... } } }`.
   */
  async interleave(contestants, workloads, rounds) {
    let entries = workloads.flatMap((workload) =>
      contestants.map((contestant) => ({ contestant, workload, samples: [] })),
    );
    for (const entry of entries) {
      const { name } = entry.contestant;
      try {
        const { seconds, error, own } = await this.run(entry.contestant, entry.workload, 0);
        Object.assign(entry, { warmUp: seconds, error, own });
        say(
          `${this.shape} ${entry.workload} ${name}: ${seconds.toFixed(3)} s with compilation, error ${error.toFixed(4)}`,
        );
      } catch (error) {
        // One of theirs that cannot do it is left out by name; the others can still be measured.
        if (isOurs(name)) throw error;
        entry.refused = error.message.split("\n")[0];
        say(`left out: ${entry.refused}`);
      }
    }
    const results = {};
    for (const { contestant, workload, refused } of entries) {
      if (refused) (results[workload] ??= {})[contestant.name] = { refused };
    }
    entries = entries.filter(({ refused }) => !refused);
    await settle();
    for (let round = 1; round <= rounds; round++) {
      // There and back, so that nobody always comes after the same other one.
      for (const entry of round % 2 ? entries : entries.toReversed()) {
        const { seconds, error, own } = await this.run(entry.contestant, entry.workload, round);
        entry.samples.push(seconds);
        entry.error = Math.max(entry.error, error);
        if (own !== undefined) entry.own = Math.max(entry.own, own);
      }
      const times = entries.map((entry) => `${entry.contestant.name} ${entry.samples.at(-1).toFixed(3)}`);
      say(`${this.shape} ${workloads} ${round}/${rounds}: ${times.join(", ")}`);
      if (round >= FEW_ROUNDS && entries.some((entry) => median(entry.samples) > LONG_SECONDS)) break;
    }
    for (const { contestant, workload, warmUp, error, own, samples } of entries) {
      (results[workload] ??= {})[contestant.name] = {
        median: median(samples),
        min: Math.min(...samples),
        max: Math.max(...samples),
        warmUp,
        error,
        own,
        samples,
      };
    }
    return results;
  }
}

/**
 * One shape in one host, the smallest workload first: it says who of theirs goes on, and how long a
 * call will take about. Whoever of theirs takes more than `lead` times as long as their best, leaves.
 * Gives those who are left.
 */
export async function contest(referee, contestants, workloads, sizes, { rounds, longest, lead }, keep) {
  const order = workloads.toSorted((a, b) => sizes[a].paddedTokens - sizes[b].paddedTokens);
  let going = contestants;
  let pace = 0;
  for (const workload of order) {
    const { pairs, realTokens, paddedTokens } = sizes[workload];
    const result = { pairs, realTokens, paddedTokens };
    const predicted = pace * paddedTokens;
    if (predicted > longest) {
      result.skipped = `a call of the slowest would take about ${predicted.toFixed(0)} s`;
      say(`${referee.shape} ${workload}: not measured, ${result.skipped}`);
    } else {
      result.runs = (await referee.interleave(going, [workload], rounds))[workload];
      const best = bestOfTheirs(result.runs)?.[1].median;
      going = going.filter(({ name }) => isOurs(name) || result.runs[name].median <= lead * best);
      pace = Math.max(...going.map(({ name }) => result.runs[name].median)) / paddedTokens;
    }
    keep(workload, result);
  }
  return going;
}

/** Ours have names that begin so. */
export const isOurs = (name) => name.startsWith("ours");

/** `[name, run]` of whoever is fastest, ours aside. */
export function bestOfTheirs(runs) {
  return Object.entries(runs)
    .filter(([name, { refused }]) => !isOurs(name) && !refused)
    .toSorted(([, a], [, b]) => a.median - b.median)[0];
}
