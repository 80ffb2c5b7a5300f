/** The places of badges: above the top right corner of their answers, as long as that corner is in sight. */
import { own } from "./own.js";

/** A place in the viewport, in CSS pixels. */
export interface Place {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** How many CSS pixels of a corner must be visible for it to count as in sight. */
const ENOUGH = 8;

const LEADING = 3;

const BUDGET_MS = 6;

const CONTROLS = "a, button, input, select, textarea, summary, [role=button], [contenteditable=true]";

/** Reads positions for one frame. What clips an element is computed once a frame. */
export class Frame {
  readonly #clips = new Map<Element, Box>();
  readonly #viewport: Box;

  constructor() {
    const { clientWidth, clientHeight } = document.documentElement;
    // In a page without a doctype the root is as high as its content.
    this.#viewport = {
      left: 0,
      top: 0,
      right: clientWidth,
      bottom: Math.min(clientHeight || innerHeight, innerHeight),
    };
  }

  /** The place of a badge of this size, or nothing if the answer's corner is out of sight. */
  above(answer: Element, size: Size): Place | undefined {
    const box = answer.getBoundingClientRect();
    if (box.bottom < 0 || box.top > this.#viewport.bottom || box.width === 0 || box.height === 0) return undefined;
    const clip = this.#clipOf(answer.parentElement);
    const seen =
      box.top >= clip.top - 1 &&
      box.top <= clip.bottom - ENOUGH &&
      // On the last bit of an answer that is scrolled aside, a badge would seem to belong to its neighbour.
      box.right <= clip.right + ENOUGH &&
      box.right - clip.left >= Math.min(size.width, box.width);
    if (!seen) return undefined;
    return {
      x: Math.max(Math.min(box.right, clip.right) - size.width, clip.left),
      // Lines of text leave a little room above their letters.
      y: Math.max(box.top - size.height + LEADING, clip.top),
    };
  }

  /** The part of the viewport in which the content of an element can be visible. */
  #clipOf(element: Element | null): Box {
    const path: Element[] = [];
    let clip = this.#viewport;
    for (let at = element; at && at !== document.body && at !== document.documentElement; at = own(at).parentElement) {
      const known = this.#clips.get(at);
      if (known) {
        clip = known;
        break;
      }
      path.push(at);
    }
    for (const at of path.reverse()) {
      const { overflowX, overflowY } = getComputedStyle(at);
      if (overflowX !== "visible" || overflowY !== "visible") clip = common(clip, own(at).getBoundingClientRect());
      this.#clips.set(at, clip);
    }
    return clip;
  }
}

/**
 * Hit tests on the page. In a page with thousands of elements side by side one test takes milliseconds, so a frame
 * spends only a few on them; the other tests wait for later frames.
 */
export class Hits {
  readonly #host: Element;
  #spent = 0;

  constructor(host: Element) {
    this.#host = host;
  }

  get isSpent(): boolean {
    return this.#spent > BUDGET_MS;
  }

  /** Whether something of the page lies over the answer's corner, such as a dialog or a sticky header. */
  isCovered(answer: Element): boolean {
    const box = answer.getBoundingClientRect();
    const top = this.#at(box.right - Math.min(12, box.width / 2), box.top + Math.min(8, box.height / 2));
    return top !== null && top !== this.#host && !answer.contains(top) && !own(top).contains(answer);
  }

  /** How far a badge must move from its place above an answer so that it covers no control of the page. */
  shiftOf(answer: Element, { x, y }: Place, size: Size): Place {
    const control = this.#controlAt(answer, { x, y }, size);
    if (!control) return { x: 0, y: 0 };
    const box = answer.getBoundingClientRect();
    const beside = { x: control.getBoundingClientRect().left - size.width - 4, y };
    if (beside.x >= Math.max(box.left, 0) && !this.#controlAt(answer, beside, size)) return { x: beside.x - x, y: 0 };
    return { x: 0, y: box.top + 2 - y };
  }

  /** The control that a badge there would cover, if there is one. A control around the whole answer does not count. */
  #controlAt(answer: Element, { x, y }: Place, { width, height }: Size): Element | undefined {
    for (const down of [0.15, 0.85]) {
      for (const along of [0.95, 0.65, 0.35, 0.05]) {
        const at = this.#at(x + along * width, y + down * height);
        const control = at && own(at).closest(CONTROLS);
        if (control && !control.contains(answer)) return control;
      }
    }
    return undefined;
  }

  #at(x: number, y: number): Element | null {
    const start = performance.now();
    const element = document.elementFromPoint(x, y);
    this.#spent += performance.now() - start;
    return element;
  }
}

function common(a: Box, b: Box): Box {
  return {
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  };
}
