/**
 * The content script. It runs on the pages of sites that the user has allowed, and on any other page for which the
 * user asks. It reads the text of a page and nothing else. It listens only to messages of the extension, never to
 * the page's own messages and events.
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
 * Where a script that is injected again finds the running one. The name is a symbol, because a page could make a
 * global of any other name by an element with that id.
 */
const RUNNING = Symbol.for("cappy content script");
const here = globalThis as { [RUNNING]?: Running };

function run(): Running {
  let adapter = adapterOf(location.href, document);
  let settings: PageSettings | undefined;
  let session: Session | undefined;
  let ended = false;
  /** Counts changes of the settings: settings that were asked for before a change are out of date. */
  let changes = 0;

  const recognised = (other: SiteAdapter) => {
    session?.stop();
    session = undefined;
    adapter = other;
    if (settings) apply(settings);
  };

  const apply = (given: PageSettings) => {
    settings = given;
    changes += 1;
    if (ended) return;
    if (!settings.on || settings.sitesOff.includes(adapter.id)) {
      session?.stop();
      session = undefined;
    } else if (session) session.change(settings);
    else session = new Session(adapter, settings, { gone: leave, recognised });
  };

  const receive = (message: unknown, sender: chrome.runtime.MessageSender, answer: (report: unknown) => void) => {
    if (!isOurPage(sender) || !v.is(ToContent, message)) return;
    switch (message.type) {
      case "report":
        return answer(session?.report() ?? reportOf(adapter));
      case "settings":
        return apply(message.settings);
      case "focus-badge":
        return session?.focusNext();
      case "leave":
        return message.host === undefined || message.host === location.hostname ? leave() : undefined;
    }
  };

  const ask = async () => {
    const before = changes;
    const settings = await readPageSettings();
    if (changes === before) apply(settings);
  };

  // A page in the back/forward cache gets no messages, and may come back with old settings.
  const comeBack = ({ isTrusted, persisted }: PageTransitionEvent) => {
    if (isTrusted && persisted) ask().catch(leave);
  };

  function leave(): void {
    const last = session;
    session = undefined;
    ended = true;
    delete here[RUNNING];
    removeEventListener("pageshow", comeBack);
    try {
      last?.stop();
      chrome.runtime.onMessage.removeListener(receive);
    } catch {
      // The extension is gone, and so are its listeners.
    }
  }

  chrome.runtime.onMessage.addListener(receive);
  addEventListener("pageshow", comeBack);
  ask().catch(leave);
  return { isThere, leave };
}

async function readPageSettings(): Promise<PageSettings> {
  const message: ToBackground = { v: VERSION, to: "background", type: "page-settings" };
  return v.parse(PageSettings, await chrome.runtime.sendMessage(message));
}

// A script of an earlier version of the extension is ended first; one of this version does not run twice.
if (!here[RUNNING]?.isThere()) {
  here[RUNNING]?.leave();
  here[RUNNING] = run();
}
