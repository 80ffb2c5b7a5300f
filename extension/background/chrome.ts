/** Chrome's service worker. It ends after some idle seconds, so the engine lives in an offscreen document. */
import type { Answer, EngineSettings, ToOffscreen } from "../messages.js";
import { VERSION } from "../messages.js";
import type { Platform } from "./platform.js";
import { start } from "./start.js";

const PAGE = "engine/offscreen.html";

/** The document that is being made. */
let making: Promise<void> | undefined;

async function hasContext(type: `${chrome.runtime.ContextType}`): Promise<boolean> {
  return (await chrome.runtime.getContexts({ contextTypes: [type as chrome.runtime.ContextType] })).length > 0;
}

async function make(): Promise<void> {
  if (await hasContext("OFFSCREEN_DOCUMENT")) return;
  try {
    await chrome.offscreen.createDocument({
      url: PAGE,
      reasons: ["WORKERS" as chrome.offscreen.Reason],
      justification: "Holds the model that scores answers, in a worker, for all pages.",
    });
  } catch (error) {
    // This worker may have begun to make it before the browser ended it.
    if (!(await hasContext("OFFSCREEN_DOCUMENT"))) throw error;
  }
}

async function configure(settings: EngineSettings): Promise<boolean> {
  const message: ToOffscreen = { v: VERSION, to: "offscreen", type: "configure", settings };
  const answer: Answer | undefined = await chrome.runtime.sendMessage(message).catch(() => undefined);
  return answer?.ok === true;
}

const platform: Platform = {
  async ensureEngine(settings) {
    making ??= make().finally(() => (making = undefined));
    await making;
    // A document that is just being closed does not answer. The client tries again.
    if (!(await configure(settings))) throw new Error("The offscreen document does not answer");
  },
  async configureEngine(settings) {
    await configure(settings);
  },
  async openPanel(tab) {
    await chrome.sidePanel.open({ windowId: tab?.windowId ?? chrome.windows.WINDOW_ID_CURRENT });
  },
  isPanelOpen: () => hasContext("SIDE_PANEL"),
};

start(platform);
