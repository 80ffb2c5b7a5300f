/**
 * Firefox's event page, with the engine in it, because Firefox has no offscreen documents. Firefox ends the page
 * after 30 seconds without an event or a call of an API. Work in the page does not count, so while a model is
 * loaded an API is called now and then. Should Firefox end the page all the same, ports break, and clients connect
 * again, which wakes it.
 */
import { EngineHost } from "../engine/host.js";
import type { EngineState, ToBackground } from "../messages.js";
import { VERSION } from "../messages.js";
import { forEngine, storeTaught, readSettings } from "../settings.js";
import type { Platform } from "./platform.js";
import { start } from "./start.js";
import { showState } from "./toolbar.js";

/** Half of the time after which Firefox ends an idle page, in ms. */
const STAY_EVERY = 15_000;

/** Firefox's own API; the types know Chrome's alone. */
declare const browser: {
  sidebarAction: { open(): Promise<void>; isOpen(details: object): Promise<boolean> };
};

let keepAlive: ReturnType<typeof setInterval> | undefined;

function stayAwake(needed: boolean): void {
  if (needed) keepAlive ??= setInterval(() => void chrome.runtime.getPlatformInfo(), STAY_EVERY);
  else keepAlive = void clearInterval(keepAlive);
}

function onState(state: EngineState): void {
  stayAwake(state.phase !== "idle" && state.phase !== "failed");
  void showState(state);
  // For the other pages: a message does not reach the page that sends it.
  const message: ToBackground = { v: VERSION, to: "background", type: "engine-state", state };
  chrome.runtime.sendMessage(message).catch(() => {});
}

// Nothing to do when it is idle: Firefox ends the page by itself.
const host = new EngineHost({
  settings: readSettings().then(forEngine),
  onState,
  onTaught: storeTaught,
  onIdle: () => {},
});

const platform: Platform = {
  async ensureEngine(settings) {
    host.configure(settings);
  },
  async configureEngine(settings) {
    host.configure(settings);
  },
  openPanel: () => browser.sidebarAction.open(),
  isPanelOpen: () => browser.sidebarAction.isOpen({}),
};

start(platform);
// Replaces what an earlier run of this page left on the toolbar.
void showState(host.state);
