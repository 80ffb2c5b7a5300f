/** What the content script must know of a site. Data alone: one module a site. */
export interface SiteAdapter {
  /** A short id, stable over versions: settings and registered scripts name it. */
  id: string;
  /** The site's name, for people. */
  name: string;
  /** Match patterns of its pages, each `https://host/*`. None where people host it themselves, on any host. */
  matches: readonly string[];
  /** For sites that people host themselves: what matches on a page of this site, and on no other site's. */
  page?: string;
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
  /** What is within these is not visible on the page, such as chats that a site keeps hidden. It is not read. */
  aside?: string;
  /** Lists that may show their last child first. They count as such while their style says `column-reverse`. */
  reversed?: string;
  /** Selectors within prompts and answers of what is not part of their words: buttons, sources, thoughts. */
  ignore: readonly string[];
  /**
   * Selectors that begin with an attribute, `[data-id]` or `[id^="message-"]`, whose value tells an answer from
   * another one that is shown in its place later. It may be on the answer, within it, or around it, up to its
   * turn. The first selector that matches counts.
   */
  identity?: readonly string[];
  /** How identities begin that an answer has only until it gets its own. */
  provisional?: string;
  /** Selectors that match within an answer's turn, or on it, as long as it is being written. */
  streaming?: readonly string[];
  /** What matches anywhere on the page as long as any answer is being written. */
  running?: string;
  /** An answer that stays the same for so long is finished, in ms. */
  settleMs: number;
}
