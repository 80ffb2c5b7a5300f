/**
 * Answers that were seen under a prompt and are not on the page now. Of regenerated answers a page shows one at a
 * time, and long lists remove what is out of sight.
 */

import { dropOldest } from "./oldest.js";

/** The most answers under one prompt, and the most prompts, that are remembered. */
const MOST_VARIANTS = 16;
const MOST_PROMPTS = 256;

/** An answer that was seen. */
export interface Variant {
  identity: string;
  text: string;
  print: string;
  /** The page's address without its fragment, since another conversation may begin with the same words. */
  page: string;
}

export class Variants {
  readonly #byPrompt = new Map<string, Map<string, Variant>>();

  /** Remembers an answer that has settled. */
  add(key: string, variant: Variant): void {
    const known = this.#byPrompt.get(key) ?? new Map<string, Variant>();
    // While a page switches to another conversation, the old one is still shown under the new address.
    const { page } = known.get(variant.identity) ?? variant;
    known.delete(variant.identity);
    known.set(variant.identity, { ...variant, page });
    dropOldest(known, MOST_VARIANTS);
    this.#byPrompt.delete(key);
    this.#byPrompt.set(key, known);
    dropOldest(this.#byPrompt, MOST_PROMPTS);
  }

  /** The answers under a prompt that are not among those shown, by identity or by text. */
  besides(key: string, page: string, shown: readonly { identity: string; print: string }[] = []): Variant[] {
    const identities = new Set(shown.map(({ identity }) => identity));
    const prints = new Set(shown.map(({ print }) => print));
    return [...(this.#byPrompt.get(key)?.values() ?? [])].filter(
      (variant) => variant.page === page && !identities.has(variant.identity) && !prints.has(variant.print),
    );
  }
}
