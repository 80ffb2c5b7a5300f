/** What the content script must know of a site. Data alone: one module a site. */
export interface SiteAdapter {
  /** A short id, stable over versions: settings and registered scripts name it. */
  id: string;
  /** The site's name, for people. */
  name: string;
  /** Match patterns of its pages; the manifest lists them as optional hosts. */
  matches: readonly string[];
  /**
   * Selectors of prompts, in layers: the first that finds anything on the page counts. Stable
   * attributes come before class names; text that is translated is never matched.
   */
  prompt: readonly string[];
  /** Selectors of answers, in layers like `prompt`. An answer belongs to the last prompt before it on the page. */
  answer: readonly string[];
  /**
   * The nearest ancestor that holds one answer and no other: what `answer` finds within the same one
   * are parts of one answer, as where a site shows steps and a result as messages of their own.
   */
  turn?: string;
  /** Lists that may show their last child first. They count as such while their style says `column-reverse`. */
  reversed?: string;
  /** Selectors within prompts and answers of what is not part of their words: buttons, sources, thoughts. */
  ignore: readonly string[];
  /**
   * Attributes, on an answer or within it, that tell it from another one that is shown in its place
   * later. The first that is there counts.
   */
  identity?: readonly string[];
  /** Selectors that match within an answer's turn, or on it, as long as it is being written. */
  streaming?: readonly string[];
  /** An answer that stays the same for so long is finished, in ms. */
  settleMs: number;
}
