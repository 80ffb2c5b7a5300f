/** Asks before a model is downloaded, and shows first what that costs. */
import type { Cost } from "cappy-web";
import { dtypeOf, readSettings, type Settings } from "../settings.js";
import { button, factList, make } from "./dom.js";
import { errorBox } from "./errors.js";
import { inBytes } from "./words.js";

/** A model to download: for `probe`, for the settings, and by its name for people. */
export interface Remote {
  source: string;
  model: Settings["model"];
  name: string;
}

/**
 * Looks up in `box` what a model costs, and asks. `agreed` is called after a yes; the box is empty
 * again after either answer, and the focus goes back to where it was.
 */
export async function askToDownload(box: HTMLElement, remote: Remote, agreed: () => void): Promise<void> {
  const { source, name, model } = remote;
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
  const dtype = dtypeOf({ ...(await readSettings()), model });
  // The package is large, and most visits do not need it.
  const { probe } = await import("cappy-web");
  const cost = await probe(source).catch((error: unknown) => {
    if (current.get(box) === asked) {
      box.replaceChildren(errorBox(error, () => void askToDownload(box, remote, agreed)));
      box.firstElementChild!.querySelector(".row")!.append(button("Not now", close));
    }
  });
  if (!cost || current.get(box) !== asked) return;
  const title = make("h3", { tabIndex: -1 }, titleOf(cost, name));
  const yes = button(
    cost.download > 0 ? "Download and use" : "Use it",
    () => {
      close();
      agreed();
    },
    { className: "primary" },
  );
  notice.replaceChildren(
    title,
    factList(factsOf(cost, dtype)),
    ...advice(cost, source, dtype).map((line) => make("p", { className: "small" }, line)),
  );
  if (isTooMuch(cost)) {
    notice.append(make("p", { className: "warning" }, "The browser grants less storage than this needs. It may fail."));
  }
  notice.append(make("div", { className: "row" }, yes, button("Not now", close)));
  title.focus();
}

/** The question that is open in a box: an answer to an earlier one is not shown. */
const current = new WeakMap<HTMLElement, object>();

const BITS = { f16: "in 16 bits", f32: "in 16 bits", q8: "in 8 bits", q4: "in 4 bits" };

function titleOf({ bytes, download }: Cost, name: string): string {
  if (download === 0) return `${name} is stored here already`;
  return download < bytes
    ? `Download the rest of ${name}: ${inBytes(download)}?`
    : `Download ${inBytes(download)} for ${name}?`;
}

function factsOf({ bytes, download, gpuBytes, gpuBytesAs, quota }: Cost, dtype: Settings["dtype"]): [string, string][] {
  const memory = dtype === "auto" ? gpuBytes : gpuBytesAs?.[dtype === "f32" ? "f16" : dtype];
  return [
    ["To download", inBytes(download)],
    ["Stored already", inBytes(bytes - download)],
    ["Graphics memory", memory === undefined ? "not known" : inBytes(memory)],
    ["Storage the browser grants", quota === null ? "not told" : inBytes(quota)],
  ];
}

function advice({ bytes, download, gpuBytesAs }: Cost, source: string, dtype: Settings["dtype"]): string[] {
  const others =
    gpuBytesAs && dtype !== "auto"
      ? [
          `Its weights will be held ${BITS[dtype]}. Of graphics memory they take ${inBytes(gpuBytesAs.f16)} in 16 bits, ${inBytes(gpuBytesAs.q8)} in 8 and ${inBytes(gpuBytesAs.q4)} in 4: see Weights in the options. The download stays the same.`,
        ]
      : [];
  if (download === 0) return ["Nothing is downloaded. Loading it takes a moment.", ...others];
  const resume =
    download < bytes
      ? "The download goes on where it stopped."
      : "A download that is cut off goes on later where it stopped.";
  return [`It comes from ${hostOf(source)} and is stored in this browser. ${resume}`, ...others];
}

function isTooMuch({ download, quota }: Cost): boolean {
  return quota !== null && quota < download;
}

function hostOf(source: string): string {
  return URL.canParse(source) ? new URL(source).host : "huggingface.co";
}
