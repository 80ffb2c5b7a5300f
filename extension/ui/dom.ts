/** Small helpers for pages that are written by hand. Text is only ever set as text. */

/**
 * The element with this id. Throws where it is missing or of another kind, because then the page and its script do
 * not match.
 */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return element;
}

/** The first element in `root` that matches. */
export function part<T extends HTMLElement>(root: ParentNode, selector: string, kind: new () => T): T {
  const element = root.querySelector(selector);
  if (!(element instanceof kind)) throw new Error(`there is no ${kind.name} ${selector}`);
  return element;
}

/** A copy of the one element in a `<template>`. */
export function fromTemplate(id: string): HTMLElement {
  const copy = byId(id, HTMLTemplateElement).content.firstElementChild?.cloneNode(true);
  if (!(copy instanceof HTMLElement)) throw new Error(`#${id} is empty`);
  return copy;
}

/** A new element with some properties, and children; strings become text. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A new button. `label` is its accessible name where the text alone is not clear. */
export function button(text: string, act: () => void, { className = "", label = "" } = {}): HTMLButtonElement {
  const element = make("button", { type: "button", className }, text);
  if (label) element.ariaLabel = label;
  element.addEventListener("click", act);
  return element;
}

/** Calls `act` when the button with this id is clicked. */
export function onClick(id: string, act: () => void): HTMLButtonElement {
  const element = byId(id, HTMLButtonElement);
  element.addEventListener("click", act);
  return element;
}

/** Facts as a list of terms and their values. */
export function factList(facts: readonly (readonly [term: string, value: string])[]): HTMLElement {
  const rows = facts.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value)));
  return make("dl", { className: "facts" }, ...rows);
}

/** Has screen readers say something, by the page's element `#announce`. */
export function announce(text: string): void {
  byId("announce", HTMLElement).textContent = text;
}

/** Whether animations are welcome: the user has not asked for reduced motion. */
export function mayMove(): boolean {
  return !matchMedia("(prefers-reduced-motion: reduce)").matches;
}
