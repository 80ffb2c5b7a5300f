import { byId, announce } from "./dom.js";
import { comparison, tableRow, verdict } from "./bench-verdict.js";
import { BY_HAND, copyText } from "./copy.js";
import { codeOf, hideError, showError } from "./errors.js";
import { whereItRuns } from "./where.js";
import { inBytes } from "./words.js";

/** @typedef {import("./cappy-web/index.js").Scorer} Scorer */

/** All that is measured takes at most so many milliseconds, after the model is loaded. */
const MOST = 15_000;
/** Rounds go on for so long, or until there are enough of them. */
const ENOUGH_TIME = 5_000;
const ENOUGH_ROUNDS = 9;

const INSTRUCTION = "A customer writes that the parcel has not arrived after ten days. Which reply helps?";
const SENTENCE = "We are sorry, and we have asked the carrier where it is.";
/** Sixteen replies of one to four sentences, so that lengths differ as those of real answers do. */
const REPLIES = Array.from({ length: 16 }, (_, at) => Array.from({ length: 1 + (at % 4) }, () => SENTENCE).join(" "));

const go = byId("quick", HTMLButtonElement);
const stopButton = byId("quick-stop", HTMLButtonElement);
const says = byId("quick-says", HTMLElement);
const status = byId("quick-status", HTMLElement);
const box = byId("quick-line-box", HTMLElement);
const line = byId("quick-line", HTMLElement);

/** Sets the part of the bench page up that says in one sentence whether the device is fast. */
export function setUpQuickRun() {
  /** @type {AbortController | null} */
  let running = null;
  const run = async () => {
    if (running) return;
    const stop = new AbortController();
    running = stop;
    show(true);
    try {
      await measure(stop.signal);
    } catch (error) {
      status.textContent = stop.signal.aborted ? "Stopped." : "";
      if (!stop.signal.aborted && codeOf(error) !== "aborted") showError("quick-error", error, () => void run());
    } finally {
      running = null;
      show(false);
    }
  };
  go.addEventListener("click", () => void run());
  stopButton.addEventListener("click", () => running?.abort());
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") running?.abort();
  });
  byId("quick-copy", HTMLButtonElement).addEventListener("click", async () => {
    const copied = await copyText(line.textContent ?? "", "The line for the table");
    status.textContent = copied ? "Copied. Paste it into an issue." : BY_HAND;
  });
}

/** @param {AbortSignal} signal */
async function measure(signal) {
  hideError("quick-error");
  says.textContent = "";
  box.hidden = true;
  status.textContent = "Loading the model";
  const { Scorer } = await import("./cappy-web/index.js");
  const scorer = await Scorer.load(undefined, {
    signal,
    onProgress: ({ bytes, total }) => {
      status.textContent = `Loading the model: ${inBytes(bytes)} of ${inBytes(total)}`;
    },
  });
  try {
    status.textContent = "Measuring: at most 15 seconds";
    announce(status.textContent);
    const { pairs, one } = await timed(scorer, signal);
    const info = scorer.info();
    says.textContent = [verdict(pairs), comparison(pairs, await knownDevices())].filter(Boolean).join(" ");
    line.textContent = tableRow({ info, pairs, one, version: byId("version", HTMLElement).textContent ?? "" });
    box.hidden = false;
    status.textContent = `Measured on ${whereItRuns(info)}.`;
    announce(says.textContent);
  } finally {
    scorer.dispose();
  }
}

/**
 * Pairs a second, and the seconds of one pair.
 * @param {Scorer} scorer
 * @param {AbortSignal} signal
 */
async function timed(scorer, signal) {
  const begun = performance.now();
  const last = AbortSignal.any([signal, AbortSignal.timeout(MOST)]);
  /** @param {string | string[]} replies */
  const seconds = async (replies) => {
    const start = performance.now();
    await (typeof replies === "string"
      ? scorer.score(INSTRUCTION, replies, { signal: last })
      : scorer.score(INSTRUCTION, replies, { signal: last }));
    return (performance.now() - start) / 1000;
  };
  /** @type {number[]} */
  const rounds = [];
  /** @type {number[]} */
  const singles = [];
  try {
    // The first round compiles, and is counted only where there is time for no other.
    const first = await seconds(REPLIES);
    rounds.push(first);
    while (rounds.length <= ENOUGH_ROUNDS && performance.now() - begun < ENOUGH_TIME)
      rounds.push(await seconds(REPLIES));
    if (rounds.length > 1) rounds.shift();
    while (singles.length < ENOUGH_ROUNDS && performance.now() - begun < 2 * ENOUGH_TIME)
      singles.push(await seconds(REPLIES[1] ?? ""));
  } catch (error) {
    if (signal.aborted || !last.aborted) throw error;
    // The time is over. What was measured so far counts.
  }
  if (rounds.length === 0) throw new Error("16 pairs took longer than 15 seconds here, so there is nothing to tell");
  const round = median(rounds);
  return { pairs: REPLIES.length / round, one: singles.length > 0 ? median(singles) : round / REPLIES.length };
}

/** The table of docs/devices.md, which the build puts beside the page; empty where it is not there. */
async function knownDevices() {
  try {
    const response = await fetch("devices.json");
    return response.ok ? /** @type {import("./bench-verdict.js").Known[]} */ (await response.json()) : [];
  } catch {
    return [];
  }
}

/** @param {boolean} on */
function show(on) {
  const hadFocus = document.activeElement === stopButton || document.activeElement === go;
  go.hidden = on;
  stopButton.hidden = !on;
  if (hadFocus) (on ? stopButton : go).focus();
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
