/** Asks before a model is downloaded: what it costs is told first. */
import type { Cost } from "cappy-web";
import { button, factList, make } from "./dom.js";
import { errorBox } from "./errors.js";
import { inBytes } from "./words.js";

/** A model somewhere else: how `probe` takes it, and what people call it. */
export interface Remote {
  source: string;
  name: string;
}

/**
 * Looks up in `box` what a model costs, and asks. `agreed` is called after a yes; the box is empty
 * again after either answer, and the focus goes back to where it was.
 */
export async function askToDownload(box: HTMLElement, { source, name }: Remote, agreed: () => void): Promise<void> {
  const asked = {};
  current.set(box, asked);
  const before = document.activeElement;
  const close = () => {
    current.delete(box);
    box.replaceChildren();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  };
  const notice = make("div", { className: "notice", role: "group", ariaLabel: `Download ${name}` });
  box.replaceChildren(notice);
  notice.append(
    make("p", { role: "status" }, `Asking ${hostOf(source)} for the size of ${name}…`),
    make("div", { className: "row" }, button("Not now", close)),
  );
  // The package is large, and most visits do not need it.
  const { probe } = await import("cappy-web");
  const cost = await probe(source).catch((error: unknown) => {
    if (current.get(box) === asked) {
      box.replaceChildren(errorBox(error, () => void askToDownload(box, { source, name }, agreed)));
      box.firstElementChild!.querySelector(".row")!.append(button("Not now", close));
    }
  });
  if (!cost || current.get(box) !== asked) return;
  const title = make("h3", { tabIndex: -1 }, titleOf(cost, name));
  const yes = button(cost.download > 0 ? "Download and use" : "Use it", () => {
    close();
    agreed();
  }, { className: "primary" });
  notice.replaceChildren(title, factList(factsOf(cost)), ...advice(cost, source).map((line) => make("p", { className: "small" }, line)));
  if (isTooMuch(cost)) {
    notice.append(make("p", { className: "warning" }, "The browser grants less storage than this needs. It may fail."));
  }
  notice.append(make("div", { className: "row" }, yes, button("Not now", close)));
  title.focus();
}

/** What is being asked in a box: an answer that comes late is not shown. */
const current = new WeakMap<HTMLElement, object>();

function titleOf({ bytes, download }: Cost, name: string): string {
  if (download === 0) return `${name} is stored here already`;
  return download < bytes ? `Download the rest of ${name}: ${inBytes(download)}?` : `Download ${inBytes(download)} for ${name}?`;
}

function factsOf({ bytes, download, gpuBytes, quota }: Cost): [string, string][] {
  return [
    ["To download", inBytes(download)],
    ["Stored already", inBytes(bytes - download)],
    ["Graphics memory", inBytes(gpuBytes)],
    ["Storage the browser grants", quota === null ? "not told" : inBytes(quota)],
  ];
}

function advice({ bytes, download }: Cost, source: string): string[] {
  if (download === 0) return ["Nothing is downloaded. Loading it takes a moment."];
  const resume = download < bytes ? "The download goes on where it stopped." : "A download that is cut off goes on later where it stopped.";
  return [`It comes from ${hostOf(source)} and is stored in this browser. ${resume}`];
}

function isTooMuch({ download, quota }: Cost): boolean {
  return quota !== null && quota < download;
}

function hostOf(source: string): string {
  return URL.canParse(source) ? new URL(source).host : "huggingface.co";
}
