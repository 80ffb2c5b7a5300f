import type { Settings } from "../settings.js";
import { ownHosts, SITES, type SiteAdapter } from "../sites/index.js";
import { button, byId, make } from "../ui/dom.js";
import { errorBox } from "../ui/errors.js";
import { allow, hostOf, hostsOf, isAllowed, onPermissions, withdraw } from "../ui/places.js";
import { listed } from "../ui/words.js";

/** The list of sites, each with its permission and a switch. */
export class SitesView {
  readonly #list = byId("sites", HTMLElement);
  readonly #error = byId("sites-error", HTMLElement);
  #settings: Settings | undefined;

  constructor(readonly save: (change: Partial<Settings>) => Promise<void>) {
    onPermissions(() => this.#settings && void this.show(this.#settings));
  }

  /** Shows permissions and switches as they are now. */
  async show(settings: Settings): Promise<void> {
    this.#settings = settings;
    const allowed = await Promise.all(SITES.map(isAllowed));
    const own = ownHosts((await chrome.permissions.getAll()).origins);
    if (settings !== this.#settings) return;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    this.#list.replaceChildren(
      ...SITES.map((site, at) => this.#row(site, allowed[at]!, !settings.sitesOff.includes(site.id))),
      ...own.map((pattern) => this.#ownRow(pattern)),
    );
    if (focused) this.#list.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #row(site: SiteAdapter, allowed: boolean, on: boolean): HTMLElement {
    const change = allowed
      ? button("Withdraw", () => this.#ask(() => withdraw(site)), { label: `Withdraw the permission for ${site.name}` })
      : button("Allow", () => this.#ask(() => allow(site)), { label: `Allow Cappy on ${site.name}` });
    change.dataset.key = `${site.id} permission`;
    const head = make("div", { className: "row" }, make("h3", {}, site.name), change);
    const row = make("li", { className: "site" }, head);
    const hosts = make(
      "p",
      { className: "muted small" },
      `${listed(hostsOf(site))} · ${allowed ? "allowed" : "not allowed"}`,
    );
    row.append(hosts);
    if (allowed) {
      const toggle = make("input", { type: "checkbox", className: "toggle", role: "switch", checked: on });
      toggle.dataset.key = `${site.id} switch`;
      toggle.addEventListener("change", () => void this.#switch(site, toggle.checked));
      row.append(make("label", { className: "switch" }, `Show badges on ${site.name}`, toggle));
    }
    return row;
  }

  /** The row of a host that the user allowed in the popup. */
  #ownRow(pattern: string): HTMLElement {
    const host = hostOf(pattern);
    const back = button("Withdraw", () => this.#ask(() => withdraw({ matches: [pattern] })), {
      label: `Withdraw the permission for ${host}`,
    });
    back.dataset.key = `${pattern} permission`;
    return make(
      "li",
      { className: "site" },
      make("div", { className: "row" }, make("h3", {}, host), back),
      make("p", { className: "muted small" }, `${pattern.split(":")[0]}, any port · allowed`),
    );
  }

  #switch(site: SiteAdapter, on: boolean): Promise<void> {
    const others = this.#settings!.sitesOff.filter((id) => id !== site.id);
    return this.save({ sitesOff: on ? others : [...others, site.id] });
  }

  #ask(change: () => Promise<boolean>): void {
    this.#error.replaceChildren();
    change().catch((error: unknown) => this.#error.replaceChildren(errorBox(error)));
  }
}
