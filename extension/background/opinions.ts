/** Thumbs: stores what the user thinks of answers, where the user has switched that on. */
import { isOurPage } from "../engine/trust.js";
import type { Answer, Known, ToBackground } from "../messages.js";
import { likedOf, withOpinion } from "../learn/opinions.js";
import { changeOpinions, readOpinions } from "../learn/store.js";
import { readSettings, type Settings } from "../settings.js";
import { adapterFor } from "../sites/index.js";

type OpinionMessage = Extract<ToBackground, { type: "opinion" | "opinions" }>;

/** The most thumbs that are taken from pages within a minute: more than a person presses. */
export const MOST_A_MINUTE = 30;

/** When thumbs were taken from pages, within the last minute. */
let taken: number[] = [];

/** Stores an opinion, or answers which ones are stored; neither while learning is off nor for private windows. */
export async function opinion(message: OpinionMessage, sender: chrome.runtime.MessageSender): Promise<Answer | Known> {
  const settings = await readSettings();
  if (!settings.learn) return refused("Learning is switched off");
  // Nothing of a private window is stored.
  if (sender.tab?.incognito) return refused("Nothing is kept of private windows");
  const { instruction } = message;
  if (message.type === "opinion") {
    const why = isOurPage(sender) ? "" : whyForged(sender, settings);
    if (why) return refused(why);
    await changeOpinions((opinions) => withOpinion(opinions, instruction, message.answer, message.liked ?? undefined));
    return { ok: true };
  }
  const liked = likedOf(await readOpinions(), instruction, message.answers);
  return { ok: true, liked: liked.map((one) => one ?? null) };
}

/**
 * Why no person can have pressed this thumb; empty where one can. Thumbs are reported by content scripts, and a
 * hostile page may have taken over the process in which its script runs. Then it can forge thumbs, but no more and
 * no faster than a person in front of that page could press them.
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
