/** The badges on one page, from when they are switched on until they are switched off. */
import type { PageReport, PageSettings } from "../messages.js";
import { adapterOf, generic, type SiteAdapter } from "../sites/index.js";
import { Badges, type Item } from "./badges.js";
import { fingerprint } from "./fingerprint.js";
import { type Group, groupsOf } from "./groups.js";
import { dropOldest } from "./oldest.js";
import { Opinions } from "./opinions.js";
import { readPage } from "./read.js";
import { reportOf } from "./report.js";
import { Scores } from "./scores.js";
import { attributeOf, type Track, Tracks } from "./settle.js";
import { Texts } from "./text.js";
import { isThere } from "./there.js";
import { type Variant, Variants } from "./variants.js";
import { type Rated, viewsOf } from "./views.js";
import { Watch } from "./watch.js";
import { inShort } from "./words.js";

/** How often the page is looked at without any change: badges may have to move, or the extension may be gone. */
const LOOK_MS = 1000;

/** How long results are collected before a screen reader says them together. */
const ANNOUNCE_MS = 700;

/** For how many prompts it is remembered which ranking a screen reader has said. */
const MOST_ANNOUNCED = 256;

/** A group with what is known of its answers, in reading order. */
interface Ranking {
  group: Group;
  tracks: Track[];
  variants: Variant[];
}

export class Session {
  readonly #adapter: SiteAdapter;
  readonly #texts: Texts;
  readonly #tracks: Tracks;
  readonly #variants = new Variants();
  readonly #scores = new Scores(() => this.#show());
  readonly #badges = new Badges(() => this.#scores.retry());
  /** Missing while thumbs are switched off. */
  #opinions: Opinions | undefined;
  readonly #watch: Watch;
  readonly #ended = new AbortController();
  readonly #interval: ReturnType<typeof setInterval>;
  readonly #gone: () => void;
  readonly #recognised: (adapter: SiteAdapter) => void;
  #settings: PageSettings;
  #rankings: Ranking[] = [];
  #report: PageReport | undefined;
  /** The last ranking of each group that a screen reader has said. */
  readonly #announced = new Map<string, string>();
  #announcements: string[] = [];
  #announceTimer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /**
   * Calls `gone` when the extension was removed or updated, and `recognised` when the page turns out to be of another
   * site, which an empty page does not show at first.
   */
  constructor(
    adapter: SiteAdapter,
    settings: PageSettings,
    { gone, recognised }: { gone: () => void; recognised: (adapter: SiteAdapter) => void },
  ) {
    this.#adapter = adapter;
    this.#settings = settings;
    this.#gone = gone;
    this.#recognised = recognised;
    this.#texts = new Texts(adapter.ignore);
    this.#tracks = new Tracks(adapter);
    this.#watch = new Watch((adapter.identity ?? []).map(attributeOf), {
      changed: (records) => {
        this.#texts.forget(records);
        this.#badges.place();
      },
      retheme: () => this.#badges.retheme(),
      look: () => this.#look(),
    });
    this.#switchThumbs();
    document.addEventListener(
      "visibilitychange",
      () => {
        if (document.hidden || !this.#opinions) return;
        // Lessons may have been deleted in the meantime, in the options.
        this.#opinions.refresh();
        this.#watch.soon(0);
      },
      { signal: this.#ended.signal },
    );
    this.#interval = setInterval(() => {
      if (!isThere()) this.#gone();
      else if (!document.hidden) this.#badges.place();
    }, LOOK_MS);
  }

  /** What it sees. */
  report(): PageReport {
    return { ...(this.#report ?? reportOf(this.#adapter)), problem: this.#scores.problem };
  }

  /** Takes new settings. Where they change scores, as another model does, the old ones are dropped. */
  change(settings: PageSettings): void {
    const another = this.#settings.scoring !== settings.scoring;
    this.#settings = settings;
    this.#switchThumbs();
    if (another) {
      this.#scores.forget();
      for (const { tracks } of this.#rankings) for (const track of tracks) track.score = undefined;
      // Later, because the engine gets the settings at the same time.
      this.#watch.soon(500);
    }
    this.#show();
  }

  focusNext(): void {
    this.#badges.focusNext();
  }

  stop(): void {
    this.#stopped = true;
    this.#ended.abort();
    clearInterval(this.#interval);
    clearTimeout(this.#announceTimer);
    this.#watch.stop();
    this.#badges.remove();
    // Last, because it throws where the extension is gone.
    this.#scores.close();
  }

  #look(): void {
    if (!isThere()) {
      this.#gone();
      return;
    }
    if (this.#adapter === generic) {
      const adapter = adapterOf(location.href, document);
      if (adapter !== generic) {
        this.#recognised(adapter);
        return;
      }
    }
    const now = performance.now();
    const page = location.pathname + location.search;
    const reading = readPage(this.#adapter);
    const { groups, left } = groupsOf(reading, this.#texts, {
      others: (key) => this.#variants.besides(key, page).length,
      alone: this.#adapter.identity !== undefined,
    });
    const seen = groups.map((group) => this.#rankingOf(group, page, now)).reverse();
    this.#rankings = seen.filter(({ tracks, variants }) => tracks.length + variants.length >= 2);
    this.#report = {
      adapter: this.#adapter.id,
      prompts: reading.prompts.length,
      answers: reading.answers.length,
      ranked: this.#rankings.length,
      left,
      problem: "",
    };
    // The newest first, because the user waits for those.
    this.#scores.want(
      this.#rankings.toReversed().map(({ group, tracks, variants }) => ({
        instruction: group.instruction,
        answers: [...tracks.flatMap((track) => this.#tracks.due(track, now) ?? []), ...variants],
      })),
    );
    this.#opinions?.want(
      this.#rankings.map(({ group, tracks }) => ({
        instruction: group.instruction,
        answers: tracks.filter(({ settled }) => settled),
      })),
    );
    this.#show();
    const next = Math.min(...seen.flatMap(({ tracks }) => tracks.map((track) => this.#tracks.wait(track, now))));
    if (next < Infinity) this.#watch.soon(next);
  }

  #rankingOf(group: Group, page: string, now: number): Ranking {
    const tracks = group.shown.map(({ answer, text }) => {
      const track = this.#tracks.see(answer, group.key, text, now);
      const { identity, print, settled } = track;
      if (settled && identity) this.#variants.add(group.key, { identity, text, print, page });
      return track;
    });
    return { group, tracks, variants: this.#variants.besides(group.key, page, tracks) };
  }

  /** Shows all that is known now. */
  #show(): void {
    if (this.#stopped) return;
    const { state, problem } = this.#scores;
    const items = this.#rankings.flatMap((ranking) => {
      const { group, tracks, variants } = ranking;
      const rated = [
        ...tracks.map((track) => this.#rate(track)),
        ...variants.map(({ print }) => ({ score: this.#scores.of(print), changing: false })),
      ];
      const views = viewsOf(rated, state, problem);
      const answers = group.shown.map(({ anchor }) => anchor);
      const first = views.findIndex((view) => view.kind === "ranked" && view.best);
      this.#announce(ranking, rated, first);
      return answers.map(
        (answer, index): Item => ({
          answer,
          view: views[index]!,
          best: answers[first],
          opinion: this.#opinionOf(group, tracks[index]!),
          explain: (signal) => this.#scores.explain(group.instruction, group.shown[index]!.text, signal),
        }),
      );
    });
    this.#badges.show(items, this.#settings.badge, state);
  }

  /** There are thumbs while the user has switched them on, except in private windows. */
  #switchThumbs(): void {
    if (!this.#settings.learn || chrome.extension.inIncognitoContext) this.#opinions = undefined;
    else if (!this.#opinions) {
      this.#opinions = new Opinions((problem) => {
        if (problem) this.#badges.say(`This was not kept: ${problem}.`);
        this.#show();
      });
      this.#watch.soon(0);
    }
  }

  /** The state of the thumbs beside an answer; `undefined` where there are none, as beside an answer that may still change. */
  #opinionOf({ instruction }: Group, { settled, print, text }: Track): Item["opinion"] {
    const opinions = this.#opinions;
    if (!opinions || !settled) return undefined;
    return { liked: opinions.of(print), press: (liked) => void opinions.press(instruction, { print, text }, liked) };
  }

  /** An answer's score; the score of its earlier text until the new text has one. */
  #rate(track: Track): Rated {
    const score = this.#scores.of(track.print);
    track.score = score ?? (track.interim && this.#scores.of(track.interim.print)) ?? track.score;
    // A text that comes back, as in a list that is drawn again, has a score and is finished.
    return { score: track.score, changing: track.score !== undefined && (!score || (track.changed && !track.settled)) };
  }

  /** Has a screen reader say once that a ranking is done. */
  #announce({ group, tracks }: Ranking, rated: readonly Rated[], best: number): void {
    if (best < 0 || rated.some(({ changing }) => changing)) return;
    const result = fingerprint(tracks.map(({ print }) => print).join());
    if (this.#announced.get(group.key) === result) return;
    this.#announced.delete(group.key);
    this.#announced.set(group.key, result);
    dropOldest(this.#announced, MOST_ANNOUNCED);
    const where = best < tracks.length ? `Answer ${best + 1}` : "An answer that is not shown";
    this.#announcements.push(
      `${rated.length} answers ranked. ${where} is the best, with a score of ${inShort(rated[best]!.score!.score)}.`,
    );
    this.#announceTimer ??= setTimeout(() => {
      this.#badges.say(
        this.#announcements.length === 1
          ? this.#announcements[0]!
          : `The answers to ${this.#announcements.length} prompts are ranked.`,
      );
      this.#announcements = [];
      this.#announceTimer = undefined;
    }, ANNOUNCE_MS);
  }
}
