/**
 * The content script. It runs on the pages of sites that the user let the extension into, and on any
 * other page for which the user asks. Of a page it reads the text and nothing else; it listens to the
 * extension alone, never to the page's own messages and events.
 */
import * as v from "valibot";
import { isOurPage } from "../engine/trust.js";
import { PageSettings, ToContent, type ToBackground, VERSION } from "../messages.js";
import { adapterOf, type SiteAdapter } from "../sites/index.js";
import { reportOf } from "./report.js";
import { Session } from "./session.js";
import { isThere } from "./there.js";

/** The script as it runs in this page. */
interface Running {
  isThere(): boolean;
  leave(): void;
}

/**
 * Where the script, injected once more, finds itself. The name is a symbol because a page makes a global of
 * every text that it takes for an element's id.
 */
const RUNNING = Symbol.for("cappy content script");
const here = globalThis as { [RUNNING]?: Running };

function run(): Running {
  let adapter = adapterOf(location.href, document);
  let settings: PageSettings | undefined;
  let session: Session | undefined;
  let left = false;
  /** Counts settings: an answer that was asked for before others came is out of date. */
  let told = 0;

  const recognised = (other: SiteAdapter) => {
    session?.stop();
    session = undefined;
    adapter = other;
    if (settings) apply(settings);
  };

  const apply = (given: PageSettings) => {
    settings = given;
    told += 1;
    if (left) return;
    if (!settings.on || settings.sitesOff.includes(adapter.id)) {
      session?.stop();
      session = undefined;
    } else if (session) session.change(settings);
    else session = new Session(adapter, settings, { gone: leave, recognised });
  };

  const hear = (message: unknown, sender: chrome.runtime.MessageSender, answer: (report: unknown) => void) => {
    if (!isOurPage(sender) || !v.is(ToContent, message)) return;
    switch (message.type) {
      case "report": return answer(session?.report() ?? reportOf(adapter));
      case "settings": return apply(message.settings);
      case "focus-badge": return session?.focusNext();
      case "leave": return message.host === undefined || message.host === location.hostname ? leave() : undefined;
    }
  };

  const ask = async () => {
    const before = told;
    const settings = await readPageSettings();
    if (told === before) apply(settings);
  };

  // Pages that are put aside hear nothing, and may come back.
  const comeBack = ({ isTrusted, persisted }: PageTransitionEvent) => {
    if (isTrusted && persisted) ask().catch(leave);
  };

  function leave(): void {
    const last = session;
    session = undefined;
    left = true;
    delete here[RUNNING];
    removeEventListener("pageshow", comeBack);
    try {
      last?.stop();
      chrome.runtime.onMessage.removeListener(hear);
    } catch {
      // The extension is gone, and its listeners with it.
    }
  }

  chrome.runtime.onMessage.addListener(hear);
  addEventListener("pageshow", comeBack);
  ask().catch(leave);
  return { isThere, leave };
}

async function readPageSettings(): Promise<PageSettings> {
  const message: ToBackground = { v: VERSION, to: "background", type: "page-settings" };
  return v.parse(PageSettings, await chrome.runtime.sendMessage(message));
}

// What an earlier version of the extension left behind makes room; this version does not run twice.
if (!here[RUNNING]?.isThere()) {
  here[RUNNING]?.leave();
  here[RUNNING] = run();
}
