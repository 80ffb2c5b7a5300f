/** The tabs of the panel: ranking and deciding. */
import { byId } from "../ui/dom.js";

const TABS = ["rank", "decide"] as const;
export type Tab = (typeof TABS)[number];

export class Tabs {
  readonly #tabs = TABS.map((name) => ({
    name,
    tab: byId(`tab-${name}`, HTMLButtonElement),
    panel: byId(`panel-${name}`, HTMLElement),
  }));
  #chosen: Tab = "rank";

  /** @param onChoose called when the user chooses another tab */
  constructor(onChoose: () => void) {
    const choose = (tab: Tab) => {
      if (tab === this.#chosen) return;
      this.show(tab);
      onChoose();
    };
    for (const [at, { name, tab }] of this.#tabs.entries()) {
      tab.addEventListener("click", () => choose(name));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        const next = this.#tabs[(at + step + TABS.length) % TABS.length]!;
        choose(next.name);
        next.tab.focus();
      });
    }
  }

  /** The tab in front. */
  get chosen(): Tab {
    return this.#chosen;
  }

  /** Brings a tab to the front. */
  show(chosen: Tab): void {
    this.#chosen = chosen;
    for (const { name, tab, panel } of this.#tabs) {
      tab.ariaSelected = String(name === chosen);
      tab.tabIndex = name === chosen ? 0 : -1;
      panel.hidden = name !== chosen;
    }
  }
}
