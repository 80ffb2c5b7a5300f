/**
 * Whether thumbs are fully visible, and have been for a while. A page could lay something over a thumb, let clicks
 * fall through it, or move the thumb under the pointer, to get clicks that the user did not mean for it.
 */

/** How long a thumb must have been in its place, in ms. */
const LONG_ENOUGH = 300;

/** How often the browser checks what lies over thumbs, in ms. It allows no less. */
const LOOK_EVERY = 100;

export class Seen {
  /** Since when each visible element has been visible in its place. */
  readonly #since = new WeakMap<Element, number>();
  readonly #observer = new IntersectionObserver(
    (entries) => {
      // Firefox has no `isVisible`, and so cannot say what lies over an element.
      for (const { target, isIntersecting, isVisible = isIntersecting } of entries as (IntersectionObserverEntry & {
        isVisible?: boolean;
      })[]) {
        if (!isVisible) this.#since.delete(target);
        else if (!this.#since.has(target)) this.#since.set(target, performance.now());
      }
    },
    { trackVisibility: true, delay: LOOK_EVERY } as IntersectionObserverInit,
  );

  watch(element: Element): void {
    this.#observer.observe(element);
  }

  forget(element: Element): void {
    this.#observer.unobserve(element);
    this.#since.delete(element);
  }

  /** To be called when an element has moved. */
  moved(element: Element): void {
    if (this.#since.has(element)) this.#since.set(element, performance.now());
  }

  /** Whether a click on this element can be meant. */
  plainly(element: Element): boolean {
    return performance.now() - (this.#since.get(element) ?? Infinity) >= LONG_ENOUGH;
  }

  stop(): void {
    this.#observer.disconnect();
  }
}
