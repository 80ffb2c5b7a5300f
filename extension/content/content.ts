/**
 * The content script. It runs on the pages of sites that the user let the extension into, and on any
 * other page for which the user asks. Of a page it reads the text and nothing else; it listens to the
 * extension alone, never to the page's own messages and events.
 */
import * as v from "valibot";
import { ToContent } from "../messages.js";
import { onSettings, readSettings, type Settings } from "../settings.js";
import { adapterFor } from "../sites/index.js";
import { reportOf } from "./report.js";
import { Session } from "./session.js";
import { isThere } from "./there.js";

/** The script as it runs in this page. Injected once more, it finds itself here. */
interface Running {
  isThere(): boolean;
  leave(): void;
}
const here = globalThis as { cappyContent?: Running };

function run(): Running {
  const adapter = adapterFor(location.href);
  let session: Session | undefined;
  let left = false;

  const apply = (settings: Settings) => {
    if (left) return;
    if (!settings.on || settings.sitesOff.includes(adapter.id)) {
      session?.stop();
      session = undefined;
    } else if (session) session.change(settings);
    else session = new Session(adapter, settings, leave);
  };

  const hear = (message: unknown, sender: chrome.runtime.MessageSender, answer: (report: unknown) => void) => {
    if (sender.id !== chrome.runtime.id || !v.is(ToContent, message)) return;
    if (message.type === "report") answer(session?.report() ?? reportOf(adapter));
    else if (message.type === "focus-badge") session?.focusNext();
    else leave();
  };

  const forget = onSettings(apply);
  chrome.runtime.onMessage.addListener(hear);

  function leave(): void {
    const last = session;
    session = undefined;
    left = true;
    delete here.cappyContent;
    try {
      last?.stop();
      forget();
      chrome.runtime.onMessage.removeListener(hear);
    } catch {
      // The extension is gone, and its listeners with it.
    }
  }

  void readSettings().then(apply, leave);
  return { isThere, leave };
}

// What an earlier version of the extension left behind makes room; this version does not run twice.
if (!here.cappyContent?.isThere()) {
  here.cappyContent?.leave();
  here.cappyContent = run();
}
