/** Short names for long texts, so that scores can be stored without the texts. */

const SEEDS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f];

/**
 * A 128-bit fingerprint. It is not cryptographic: a page that makes two of its own texts collide gets wrong badges on
 * itself, and nothing else.
 */
export function fingerprint(text: string): string {
  return SEEDS.map((seed) => {
    let hash = seed ^ text.length;
    for (let at = 0; at < text.length; at += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193 + (seed & 0xfffe));
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
    return ((hash ^ (hash >>> 15)) >>> 0).toString(36);
  }).join(".");
}
