/** The badge on the toolbar's button: how far the model is, and for a moment what has just been collected. */
import type { EngineState } from "../messages.js";

const COLORS = { plain: PALETTE.light["--accent"]!, bad: PALETTE.light["--bad"]! };
/** How long a brief text is shown, in ms. */
const MOMENT = 2500;
const TITLE = "Cappy";

/** What is shown after the brief text. */
let lasting = { text: "", color: COLORS.plain };
let moment: ReturnType<typeof setTimeout> | undefined;

/** Shows the state of the engine. */
export async function showState(state: EngineState): Promise<void> {
  lasting = { text: textOf(state), color: state.phase === "failed" ? COLORS.bad : COLORS.plain };
  if (moment === undefined) await show(lasting);
}

/** Shows a short text for a moment, and a sentence as the button's tooltip meanwhile. */
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
