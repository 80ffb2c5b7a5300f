/** The background: handles events. It holds nothing in memory, because browsers end it at any time. */
import * as v from "valibot";
import { isOurPage, isOurs } from "../engine/trust.js";
import {
  type Answer,
  type EngineSettings,
  type StoredValue,
  type Known,
  type PageSettings,
  ToBackground,
  type ToContent,
  VERSION,
} from "../messages.js";
import { forEngine, forPage, storeTaught, onSettings, readSettings } from "../settings.js";
import { store } from "./store.js";
import { opinion } from "./opinions.js";
import type { Platform } from "./platform.js";
import { sendSettings, syncScripts } from "./scripts.js";
import { createMenu, isUse, useFromKey, useFromMenu } from "./selection.js";
import { showBriefly, showState } from "./toolbar.js";

/** All answers that messages can get. */
type Reply = Answer | Known | StoredValue | EngineSettings | PageSettings;

/** Adds the listeners. To be called while the script starts, or the event that woke the script is missed. */
export function start(platform: Platform): void {
  chrome.runtime.onInstalled.addListener(() => void createMenu());
  chrome.runtime.onInstalled.addListener(() => void syncScripts());
  chrome.runtime.onStartup.addListener(() => void syncScripts());
  chrome.permissions.onAdded.addListener(() => void syncScripts());
  chrome.permissions.onRemoved.addListener(() => void syncScripts());
  onSettings((settings) => {
    void syncScripts();
    void platform.configureEngine(forEngine(settings));
    void sendSettings(forPage(settings));
  });

  chrome.runtime.onMessage.addListener((raw: unknown, sender, respond: (answer: Reply) => void) => {
    const { success, output: message } = v.safeParse(ToBackground, raw);
    if (!success || !isOurs(sender)) return;
    const answer = answerTo(message, sender, platform);
    answer.then(respond, (error: unknown) =>
      respond({ ok: false, message: error instanceof Error ? error.message : String(error) }),
    );
    // The answer comes later.
    return true;
  });

  chrome.contextMenus.onClicked.addListener((info, tab) => {
    if (isUse(info.menuItemId)) void useFromMenu(info.menuItemId, info, tab, platform);
  });

  chrome.commands.onCommand.addListener((command, tab) => {
    if (isUse(command)) void useFromKey(command, tab, platform);
    else if (command === "open-panel")
      platform.openPanel(tab).catch(() => showBriefly("?", "the panel could not be opened here", true));
    else if (command === "focus-badge") void focusBadge(tab);
  });
}

async function answerTo(
  message: ToBackground,
  sender: chrome.runtime.MessageSender,
  platform: Platform,
): Promise<Reply> {
  switch (message.type) {
    case "ensure-engine":
      await platform.ensureEngine(forEngine(await readSettings()));
      return { ok: true };
    case "page-settings":
      return forPage(await readSettings());
    case "opinion":
    case "opinions":
      return opinion(message, sender);
  }
  if (!isOurPage(sender)) return { ok: false, message: "Only pages of the extension may say that" };
  switch (message.type) {
    case "read-stored":
      return { ok: true, value: await store.read(message.name) };
    case "store":
      await store.write(message.name, message.fields);
      return { ok: true };
    case "delete-stored":
      await store.deleteAll();
      return { ok: true };
    case "engine-settings":
      return forEngine(await readSettings());
    case "engine-state":
      await showState(message.state);
      return { ok: true };
    case "taught":
      await storeTaught(message.taught);
      return { ok: true };
  }
}

async function focusBadge(tab: chrome.tabs.Tab | undefined): Promise<void> {
  try {
    await chrome.tabs.sendMessage(tab!.id!, { v: VERSION, to: "content", type: "focus-badge" } satisfies ToContent);
  } catch {
    await showBriefly("?", "there are no badges on this page", true);
  }
}
