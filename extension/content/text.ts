/** The texts of prompts and answers, read from text nodes, so that the page is neither changed nor laid out for it. */
import { MOST_CHARACTERS } from "../messages.js";
import { fingerprint } from "./fingerprint.js";
import { own } from "./own.js";

/** Elements whose text is not part of what people read. */
const SKIPPED = new Set([
  "annotation",
  "audio",
  "canvas",
  "iframe",
  "input",
  "math-field",
  "noscript",
  "object",
  "script",
  "select",
  "style",
  "svg",
  "template",
  "textarea",
  "video",
]);

/** Elements that begin a new line. */
const BLOCKS = new Set([
  "address",
  "article",
  "aside",
  "blockquote",
  "br",
  "dd",
  "details",
  "dialog",
  "div",
  "dl",
  "dt",
  "fieldset",
  "figcaption",
  "figure",
  "footer",
  "form",
  "h1",
  "h2",
  "h3",
  "h4",
  "h5",
  "h6",
  "header",
  "hr",
  "li",
  "main",
  "nav",
  "ol",
  "p",
  "pre",
  "section",
  "summary",
  "table",
  "tr",
  "ul",
]);

/** The most nodes that are visited for one text, because a page may have a megabyte of empty elements. */
const MOST_NODES = 20_000;

/** The text of `root` as people read it, cut at the most characters that are sent. */
export function textOf(root: Element, ignore: string): string {
  const lines = new Lines();
  // A check of each node would take longer than reading it, and few texts have a form in them.
  const at = root.querySelector("form") ? own : itself;
  let node: Node | null = isRead(at(root), ignore) ? root : null;
  for (let seen = 0; node && seen < MOST_NODES && !lines.full; seen += 1) {
    if (node instanceof Text) lines.add(node);
    else if (node instanceof Element && (node === root || isRead(at(node), ignore))) {
      if (isBlock(at(node))) lines.end();
      const first: Node | null = at<Node>(node).firstChild;
      if (first) {
        node = first;
        continue;
      }
    }
    while (node && node !== root && !at(node).nextSibling) {
      node = at(node).parentNode;
      if (node && isBlock(at(node))) lines.end();
    }
    node = !node || node === root ? null : at(node).nextSibling;
  }
  return lines.text();
}

function itself<T extends Node>(node: T): T {
  return node;
}

function isRead(element: Element, ignore: string): boolean {
  return (
    !SKIPPED.has(element.localName) &&
    element.getAttribute("aria-hidden") !== "true" &&
    !(ignore && element.matches(ignore)) &&
    element.checkVisibility({ visibilityProperty: true })
  );
}

function isBlock(node: Node): boolean {
  return BLOCKS.has((node as Element).localName);
}

/** Collects a text. White space is collapsed, except where the page preserves it. */
class Lines {
  #text = "";
  #gap: "" | " " | "\n" = "";

  get full(): boolean {
    return this.#text.length >= MOST_CHARACTERS;
  }

  add(node: Text): void {
    // One node may be a megabyte.
    const data = node.substringData(0, 4 * MOST_CHARACTERS);
    const parent = node.parentElement;
    const isPreserved =
      data.includes("\n") && parent && /^(pre|break-spaces)/.test(getComputedStyle(parent).whiteSpace);
    if (isPreserved) {
      this.#write(data);
      return;
    }
    for (const [index, word] of data.split(/[\t\n\f\r ]+/).entries()) {
      if (index > 0) this.#gap ||= " ";
      if (word) this.#write(word);
      if (this.full) return;
    }
  }

  end(): void {
    this.#gap = "\n";
  }

  text(): string {
    const cut = this.#text.slice(0, MOST_CHARACTERS);
    // The cut may leave half of a surrogate pair.
    return (/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut).trim();
  }

  #write(words: string): void {
    if (this.#text) this.#text += this.#gap;
    this.#gap = "";
    this.#text += words;
  }
}

/** A cache of texts by element. An entry is dropped when something in its element changes. */
export class Texts {
  readonly #ignore: string;
  #cache = new WeakMap<Element, { text: string; name?: string }>();

  constructor(ignore: readonly string[]) {
    this.#ignore = ignore.join(", ");
  }

  /** The text of all parts together. */
  of(parts: readonly Element[]): string {
    if (parts.length === 1) return this.#one(parts[0]!).text;
    const text = parts
      .map((part) => this.#one(part).text)
      .filter(Boolean)
      .join("\n");
    return text.slice(0, MOST_CHARACTERS);
  }

  /** A fingerprint of an element's text, in which all white space counts as equal. */
  nameOf(element: Element): string {
    const one = this.#one(element);
    return (one.name ??= fingerprint(one.text.replace(/\s+/g, " ")));
  }

  /** Forgets the texts of elements in which something has changed. */
  forget(records: readonly MutationRecord[]): void {
    const climbed = new Set<Node>();
    for (const { target } of records) {
      for (let node: Node | null = target; node && !climbed.has(node); node = own(node).parentNode) {
        climbed.add(node);
        if (node instanceof Element) this.#cache.delete(node);
      }
    }
  }

  #one(element: Element): { text: string; name?: string } {
    let one = this.#cache.get(element);
    if (!one) this.#cache.set(element, (one = { text: textOf(element, this.#ignore) }));
    return one;
  }
}
