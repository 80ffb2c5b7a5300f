/** Whether an answer is finished. An answer is written word by word, and may be edited later. */
import type { Score } from "../messages.js";
import type { SiteAdapter } from "../sites/adapter.js";
import { fingerprint } from "./fingerprint.js";
import { own } from "./own.js";
import type { Answer } from "./read.js";

/** How often an answer that never settles is scored, and how long an unchanged answer may count as being written. */
const UNSETTLED_MS = 10_000;

/** What is known of one answer on the page. */
export interface Track {
  /** The value of the adapter's identity; empty where there is none. */
  identity: string;
  /** The fingerprint of the prompt's text. */
  key: string;
  /** The fingerprint of the prompt's and the answer's text. */
  print: string;
  text: string;
  changedAt: number;
  /** When it was last to be scored although it had not settled. */
  dueAt: number;
  settled: boolean;
  /** Whether its text has changed since it was first seen. */
  changed: boolean;
  /** The text that was to be scored although the answer had not settled. */
  interim: { print: string; text: string } | undefined;
  /** The last score, which may be of an earlier text. */
  score: Score | undefined;
}

/** The attribute that a selector of an identity begins with. */
export function attributeOf(selector: string): string {
  return /^\[([\w-]+)/.exec(selector)![1]!;
}

/** Follows the answers of a page over time. */
export class Tracks {
  readonly #adapter: SiteAdapter;
  readonly #streaming: string;
  readonly #tracks = new WeakMap<Element, Track>();

  constructor(adapter: SiteAdapter) {
    this.#adapter = adapter;
    this.#streaming = adapter.streaming?.join(", ") ?? "";
  }

  /** Updates what is known of an answer: it has this text now, under the prompt with this fingerprint. */
  see({ parts }: Answer, key: string, text: string, now: number): Track {
    const identity = this.#identityOf(parts);
    let track = this.#tracks.get(parts[0]);
    const same = track?.key === key && track.text === text;
    const print = same ? track!.print : fingerprint(`${key}\n${text}`);
    if (!track || track.identity !== identity) {
      track = {
        key,
        identity,
        print,
        text,
        changedAt: now,
        dueAt: now,
        settled: false,
        changed: false,
        interim: undefined,
        score: undefined,
      };
      this.#tracks.set(parts[0], track);
    } else if (!same) {
      Object.assign(track, { key, print, text, changedAt: now, changed: true });
      if (track.settled) track.dueAt = now;
    }
    const quiet = now - track.changedAt;
    track.settled = quiet >= UNSETTLED_MS || (quiet >= this.#adapter.settleMs && !this.#isStreaming(parts));
    if (track.settled) track.interim = undefined;
    return track;
  }

  /** The text of an answer that is to be scored now: none at first, and rarely one as long as it does not settle. */
  due(track: Track, now: number): { print: string; text: string } | undefined {
    const { print, text, settled } = track;
    if (settled) return { print, text };
    if (now - track.dueAt >= UNSETTLED_MS) {
      track.dueAt = now;
      track.interim = { print, text };
    }
    return track.interim;
  }

  /** How long until an answer may have to be scored, in ms. */
  wait(track: Track, now: number): number {
    if (track.settled) return Infinity;
    const settles = Math.max(track.changedAt + this.#adapter.settleMs - now, 250);
    return Math.min(settles, Math.max(track.dueAt + UNSETTLED_MS - now, 0));
  }

  #identityOf(parts: Answer["parts"]): string {
    for (const selector of this.#adapter.identity ?? []) {
      for (const part of parts) {
        const value = this.#carrier(part, selector)?.getAttribute(attributeOf(selector));
        if (value) return this.#adapter.provisional && value.startsWith(this.#adapter.provisional) ? "" : value;
      }
    }
    return "";
  }

  /** The element with an answer's identity: the part itself, one in it, or one around it inside the same turn. */
  #carrier(part: Element, selector: string): Element | null {
    const { turn } = this.#adapter;
    const inside = part.matches(selector) ? part : part.querySelector(selector);
    if (inside || turn === undefined) return inside;
    const around = part.closest(selector);
    return around && part.closest(turn)?.contains(around) ? around : null;
  }

  #isStreaming(parts: Answer["parts"]): boolean {
    if (this.#adapter.running && document.querySelector(this.#adapter.running)) return true;
    if (!this.#streaming) return false;
    const around = (this.#adapter.turn && parts[0].closest(this.#adapter.turn)) || parts[0];
    return [around, ...parts].some(
      (element) => own(element).matches(this.#streaming) || own(element).querySelector(this.#streaming),
    );
  }
}
