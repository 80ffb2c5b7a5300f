import { inBytes, inSeconds } from "./words.js";

/** Rates are taken over so many milliseconds: long enough to be calm, short enough to be true. */
const WINDOW = 4000;

/** How fast something goes, and how long the rest takes. */
export class Rate {
  #samples: { at: number; bytes: number }[] = [];

  /** Forgets what it has seen: something else begins. */
  reset(): void {
    this.#samples = [];
  }

  /** Words such as "12 MB/s" and "40 s left"; nothing as long as it is too early to tell. */
  words(bytes: number, total: number): string[] {
    const at = performance.now();
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && at - this.#samples[1]!.at > WINDOW) this.#samples.shift();
    const first = this.#samples[0]!;
    if (at - first.at < 500 || bytes <= first.bytes) return [];
    const rate = (bytes - first.bytes) / ((at - first.at) / 1000);
    const left = (total - bytes) / rate;
    return [`${inBytes(rate)}/s`, ...(left >= 1 ? [`${left < 60 ? `${Math.ceil(left)} s` : inSeconds(left)} left`] : [])];
  }
}
