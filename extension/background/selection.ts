/** Takes selected text as the instruction or an answer: by the context menu, or by a keyboard shortcut. */
import { readCollection, writeCollection } from "../collection.js";
import { readDecision, writeDecision } from "../decision.js";
import { type Answer, type ToPages, VERSION } from "../messages.js";
import type { Platform } from "./platform.js";
import { showBriefly } from "./toolbar.js";

/** The uses of selected text, by the ids of menu items and commands. */
const USES = {
  "use-as-instruction": "Use as instruction",
  "add-as-answer": "Add as answer",
  "ask-about": "Ask about this text",
} as const;
export type Use = keyof typeof USES;

/** What the panel of a private window is told that a text is. */
const AS = { "use-as-instruction": "instruction", "add-as-answer": "answer", "ask-about": "text" } as const;

export function isUse(id: unknown): id is Use {
  return typeof id === "string" && Object.hasOwn(USES, id);
}

/** Makes the menu. Browsers keep it until the extension changes. */
export async function createMenu(): Promise<void> {
  await chrome.contextMenus.removeAll();
  for (const [id, title] of Object.entries(USES)) chrome.contextMenus.create({ id, title, contexts: ["selection"] });
}

/**
 * From the menu. Browsers pass on the text, but without its line breaks, so it is read from the page if possible. To be
 * called before any `await` in the event, because it may open the panel.
 */
export async function useFromMenu(
  use: Use,
  info: chrome.contextMenus.OnClickData,
  tab: chrome.tabs.Tab | undefined,
  platform: Platform,
): Promise<void> {
  const opened = openFor(use, tab, platform);
  const exact = await selectedText(tab, info.frameId).catch(() => "");
  await opened;
  await collect(use, exact || info.selectionText || "", tab, platform);
}

/** Opens the panel where the question is still to be written there. Where the browser does not allow it, the person opens it. */
async function openFor(use: Use, tab: chrome.tabs.Tab | undefined, platform: Platform): Promise<void> {
  if (use === "ask-about") await platform.openPanel(tab).catch(() => {});
}

/** From a key. To be called before any `await` in the event, because it may have to request a permission. */
export async function useFromKey(use: Use, tab: chrome.tabs.Tab | undefined, platform: Platform): Promise<void> {
  const granted = chrome.permissions.request({ permissions: ["scripting"] });
  const opened = openFor(use, tab, platform);
  try {
    const text = (await granted) ? await selectedText(tab) : "";
    await opened;
    if (text) return await collect(use, text, tab, platform);
  } catch {
    // Browsers keep extensions out of some pages.
  }
  await showBriefly("?", "no selected text could be read. Select some and use the context menu", true);
}

/** The selected text of a tab with its line breaks; empty where there is none. */
async function selectedText(tab: chrome.tabs.Tab | undefined, frameId?: number): Promise<string> {
  // `chrome.scripting` is missing until the user grants the permission.
  if (tab?.id === undefined || !chrome.scripting) return "";
  const target = frameId === undefined ? { tabId: tab.id, allFrames: true } : { tabId: tab.id, frameIds: [frameId] };
  const results = await chrome.scripting.executeScript({ target, func: () => getSelection()?.toString() ?? "" });
  return results.map(({ result }) => result ?? "").find((text) => text.trim() !== "") ?? "";
}

/** Uses wait for each other, so that of two quick clicks none overwrites the other's change. */
let queue: Promise<void> = Promise.resolve();

function collect(use: Use, text: string, tab: chrome.tabs.Tab | undefined, platform: Platform): Promise<void> {
  queue = queue
    .then(() => (tab?.incognito ? sendToPanel(use, text.trim(), tab.windowId) : add(use, text.trim(), platform)))
    .catch(async (error: unknown) => {
      await showBriefly("!", error instanceof Error ? error.message : String(error), true);
    });
  return queue;
}

/** Sends text of a private window, of which nothing is stored, to the panel of that window. */
async function sendToPanel(use: Use, text: string, windowId: number): Promise<void> {
  if (!text) return;
  const message: ToPages = { v: VERSION, to: "pages", type: "collect", windowId, as: AS[use], text };
  const answer: Answer | undefined = await chrome.runtime.sendMessage(message).catch(() => undefined);
  if (!answer?.ok) await showBriefly("?", "nothing of a private window is stored. Open the side panel first", true);
}

/** Adds text to the stored collection, or makes it what is asked about. */
async function add(use: Use, text: string, platform: Platform): Promise<void> {
  if (!text) return;
  if (use === "ask-about") {
    await writeDecision({ text, inFront: true });
    if (!(await platform.isPanelOpen())) await showBriefly("✓", "open the panel and ask about the selected text");
    return;
  }
  if ((await readDecision()).inFront) await writeDecision({ inFront: false });
  const { instruction, answers } = await readCollection();
  if (use === "use-as-instruction") {
    await writeCollection({ instruction: text, answers });
    if (!(await platform.isPanelOpen())) await showBriefly("✓", "the selected text is the instruction now");
  } else {
    await writeCollection({ instruction, answers: [...answers, { id: crypto.randomUUID(), text }] });
    if (!(await platform.isPanelOpen()))
      await showBriefly(String(answers.length + 1), "answers collected in the panel");
  }
}
