/** Thumbs: what the user thinks of answers is kept here, where the user has switched that on. */
import { isOurPage } from "../engine/trust.js";
import type { Answer, Known, ToBackground } from "../messages.js";
import { likedOf, withOpinion } from "../learn/opinions.js";
import { changeOpinions, readOpinions } from "../learn/store.js";
import { readSettings, type Settings } from "../settings.js";
import { adapterFor } from "../sites/index.js";

type Said = Extract<ToBackground, { type: "opinion" | "opinions" }>;

/** The most thumbs that are taken from pages within a minute: more than a person presses. */
export const MOST_A_MINUTE = 30;

/** When thumbs were taken from pages, within the last minute. */
let taken: number[] = [];

/** Keeps an opinion, or tells of those that are kept; neither while learning is off or for private windows. */
export async function opinion(message: Said, sender: chrome.runtime.MessageSender): Promise<Answer | Known> {
  const settings = await readSettings();
  if (!settings.learn) return refused("Learning is switched off");
  // What is read in a private window leaves nothing behind.
  if (sender.tab?.incognito) return refused("Nothing is kept of private windows");
  const { instruction } = message;
  if (message.type === "opinion") {
    const why = isOurPage(sender) ? "" : whyForged(sender, settings);
    if (why) return refused(why);
    await changeOpinions((kept) => withOpinion(kept, instruction, message.answer, message.liked ?? undefined));
    return { ok: true };
  }
  const liked = likedOf(await readOpinions(), instruction, message.answers);
  return { ok: true, liked: liked.map((one) => one ?? null) };
}

/**
 * Why nobody can have pressed this thumb; empty where somebody can. A content script tells of thumbs, and a
 * hostile page may have taken over the process in which it runs: then it says what it likes, but no more and no
 * sooner than a person in front of that page could.
 */
function whyForged({ frameId, tab, url }: chrome.runtime.MessageSender, { on, sitesOff }: Settings): string {
  if (frameId !== 0 || !url) return "Only the page itself has thumbs, and not what is embedded in it";
  if (!on || sitesOff.includes(adapterFor(url).id)) return "Badges are switched off on this page";
  if (!tab?.active) return "A thumb can be pressed only in the tab in front";
  const now = Date.now();
  taken = taken.filter((at) => now - at < 60_000);
  if (taken.length >= MOST_A_MINUTE) return "So many thumbs are not pressed within a minute";
  taken.push(now);
  return "";
}

function refused(message: string): Answer {
  return { ok: false, message };
}
