/**
 * The element with this id. Throws where it is missing or of another kind, because then the page and its scripts do
 * not match.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  return checked(document.getElementById(id), kind, `#${id}`);
}

/**
 * The first element inside `root` that matches.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} kind
 * @returns {T}
 */
export function part(root, selector, kind) {
  return checked(root.querySelector(selector), kind, selector);
}

/**
 * A copy of the one element in a `<template>`.
 * @param {string} id the template's
 * @returns {HTMLElement}
 */
export function fromTemplate(id) {
  const { content } = byId(id, HTMLTemplateElement);
  return checked(content.firstElementChild?.cloneNode(true), HTMLElement, `#${id}`);
}

/**
 * Fills a `<dl>` with terms and their values.
 * @param {HTMLElement} list
 * @param {[term: string, value: string][]} facts
 */
export function fillFacts(list, facts) {
  const rows = facts.map(([term, value]) => {
    const row = document.createElement("div");
    row.append(withText("dt", term), withText("dd", value));
    return row;
  });
  list.replaceChildren(...rows);
}

/**
 * A new element with text in it.
 * @param {string} tag
 * @param {string} text
 */
export function withText(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

/** Whether animations are welcome: the user has not asked for reduced motion. */
export function mayMove() {
  return !matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/**
 * Has screen readers say something that is visible elsewhere on the page.
 * @param {string} text
 */
export function announce(text) {
  byId("announce", HTMLElement).textContent = text;
}

/** Whether what had the focus is gone or hidden, so that the keyboard would begin at the top of the page again. */
export function isFocusLost() {
  const { activeElement } = document;
  // A browser takes the focus from what is hidden only when it draws the next time.
  return !activeElement || activeElement === document.body || activeElement.getClientRects().length === 0;
}

/**
 * Scrolls to an element that is below what is seen.
 * @param {HTMLElement} element
 */
export function bringIntoView(element) {
  if (element.getBoundingClientRect().top > innerHeight * 0.8) {
    element.scrollIntoView({ behavior: mayMove() ? "smooth" : "auto", block: "start" });
  }
}

/**
 * @template T
 * @param {unknown} element
 * @param {new () => T} kind
 * @param {string} name
 * @returns {T}
 */
function checked(element, kind, name) {
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} ${name}`);
  return element;
}
