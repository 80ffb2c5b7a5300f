import { byId, make, onClick } from "../ui/dom.js";

/** Opens the browser's settings of shortcuts, in browsers where they have no address. */
interface Commands {
  openShortcutSettings?(): Promise<void>;
}

/** Lists the shortcuts as they are set, with a button for the browser's settings of them. */
export async function showKeys(): Promise<void> {
  onClick("change-keys", () => void change());
  const commands = await chrome.commands.getAll();
  const rows = commands
    .filter(({ description }) => description)
    .map(({ description, shortcut }) =>
      make(
        "div",
        {},
        make("dt", {}, description!),
        make("dd", {}, ...(shortcut ? [make("kbd", {}, shortcut)] : ["not set"])),
      ),
    );
  byId("keys", HTMLElement).replaceChildren(...rows);
}

async function change(): Promise<void> {
  const { openShortcutSettings } = chrome.commands as Commands;
  try {
    if (openShortcutSettings) await openShortcutSettings();
    else await chrome.tabs.create({ url: "chrome://extensions/shortcuts" });
  } catch {
    byId("keys-help", HTMLElement).textContent =
      "Open the browser's page of extensions, and there “Keyboard shortcuts” or “Manage extension shortcuts”.";
  }
}
