/** Badges on one page, from when they are switched on until they are switched off. */
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

/** How often badges are put in place, and the extension is found to be there, without any sign of change. */
const BEAT_MS = 1000;

/** How long results are gathered before a screen reader hears of them. */
const SAY_MS = 700;

/** Of how many prompts it is kept what was said. */
const MOST_SAID = 256;

/** A group as it was found, with all that is known of its answers. They stand in reading order. */
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
  readonly #left = new AbortController();
  readonly #beat: ReturnType<typeof setInterval>;
  readonly #gone: () => void;
  readonly #recognised: (adapter: SiteAdapter) => void;
  #settings: PageSettings;
  #rankings: Ranking[] = [];
  #report: PageReport | undefined;
  /** The rankings that a screen reader has heard of, by group. */
  readonly #said = new Map<string, string>();
  #news: string[] = [];
  #saying: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /**
   * Calls `gone` when the extension is no longer there to ask, and `recognised` when the page turns out to be
   * of another site: it may have been empty at first.
   */
  constructor(
    adapter: SiteAdapter, settings: PageSettings,
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
    document.addEventListener("visibilitychange", () => {
      if (document.hidden || !this.#opinions) return;
      // Lessons may have been deleted in the meantime, in the options.
      this.#opinions.refresh();
      this.#watch.soon(0);
    }, { signal: this.#left.signal });
    this.#beat = setInterval(() => {
      if (!isThere()) this.#gone();
      else if (!document.hidden) this.#badges.place();
    }, BEAT_MS);
  }

  /** What it sees. */
  report(): PageReport {
    return { ...(this.#report ?? reportOf(this.#adapter)), problem: this.#scores.problem };
  }

  /** Takes other settings over. Another model, or what it has learned, means other scores. */
  change(settings: PageSettings): void {
    const another = this.#settings.scoring !== settings.scoring;
    this.#settings = settings;
    this.#switchThumbs();
    if (another) {
      this.#scores.forget();
      for (const { tracks } of this.#rankings) for (const track of tracks) track.score = undefined;
      // The engine hears of it at the same time.
      this.#watch.soon(500);
    }
    this.#show();
  }

  focusNext(): void {
    this.#badges.focusNext();
  }

  stop(): void {
    this.#stopped = true;
    this.#left.abort();
    clearInterval(this.#beat);
    clearTimeout(this.#saying);
    this.#watch.stop();
    this.#badges.remove();
    // Last, since it fails where the extension is gone.
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
      others: (key) => this.#variants.besides(key, page).length, alone: this.#adapter.identity !== undefined,
    });
    const seen = groups.map((group) => this.#rankingOf(group, page, now)).reverse();
    this.#rankings = seen.filter(({ tracks, variants }) => tracks.length + variants.length >= 2);
    this.#report = {
      adapter: this.#adapter.id, prompts: reading.prompts.length, answers: reading.answers.length,
      ranked: this.#rankings.length, left, problem: "",
    };
    // The newest first, as a person waits for them.
    this.#scores.want(this.#rankings.toReversed().map(({ group, tracks, variants }) => ({
      instruction: group.instruction,
      answers: [...tracks.flatMap((track) => this.#tracks.due(track, now) ?? []), ...variants],
    })));
    this.#opinions?.want(this.#rankings.map(({ group, tracks }) => ({
      instruction: group.instruction, answers: tracks.filter(({ settled }) => settled),
    })));
    this.#show();
    const next = Math.min(...seen.flatMap(({ tracks }) => tracks.map((track) => this.#tracks.wait(track, now))));
    if (next < Infinity) this.#watch.soon(next);
  }

  #rankingOf(group: Group, page: string, now: number): Ranking {
    const tracks = group.shown.map(({ answer, text }) => {
      const track = this.#tracks.see(answer, group.key, text, now);
      const { identity, print, settled } = track;
      if (settled && identity) this.#variants.keep(group.key, { identity, text, print, page });
      return track;
    });
    return { group, tracks, variants: this.#variants.besides(group.key, page, tracks) };
  }

  /** Shows what is known by now. */
  #show(): void {
    if (this.#stopped) return;
    const { state, problem } = this.#scores;
    const items = this.#rankings.flatMap((ranking) => {
      const { group, tracks, variants } = ranking;
      const rated = [...tracks.map((track) => this.#rate(track)), ...variants.map(({ print }) => ({ score: this.#scores.of(print), changing: false }))];
      const views = viewsOf(rated, state, problem);
      const answers = group.shown.map(({ anchor }) => anchor);
      const first = views.findIndex((view) => view.kind === "ranked" && view.best);
      this.#tell(ranking, rated, first);
      return answers.map((answer, index): Item => ({
        answer, view: views[index]!, best: answers[first], opinion: this.#opinionOf(group, tracks[index]!),
      }));
    });
    this.#badges.show(items, this.#settings.badge, state);
  }

  /** Thumbs exist as long as the user has switched them on, except in private windows. */
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

  /** What the thumbs beside an answer say; nothing where there are none, as beside one that may still change. */
  #opinionOf({ instruction }: Group, { settled, print, text }: Track): Item["opinion"] {
    const opinions = this.#opinions;
    if (!opinions || !settled) return undefined;
    return { liked: opinions.of(print), press: (liked) => void opinions.press(instruction, { print, text }, liked) };
  }

  /** An answer's score; that of its earlier words until the new ones have one. */
  #rate(track: Track): Rated {
    const score = this.#scores.of(track.print);
    track.score = score ?? (track.interim && this.#scores.of(track.interim.print)) ?? track.score;
    // Words that come back with a list are known, and finished.
    return { score: track.score, changing: track.score !== undefined && (!score || (track.changed && !track.settled)) };
  }

  /** Has a screen reader say once that a ranking is done. */
  #tell({ group, tracks }: Ranking, rated: readonly Rated[], best: number): void {
    if (best < 0 || rated.some(({ changing }) => changing)) return;
    const result = fingerprint(tracks.map(({ print }) => print).join());
    if (this.#said.get(group.key) === result) return;
    this.#said.delete(group.key);
    this.#said.set(group.key, result);
    dropOldest(this.#said, MOST_SAID);
    const where = best < tracks.length ? `Answer ${best + 1}` : "An answer that is not shown";
    this.#news.push(`${rated.length} answers ranked. ${where} is the best, with a score of ${inShort(rated[best]!.score!.score)}.`);
    this.#saying ??= setTimeout(() => {
      this.#badges.say(this.#news.length === 1 ? this.#news[0]! : `The answers to ${this.#news.length} prompts are ranked.`);
      this.#news = [];
      this.#saying = undefined;
    }, SAY_MS);
  }
}
