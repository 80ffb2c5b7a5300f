/** Private windows: nothing that is written or ranked there is stored. */
import * as v from "valibot";
import { isOurPage } from "../engine/trust.js";
import { type Answer, ToPages } from "../messages.js";

type Collected = Extract<ToPages, { type: "collect" }>;

/** The id of this panel's window, and whether that is private. In Chrome the panel's page itself never is, so the window is asked. */
export async function ownWindow(): Promise<{ windowId: number | undefined; isPrivate: boolean }> {
  const { id, incognito } = await chrome.windows.getCurrent();
  return { windowId: id, isPrivate: incognito || chrome.extension.inIncognitoContext };
}

/** Calls `take` with text that was selected on pages of this window. In other windows it is stored, and comes from there. */
export function onCollected(windowId: number | undefined, take: (collected: Collected) => void): void {
  chrome.runtime.onMessage.addListener((raw: unknown, sender, respond: (answer: Answer) => void) => {
    const { success, output } = v.safeParse(ToPages, raw);
    if (!success || !isOurPage(sender) || output.type !== "collect" || output.windowId !== windowId) return;
    take(output);
    respond({ ok: true });
  });
}
