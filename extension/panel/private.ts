/** Private windows: nothing that is written or ranked there is kept. */
import * as v from "valibot";
import { isOurPage } from "../engine/trust.js";
import { type Answer, ToPages } from "../messages.js";

type Collected = Extract<ToPages, { type: "collect" }>;

/** The number of this panel's window, and whether that is a private one. In Chrome the page itself never is: it is asked of the window. */
export async function ownWindow(): Promise<{ windowId: number | undefined; isPrivate: boolean }> {
  const { id, incognito } = await chrome.windows.getCurrent();
  return { windowId: id, isPrivate: incognito || chrome.extension.inIncognitoContext };
}

/** Takes what is selected on pages of this window, which elsewhere comes by way of what is kept. */
export function onCollected(windowId: number | undefined, take: (collected: Collected) => void): void {
  chrome.runtime.onMessage.addListener((raw: unknown, sender, respond: (answer: Answer) => void) => {
    const { success, output } = v.safeParse(ToPages, raw);
    if (!success || !isOurPage(sender) || output.type !== "collect" || output.windowId !== windowId) return;
    take(output);
    respond({ ok: true });
  });
}
