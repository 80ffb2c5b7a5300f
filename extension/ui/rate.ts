import { inBytes, inSeconds } from "./words.js";

/** Rates are averages over so many milliseconds: long enough to be steady, short enough to be up to date. */
const WINDOW = 4000;

/** How fast something goes, and how long the rest takes. */
export class Rate {
  #samples: { at: number; bytes: number }[] = [];

  /** Begins anew, for another download. */
  reset(): void {
    this.#samples = [];
  }

  /** Texts such as "12 MB/s" and "40 s left"; none as long as it is too early to say. */
  words(bytes: number, total: number): string[] {
    const at = performance.now();
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && at - this.#samples[1]!.at > WINDOW) this.#samples.shift();
    const first = this.#samples[0]!;
    if (at - first.at < 500 || bytes <= first.bytes) return [];
    const rate = (bytes - first.bytes) / ((at - first.at) / 1000);
    const left = (total - bytes) / rate;
    return [
      `${inBytes(rate)}/s`,
      ...(left >= 1 ? [`${left < 60 ? `${Math.ceil(left)} s` : inSeconds(left)} left`] : []),
    ];
  }
}
