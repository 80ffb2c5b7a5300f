import { byId } from "./dom.js";

/**
 * Tabs: arrow keys, Home and End go from one to another and choose it, and Tab goes on into its panel. The chosen one
 * stands in the address's fragment, so that a link opens it; the first one is also that of an address without any.
 */
export class Tabs {
  /** @type {HTMLElement[]} */
  #tabs;
  /** @type {HTMLElement} */
  #chosen;

  /** @param {HTMLElement} list the element with the role `tablist` */
  constructor(list) {
    this.#tabs = [...list.querySelectorAll("[role=tab]")].filter((tab) => tab instanceof HTMLElement);
    const [first] = this.#tabs;
    if (!first) throw new Error("the page has no tabs");
    this.#chosen = first;
    for (const tab of this.#tabs) tab.addEventListener("click", () => this.#take(tab));
    list.addEventListener("keydown", (event) => this.#onKey(event));
    addEventListener("hashchange", () => {
      const name = location.hash.slice(1);
      // Other fragments lead to parts of the page that are not in a tab.
      const tab = name === "" ? first : this.#named(name);
      if (tab) this.#show(tab);
    });
    this.#show(this.#named(location.hash.slice(1)) ?? first);
  }

  /** The name of the chosen one: its id without `tab-`. */
  get chosen() {
    return nameOf(this.#chosen);
  }

  /**
   * Chooses a tab.
   * @param {string} name
   * @param {{ address?: boolean }} [options] whether the address is to lead to it
   */
  choose(name, { address = true } = {}) {
    const tab = this.#named(name);
    if (tab) address ? this.#take(tab) : this.#show(tab);
  }

  /** @param {string} name */
  #named(name) {
    return this.#tabs.find((tab) => nameOf(tab) === name);
  }

  /** @param {HTMLElement} tab */
  #take(tab) {
    this.#show(tab);
    const fragment = tab === this.#tabs[0] ? "" : `#${nameOf(tab)}`;
    // Not an entry of the history for each: going back leads to the page before.
    history.replaceState(history.state, "", location.pathname + location.search + fragment);
  }

  /** @param {HTMLElement} chosen */
  #show(chosen) {
    this.#chosen = chosen;
    for (const tab of this.#tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      byId(tab.getAttribute("aria-controls") ?? "", HTMLElement).hidden = tab !== chosen;
    }
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const last = this.#tabs.length - 1;
    const at = this.#tabs.indexOf(this.#chosen);
    /** @type {Partial<Record<string, number>>} */
    const places = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last };
    const tab = this.#tabs[places[event.key] ?? -1];
    if (!tab) return;
    event.preventDefault();
    this.#take(tab);
    tab.focus();
  }
}

/** @param {HTMLElement} tab */
function nameOf(tab) {
  return tab.id.replace("tab-", "");
}
