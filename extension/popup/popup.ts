/** The popup of the toolbar button: the page in front, the model, and buttons for the panel and the options. */
import { engineClient } from "../engine/client.js";
import type { PageReport } from "../messages.js";
import { changeSettings, onSettings, readSettings, type Settings } from "../settings.js";
import { adapterFor, generic, patternOf, type SiteAdapter } from "../sites/index.js";
import { button, byId, make, onClick } from "../ui/dom.js";
import { errorBox } from "../ui/errors.js";
import { ModelView } from "../ui/model.js";
import { allow, allowScripting, isAllowed, onPermissions, openPanel, type Place, withdraw } from "../ui/places.js";
import { counted } from "../ui/words.js";
import { enter, isOpen, leave, reportOf, tabInFront } from "./tab.js";

/** How often the page is asked again while the popup is open, in ms, because answers may be arriving. */
const REFRESH_MS = 1000;

const box = byId("page", HTMLElement);
const failure = byId("page-error", HTMLElement);
const switchAll = byId("on", HTMLInputElement);
const tab = await tabInFront();
const site = isOpen(tab?.url) ? adapterFor(tab.url) : undefined;
let settings = await readSettings();
/** What is drawn. The same is not drawn again, so that the focus stays. */
let drawn = "";
/** Counts drawings: several may wait for the page at the same time, and only the last one is drawn. */
let drawings = 0;

const model = new ModelView(byId("model", HTMLElement), engineClient());
model.onChange(() => void draw());
onClick("open-options", () => {
  void chrome.runtime.openOptionsPage();
  close();
});
onClick("open-panel", showPanel);
switchAll.addEventListener("change", () => void changeSettings({ on: switchAll.checked }));
onSettings((changed) => {
  settings = changed;
  void draw();
});
onPermissions(() => void draw());
setInterval(() => void draw(), REFRESH_MS);
void draw();

/** The state of the page in front. */
type Page =
  | { kind: "closed" }
  | { kind: "off" }
  | { kind: "site"; site: SiteAdapter; allowed: boolean; on: boolean; report?: PageReport }
  | { kind: "other"; host: string; place: Place; allowed: boolean; report?: PageReport };

async function look({ on, sitesOff }: Settings): Promise<Page> {
  if (!site || tab?.id === undefined) return { kind: "closed" };
  if (!on) return { kind: "off" };
  const report = await reportOf(tab.id);
  // An error of the model is shown below already.
  if (report && model.state.phase === "failed" && report.problem === model.state.message) report.problem = "";
  const reported = report ? { report } : {};
  if (site.id === generic.id) {
    const place = { matches: [patternOf(tab.url!)] };
    return { kind: "other", host: new URL(tab.url!).hostname, place, allowed: await isAllowed(place), ...reported };
  }
  return { kind: "site", site, allowed: await isAllowed(site), on: !sitesOff.includes(site.id), ...reported };
}

async function draw(): Promise<void> {
  const drawing = (drawings += 1);
  switchAll.checked = settings.on;
  const page = await look(settings);
  const text = JSON.stringify(page);
  if (drawing !== drawings || text === drawn) return;
  drawn = text;
  const focused = box.contains(document.activeElement);
  box.replaceChildren(...partsOf(page));
  if (focused) box.querySelector<HTMLElement>("input, button")?.focus();
}

function partsOf(page: Page): HTMLElement[] {
  switch (page.kind) {
    case "closed":
      return [make("p", {}, "The browser lets no extension into this page."), ...alternatives(false)];
    case "off":
      return [make("p", {}, "Badges are switched off everywhere.")];
    case "other": {
      const { host, place, allowed, report } = page;
      const always = allowed
        ? button(`Show no badges on ${host} any more`, () => act(() => withdraw(place)))
        : button(`Always show badges on ${host}`, () => act(() => allowAndEnter(place)));
      if (!report) {
        return [
          make(
            "p",
            { className: "muted" },
            "Cappy does not know this address. It can look for answers on this page once, or always on this host, where you run Open WebUI or LibreChat yourself.",
          ),
          button("Rank answers on this page", () => act(rankHere), { className: "primary" }),
          always,
          ...alternatives(true),
        ];
      }
      return [
        ...found(report),
        ...(report.ranked === 0 ? alternatives(true) : []),
        ...(allowed ? [] : [button("Take the badges off this page", () => act(async () => leave(tab!.id!)))]),
        always,
      ];
    }
    case "site": {
      const { site, allowed, on, report } = page;
      // A site may have several.
      const host = new URL(tab!.url!).hostname;
      if (!allowed) {
        return [
          make("p", {}, `Cappy can mark the best answer on ${host}. The browser asks you first.`),
          button(`Show badges on ${host}`, () => act(() => allowAndEnter(site, site.id)), { className: "primary" }),
        ];
      }
      const toggle = make("input", { type: "checkbox", className: "toggle", role: "switch", checked: on });
      toggle.addEventListener("change", () => act(() => switchSite(site, toggle.checked)));
      const line = make("label", { className: "switch" }, `Badges on ${host}`, toggle);
      if (!on) return [line];
      if (!report) {
        return [
          line,
          make("p", { className: "muted" }, "This page was open before. Badges come when it is loaded anew, or now:"),
          button("Show badges now", () => act(async () => enter(tab!.id!)), { className: "primary" }),
        ];
      }
      return [line, ...found(report), ...(report.ranked === 0 ? alternatives(true) : [])];
    }
  }
}

/** The content script's report, as sentences. */
function found({ answers, prompts, ranked, left, problem }: PageReport): HTMLElement[] {
  const lines: HTMLElement[] = [];
  const what = `${counted(answers, "answer")} to ${counted(prompts, "prompt")}`;
  if (ranked > 0)
    lines.push(make("p", {}, `${what}; ${ranked === 1 ? "1 prompt has" : `${ranked} prompts have`} badges.`));
  else if (answers > 0) lines.push(make("p", {}, `${what}. No prompt has two answers to compare yet.`));
  else lines.push(make("p", {}, "No answers were found on this page."));
  if (left > 0)
    lines.push(
      make("p", { className: "warning" }, `${counted(left, "answer")} more are not ranked: too many for one page.`),
    );
  if (problem) lines.push(make("p", { className: "warning" }, problem));
  return lines;
}

/** What else the user can do where a page itself cannot be read. */
function alternatives(selecting: boolean): HTMLElement[] {
  const list = make("ul", { className: "muted small" });
  if (selecting) {
    list.append(
      make("li", {}, "Select text, open its context menu, and choose “Use as instruction” or “Add as answer”."),
    );
  }
  list.append(make("li", {}, "Paste answers into the side panel."));
  return [make("p", { className: "muted small" }, selecting ? "Two other ways:" : "Another way:"), list];
}

async function rankHere(): Promise<void> {
  // First, because the browser accepts the request only in the event of the click.
  if (await allowScripting()) await enter(tab!.id!);
}

async function allowAndEnter(place: Place, site?: string): Promise<void> {
  if (!(await allow(place))) return;
  if (settings.sitesOff.some((id) => id === site))
    await changeSettings({ sitesOff: settings.sitesOff.filter((id) => id !== site) });
  await enter(tab!.id!);
}

async function switchSite(site: SiteAdapter, on: boolean): Promise<void> {
  const others = settings.sitesOff.filter((id) => id !== site.id);
  await changeSettings({ sitesOff: on ? others : [...others, site.id] });
  if (on) await enter(tab!.id!);
}

function showPanel(): void {
  failure.replaceChildren();
  openPanel(tab!.windowId).then(close, fail);
}

/** Does what a button is for, and shows what went wrong. */
function act(work: () => Promise<unknown>): void {
  failure.replaceChildren();
  work()
    .catch(fail)
    .finally(() => void draw());
}

function fail(error: unknown): void {
  failure.replaceChildren(errorBox(error));
}
