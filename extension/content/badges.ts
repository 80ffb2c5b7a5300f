/** Badges on answers: buttons in a layer of their own, over the page. */
import type { EngineState, PageSettings } from "../messages.js";
import { Thumbs } from "../ui/thumbs.js";
import { isDark } from "./dark.js";
import { Host } from "./host.js";
import { Note } from "./note.js";
import { Frame, Hits, type Place } from "./place.js";
import { Seen } from "./seen.js";
import type { View } from "./views.js";
import { lines, pieces, sentence } from "./words.js";

/** One badge to be shown. */
export interface Item {
  answer: Element;
  view: View;
  /** The best answer of the group, if it is on the page. */
  best: Element | undefined;
  /** The user's opinion of the answer, and how to change it; missing where there are no thumbs. */
  opinion: { liked: boolean | undefined; press: (liked: boolean | undefined) => void } | undefined;
  /** Finds out what carried its score, as lines for the note. */
  explain: (signal: AbortSignal) => Promise<string[]>;
}

/** What the open note says of what carried the score. */
interface Explanation {
  /** The score that it is about. */
  score: number;
  lines: string[];
  stop: AbortController;
}

interface Badge {
  /** The element that is positioned: the badge itself, and thumbs if there are any. */
  spot: HTMLElement;
  button: HTMLButtonElement;
  thumbs: Thumbs | undefined;
  item: Item;
  /** What it shows, to find out whether that has changed. */
  shows: string;
  /** Whether its colours were chosen for the page as it is now. */
  themed: boolean;
  width: number;
  /** How far it is moved so as not to cover the page's controls. It is not computed for every frame. */
  shift: Place | undefined;
  /** Whether something of the page lay over its answer at the last check. */
  covered: boolean;
}

const HEIGHT = 20;

export class Badges {
  readonly #host = new Host();
  readonly #note = new Note(this.#host, () => this.#forgetExplanation());
  readonly #seen = new Seen();
  readonly #badges = new Map<Element, Badge>();
  readonly #retry: () => void;
  readonly #removed = new AbortController();
  #state: EngineState | undefined;
  /** Of the open note; missing until it is asked for. */
  #explanation: Explanation | undefined;
  #frame = 0;
  #rotation = 0;

  constructor(retry: () => void) {
    this.#retry = retry;
    const options = { capture: true, passive: true, signal: this.#removed.signal };
    for (const type of ["scroll", "transitionend", "load"]) addEventListener(type, () => this.place(), options);
    addEventListener(
      "resize",
      () => {
        for (const badge of this.#badges.values()) badge.shift = undefined;
        this.place();
      },
      options,
    );
    // A click elsewhere closes the note. Clicks that the page's script makes are ignored.
    addEventListener(
      "pointerdown",
      (event) => {
        if (event.isTrusted && event.target !== this.#host.element) this.#note.close(false);
      },
      options,
    );
  }

  /** Shows these badges, in this order, and no others. */
  show(items: readonly Item[], style: PageSettings["badge"], state: EngineState | undefined): void {
    this.#host.stay();
    this.#state = state;
    const wanted = items
      .map((item) => ({ item, shown: pieces(item.view, style) }))
      .filter(({ shown }) => shown.length > 0);
    const shownAnswers = new Set(wanted.map(({ item }) => item.answer));
    for (const answer of this.#badges.keys()) if (!shownAnswers.has(answer)) this.#drop(answer);
    let before: Element | null = null;
    for (const { item, shown } of wanted.reverse()) {
      const badge = this.#badges.get(item.answer) ?? this.#make(item);
      badge.item = item;
      dress(badge, shown);
      this.#giveThumbs(badge);
      // Moving a button takes its focus away, so it is moved only when it is in the wrong place.
      if (badge.spot.nextElementSibling !== before || !badge.spot.parentNode) this.#host.add(badge.spot, before);
      before = badge.spot;
    }
    const open = this.#openBadge();
    if (open) this.#note.fill(this.#contentOf(open));
    this.place();
  }

  /** Puts every badge where its answer is now, before the next frame is painted. */
  place(): void {
    if (this.#frame || this.#badges.size === 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#placeNow();
    });
  }

  /** Checks again whether the page is dark. */
  retheme(): void {
    for (const badge of this.#badges.values()) badge.themed = false;
    this.place();
  }

  /** Moves the focus to the first badge in sight, or to the next one. */
  focusNext(): void {
    this.#placeNow();
    const inSight = [...this.#badges.values()]
      .filter(({ spot }) => !spot.hidden)
      .sort((a, b) => byPlace(a.spot, b.spot));
    const at = inSight.findIndex(({ spot }) => spot.contains(this.#host.focused));
    inSight[(at + 1) % inSight.length]?.button.focus({ preventScroll: true });
  }

  say(text: string): void {
    this.#host.say(text);
  }

  remove(): void {
    this.#removed.abort();
    this.#seen.stop();
    cancelAnimationFrame(this.#frame);
    this.#host.remove();
    this.#badges.clear();
  }

  #make(item: Item): Badge {
    const spot = document.createElement("div");
    spot.className = "spot";
    spot.hidden = true;
    const button = document.createElement("button");
    button.type = "button";
    spot.append(button);
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-haspopup", "dialog");
    const badge = {
      spot,
      button,
      thumbs: undefined,
      item,
      shows: "",
      themed: false,
      width: 0,
      shift: undefined,
      covered: false,
    };
    button.addEventListener("click", () => {
      if (this.#note.badge === button) this.#note.close(true);
      else this.#note.open(button, this.#contentOf(badge));
    });
    this.#badges.set(item.answer, badge);
    return badge;
  }

  #drop(answer: Element): void {
    const badge = this.#badges.get(answer);
    if (!badge) return;
    if (this.#note.badge === badge.button) this.#note.close(false);
    if (badge.thumbs) this.#seen.forget(badge.thumbs.element);
    badge.spot.remove();
    this.#badges.delete(answer);
  }

  #openBadge(): Badge | undefined {
    const button = this.#note.badge;
    return button && [...this.#badges.values()].find((badge) => badge.button === button);
  }

  #contentOf(badge: Badge) {
    const { answer, view, best } = badge.item;
    const score = view.kind === "ranked" ? view.score.score : undefined;
    // What was found for an earlier text of the answer says nothing of this one.
    if (this.#explanation && this.#explanation.score !== score) this.#forgetExplanation();
    return {
      lines: [...lines(view, this.#state), ...(this.#explanation?.lines ?? [])],
      explain: score === undefined || this.#explanation ? undefined : () => void this.#explain(badge, score),
      toBest: best && best !== answer ? () => this.#goTo(best) : undefined,
      retry: view.kind === "failed" ? this.#retry : undefined,
    };
  }

  /** Shows what carried the score in the badge's note, which is open. */
  async #explain(badge: Badge, score: number): Promise<void> {
    const explanation: Explanation = {
      score,
      lines: ["Scoring the answer without each of its words …"],
      stop: new AbortController(),
    };
    this.#explanation = explanation;
    this.#note.fill(this.#contentOf(badge));
    try {
      explanation.lines = await badge.item.explain(explanation.stop.signal);
    } catch (error) {
      explanation.lines = [error instanceof Error ? error.message : String(error)];
    }
    // Meanwhile the note may have been closed, or another one opened.
    if (this.#explanation !== explanation) return;
    this.#note.fill(this.#contentOf(badge));
    this.#note.place();
    this.say(explanation.lines.join(" "));
  }

  #forgetExplanation(): void {
    this.#explanation?.stop.abort();
    this.#explanation = undefined;
  }

  #goTo(answer: Element): void {
    this.#note.close(false);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    answer.scrollIntoView({ block: "nearest", inline: "nearest", behavior: calm ? "instant" : "smooth" });
    const badge = this.#badges.get(answer);
    if (!badge) return;
    // A badge that is not in sight yet cannot take the focus.
    const until = performance.now() + 1500;
    const focus = () => {
      this.#placeNow();
      if (!badge.spot.hidden) badge.button.focus({ preventScroll: true });
      else if (performance.now() < until && !this.#removed.signal.aborted) requestAnimationFrame(focus);
    };
    focus();
  }

  /** Reads all positions first and writes them afterwards, so that the browser lays the page out only once. */
  #placeNow(): void {
    const frame = new Frame();
    const found = [...this.#badges.values()].map((badge) => {
      const {
        item: { answer },
        width,
        themed,
      } = badge;
      const place = frame.above(answer, { width, height: HEIGHT });
      return { badge, place, dark: place && !themed ? isDark(answer) : undefined };
    });
    this.#hit(found);
    const places = found.map(({ badge, place, dark }) => ({ badge, place: badge.covered ? undefined : place, dark }));
    let fresh = false;
    for (const { badge, place, dark } of places) {
      const { spot, shift = { x: 0, y: 0 } } = badge;
      if (dark !== undefined) {
        spot.classList.toggle("dark", dark);
        badge.themed = true;
      }
      if (spot.hidden !== !place) spot.hidden = !place;
      if (place) this.#move(badge, `translate(${Math.round(place.x + shift.x)}px, ${Math.round(place.y + shift.y)}px)`);
      fresh ||= place !== undefined && badge.width === 0;
    }
    this.#note.place();
    if (!fresh) return;
    // A hidden badge has no width, so it is measured now that it is shown.
    for (const { badge, place } of places) if (place) badge.width = Math.max(badge.spot.offsetWidth, 1);
    this.#placeNow();
  }

  #move({ spot, thumbs }: Badge, transform: string): void {
    if (spot.style.transform === transform) return;
    spot.style.transform = transform;
    if (thumbs) this.#seen.moved(thumbs.element);
  }

  /** Gives a badge the thumbs that its item asks for, or takes them away. */
  #giveThumbs(badge: Badge): void {
    const { opinion } = badge.item;
    if (!opinion !== !badge.thumbs) {
      if (badge.thumbs) {
        this.#seen.forget(badge.thumbs.element);
        badge.thumbs.element.remove();
      }
      badge.thumbs = opinion && new Thumbs((liked) => this.#press(badge, liked));
      if (badge.thumbs) {
        badge.spot.append(badge.thumbs.element);
        this.#seen.watch(badge.thumbs.element);
      }
      badge.width = 0;
      badge.shift = undefined;
    }
    badge.thumbs?.show(opinion?.liked);
  }

  #press({ item, thumbs }: Badge, liked: boolean | undefined): void {
    const isMeant = thumbs !== undefined && this.#seen.plainly(thumbs.element);
    if (thumbs)
      thumbs.element.title = isMeant ? "" : "Not counted: something lay over the thumbs, or they had just moved.";
    if (isMeant) item.opinion?.press(liked);
    else this.say("This thumb was not counted: something lay over it, or it had just moved.");
  }

  /** Finds out what lies over answers and under badges, as far as the time of one frame allows. */
  #hit(found: readonly { badge: Badge; place: Place | undefined }[]): void {
    const hits = new Hits(this.#host.element);
    const inSight = found.filter(({ place }) => place);
    // Begins with another badge in each frame, because there may not be enough time for all.
    this.#rotation += 1;
    const rotated = inSight.map((_, index) => inSight[(index + this.#rotation) % inSight.length]!);
    for (const { badge } of rotated) if (!hits.isSpent) badge.covered = hits.isCovered(badge.item.answer);
    const open = rotated.filter(({ badge }) => !badge.shift && badge.width > 0);
    if (open.length === 0 || hits.isSpent) return;
    this.#host.seenThrough(() => {
      for (const { badge, place } of open) {
        if (!hits.isSpent)
          badge.shift = hits.shiftOf(badge.item.answer, place!, { width: badge.width, height: HEIGHT });
      }
    });
  }
}

function dress(badge: Badge, shown: [name: string, text: string][]): void {
  const {
    button,
    item: { view },
  } = badge;
  const label = sentence(view);
  const shows = JSON.stringify([label, shown]);
  if (badge.shows === shows) return;
  badge.shows = shows;
  badge.width = 0;
  badge.shift = undefined;
  button.setAttribute("aria-label", label);
  button.className = `badge ${view.kind}`;
  button.classList.toggle("best", view.kind === "ranked" && view.best);
  button.classList.toggle("changing", view.kind === "ranked" && view.changing);
  button.replaceChildren(
    ...shown.map(([name, text]) => {
      const piece = document.createElement("span");
      piece.className = name;
      piece.textContent = text;
      return piece;
    }),
  );
}

/** The order from top to bottom, and then from left to right. */
function byPlace(a: Element, b: Element): number {
  const [one, other] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
  return one.top - other.top || one.left - other.left;
}
