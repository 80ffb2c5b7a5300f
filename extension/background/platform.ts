import type { EngineSettings } from "../messages.js";

/** What Chrome and Firefox do differently. */
export interface Platform {
  /** Makes sure that ports to the engine can be opened, and that the engine has these settings. */
  ensureEngine(settings: EngineSettings): Promise<void>;
  /** Gives the engine other settings, if it runs. */
  configureEngine(settings: EngineSettings): Promise<void>;
  /** Opens the panel beside a tab. Browsers allow it only directly in the event of a click or a key, before any `await`. */
  openPanel(tab: chrome.tabs.Tab | undefined): Promise<void>;
  /** Whether the panel is open anywhere. */
  isPanelOpen(): Promise<boolean>;
}
