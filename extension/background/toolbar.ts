/** The badge on the toolbar's button: how far the model is, and for a moment what was collected. */
import type { EngineState } from "../messages.js";

const COLORS = { plain: PALETTE.light["--accent"]!, bad: PALETTE.light["--bad"]! };
/** How long what was collected is shown, in ms. */
const MOMENT = 2500;
const TITLE = "Cappy";

/** What stays when a moment is over. */
let lasting = { text: "", color: COLORS.plain };
let moment: ReturnType<typeof setTimeout> | undefined;

/** Shows what the engine is at. */
export async function showState(state: EngineState): Promise<void> {
  lasting = { text: textOf(state), color: state.phase === "failed" ? COLORS.bad : COLORS.plain };
  if (moment === undefined) await show(lasting);
}

/** Shows a word for a moment, and a sentence to whoever points at the button meanwhile. */
export async function showBriefly(text: string, sentence: string, bad = false): Promise<void> {
  clearTimeout(moment);
  moment = setTimeout(() => {
    moment = undefined;
    void show(lasting);
    void chrome.action.setTitle({ title: TITLE });
  }, MOMENT);
  await chrome.action.setTitle({ title: `${TITLE}: ${sentence}` });
  await show({ text, color: bad ? COLORS.bad : COLORS.plain });
}

async function show({ text, color }: { text: string; color: string }): Promise<void> {
  await chrome.action.setBadgeBackgroundColor({ color });
  await chrome.action.setBadgeTextColor({ color: "#ffffff" });
  await chrome.action.setBadgeText({ text });
}

function textOf(state: EngineState): string {
  switch (state.phase) {
    case "download":
    case "load":
      return state.total > 0 ? `${Math.floor((100 * state.bytes) / state.total)}%` : "";
    case "failed":
      return "!";
    default:
      return "";
  }
}
