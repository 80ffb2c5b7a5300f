/** Chrome: the engine in the offscreen document. There it has no access to the settings, so the background sends them. */
import * as v from "valibot";
import {
  type Answer,
  EngineSettings,
  type EngineState,
  type Taught,
  type ToBackground,
  ToOffscreen,
  VERSION,
} from "../messages.js";
import { EngineHost } from "./host.js";
import { isOurPage } from "./trust.js";

/** How long after unloading the model the document closes, in ms, so that the last state reaches everyone. */
const GRACE = 500;

async function firstSettings(): Promise<EngineSettings> {
  const ask: ToBackground = { v: VERSION, to: "background", type: "engine-settings" };
  return v.parse(EngineSettings, await chrome.runtime.sendMessage(ask));
}

function announce(state: EngineState): void {
  const message: ToBackground = { v: VERSION, to: "background", type: "engine-state", state };
  chrome.runtime.sendMessage(message).catch(() => {});
}

async function storeTaught(taught: Taught): Promise<void> {
  const message: ToBackground = { v: VERSION, to: "background", type: "taught", taught };
  const answer: Answer | undefined = await chrome.runtime.sendMessage(message);
  if (!answer?.ok) throw new Error(answer?.message ?? "The background does not answer");
}

/** Closes the document. The next `ensure-engine` makes a new one. */
function close(): void {
  setTimeout(() => {
    if (host.state.phase === "idle") window.close();
  }, GRACE);
}

const host = new EngineHost({ settings: firstSettings(), onState: announce, onTaught: storeTaught, onIdle: close });

chrome.runtime.onMessage.addListener((raw: unknown, sender, respond: (answer: Answer) => void) => {
  const { success, output } = v.safeParse(ToOffscreen, raw);
  if (!success || !isOurPage(sender)) return;
  host.configure(output.settings);
  respond({ ok: true });
});
