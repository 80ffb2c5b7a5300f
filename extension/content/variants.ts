/**
 * Answers that were seen under a prompt and are not on the page now: of regenerated answers only one
 * is shown at a time, and long lists take out what is out of sight.
 */

import { dropOldest } from "./oldest.js";

/** The most of them under one prompt, and prompts of which some are kept. */
const MOST_VARIANTS = 16;
const MOST_PROMPTS = 256;

/** One that was seen. */
export interface Variant {
  identity: string;
  text: string;
  print: string;
  /** The page's address without its fragment, since another conversation may begin with the same words. */
  page: string;
}

export class Variants {
  readonly #kept = new Map<string, Map<string, Variant>>();

  /** Keeps an answer that has settled. */
  keep(key: string, variant: Variant): void {
    const known = this.#kept.get(key) ?? new Map<string, Variant>();
    // While one conversation gives way to another the old one still stands under the new address.
    const { page } = known.get(variant.identity) ?? variant;
    known.delete(variant.identity);
    known.set(variant.identity, { ...variant, page });
    dropOldest(known, MOST_VARIANTS);
    this.#kept.delete(key);
    this.#kept.set(key, known);
    dropOldest(this.#kept, MOST_PROMPTS);
  }

  /** Those under a prompt that are not among the answers shown, by identity or by words. */
  besides(key: string, page: string, shown: readonly { identity: string; print: string }[] = []): Variant[] {
    const identities = new Set(shown.map(({ identity }) => identity));
    const prints = new Set(shown.map(({ print }) => print));
    return [...this.#kept.get(key)?.values() ?? []].filter((variant) =>
      variant.page === page && !identities.has(variant.identity) && !prints.has(variant.print));
  }
}
