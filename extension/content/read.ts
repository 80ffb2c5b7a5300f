/** The prompts and answers of a page, in reading order. */
import type { SiteAdapter } from "../sites/adapter.js";
import { own } from "./own.js";

/** One answer: its parts in order, mostly one, and the prompt before it. */
export interface Answer {
  parts: [Element, ...Element[]];
  prompt: Element | undefined;
}

/** The prompts and answers of a page. */
export interface Reading {
  prompts: Element[];
  answers: Answer[];
}

interface Item {
  element: Element;
  isPrompt: boolean;
}

/** Reads a page by the adapter's selectors. Of the layers of selectors the first that finds anything counts. */
export function readPage({ prompt, answer, turn, aside, reversed }: SiteAdapter): Reading {
  // Most pages have none, and then no element has to be checked for it.
  const asides = aside === undefined ? [] : [...document.querySelectorAll(aside)];
  const prompts = firstLayer(prompt, asides);
  const answers = firstLayer(answer, asides);
  const reading: Reading = { prompts: [], answers: [] };
  let last: { turn: Element; parts: Element[] } | undefined;
  for (const { element, isPrompt } of inReadingOrder(itemsOf(prompts, answers, asides), reversed)) {
    if (isPrompt) {
      reading.prompts.push(element);
      last = undefined;
      continue;
    }
    const around = turn === undefined ? null : element.closest(turn);
    if (around && last?.turn === around) {
      last.parts.push(element);
      continue;
    }
    const parts: Answer["parts"] = [element];
    reading.answers.push({ parts, prompt: reading.prompts.at(-1) });
    last = around ? { turn: around, parts } : undefined;
  }
  return reading;
}

function firstLayer(layers: readonly string[], asides: readonly Element[]): string | undefined {
  return layers.find((selector) =>
    asides.length === 0
      ? document.querySelector(selector)
      : [...document.querySelectorAll(selector)].some((element) => !isIn(asides, element)),
  );
}

function isIn(asides: readonly Element[], element: Element): boolean {
  return asides.some((aside) => own(aside).contains(element));
}

/** All matches in document order. Of nested matches the outer one counts, unless it holds both prompts and answers. */
function itemsOf(prompts: string | undefined, answers: string | undefined, asides: readonly Element[]): Item[] {
  const items: Item[] = [];
  const both = [prompts, answers].filter((selector) => selector !== undefined).join(", ");
  for (const element of both ? document.querySelectorAll(both) : []) {
    // No site uses a form as a message, and a control in a form may hide the form's own members.
    if (element instanceof HTMLFormElement || isIn(asides, element)) continue;
    const isPrompt = prompts !== undefined && element.matches(prompts);
    const outer = items.at(-1);
    if (outer?.element.contains(element)) {
      if (outer.isPrompt === isPrompt) continue;
      items.pop();
    }
    items.push({ element, isPrompt });
  }
  return items;
}

/** Reverses the lists that are in the document with their last child first. */
function inReadingOrder(items: Item[], reversed: string | undefined): Item[] {
  if (reversed === undefined) return items;
  const reversedLists = new Map<Element, boolean>();
  const ordered: Item[] = [];
  let run: { list: Element; chunks: { child: Element; items: Item[] }[] } | undefined;
  const close = () => {
    for (const chunk of run?.chunks.reverse() ?? []) ordered.push(...chunk.items);
    run = undefined;
  };
  for (const item of items) {
    const list = reversedList(item.element, reversed, reversedLists);
    if (list !== run?.list) close();
    if (!list) {
      ordered.push(item);
      continue;
    }
    run ??= { list, chunks: [] };
    const child = childOf(list, item.element);
    const chunk = run.chunks.at(-1);
    if (chunk?.child === child) chunk.items.push(item);
    else run.chunks.push({ child, items: [item] });
  }
  close();
  return ordered;
}

function reversedList(element: Element, selector: string, known: Map<Element, boolean>): Element | undefined {
  for (let list = above(element, selector); list; list = above(list, selector)) {
    if (!known.has(list)) known.set(list, getComputedStyle(list).flexDirection === "column-reverse");
    if (known.get(list)) return list;
  }
  return undefined;
}

function above(element: Element, selector: string): Element | null {
  const parent = own(element).parentElement;
  return parent && own(parent).closest(selector);
}

function childOf(list: Element, element: Element): Element {
  let child = element;
  for (let parent = own(child).parentElement; parent && parent !== list; parent = own(child).parentElement)
    child = parent;
  return child;
}
