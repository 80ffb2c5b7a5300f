import type { AbortSignal } from "../globals.js";

/** What each unit of a text does to the score. */
export interface Explanation {
  /** The raw logit of the whole pair. */
  score: number;
  /** Tokens that were cut because the pair is too long. A unit that was cut has no effect of its own. */
  truncated: number;
  /** What the units are. */
  unit: "word" | "sentence";
  /** The units in the order of the text. Punctuation and spaces between words are part of none. */
  units: {
    /** The unit. */
    text: string;
    /** Where it begins in the text: `text.slice(start, end)` is the unit. */
    start: number;
    /** Where it ends. */
    end: number;
    /** The score minus the score without it: above 0 it raises the score. */
    effect: number;
  }[];
}

/** What to explain, and how finely. */
export interface ExplainOptions {
  /** Words or sentences; by default words where there are at most 64 of them. */
  unit?: "word" | "sentence";
  /** The text whose units are left out: the response unless given. */
  of?: "response" | "instruction";
  /** The most units, 512 unless given. One pair is scored for each. */
  atMost?: number;
  /** Stops the work. */
  signal?: AbortSignal;
  /** Called with how many pairs are scored; first with how many there are to score. */
  onProgress?: (progress: { done: number; total: number }) => void;
}
