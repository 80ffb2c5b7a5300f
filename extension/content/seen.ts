/**
 * Whether thumbs stand in plain sight, and have for a while. A page that lays something else over a thumb, lets
 * presses fall through it, or moves the thumb under the pointer gets presses that nobody meant.
 */

/** How long a thumb must have stood in its place, in ms. */
const LONG_ENOUGH = 300;

/** How often the browser looks what lies over thumbs, in ms: it allows no less. */
const LOOK_EVERY = 100;

export class Seen {
  /** Since when each of those in plain sight has been there. */
  readonly #since = new WeakMap<Element, number>();
  readonly #observer = new IntersectionObserver((entries) => {
    // Firefox cannot tell what lies over an element that lets presses through.
    for (const { target, isIntersecting, isVisible = isIntersecting } of entries as (IntersectionObserverEntry & { isVisible?: boolean })[]) {
      if (!isVisible) this.#since.delete(target);
      else if (!this.#since.has(target)) this.#since.set(target, performance.now());
    }
  }, { trackVisibility: true, delay: LOOK_EVERY } as IntersectionObserverInit);

  watch(element: Element): void {
    this.#observer.observe(element);
  }

  forget(element: Element): void {
    this.#observer.unobserve(element);
    this.#since.delete(element);
  }

  /** Tells that an element has just moved. */
  moved(element: Element): void {
    if (this.#since.has(element)) this.#since.set(element, performance.now());
  }

  /** Whether a press of this element can be meant. */
  plainly(element: Element): boolean {
    return performance.now() - (this.#since.get(element) ?? Infinity) >= LONG_ENOUGH;
  }

  stop(): void {
    this.#observer.disconnect();
  }
}
