/** What the user has chosen. Kept in `chrome.storage.local` under `SETTINGS`. */
import * as v from "valibot";
import { EngineSettings, ModelChoice } from "./messages.js";

const SETTINGS = "settings";

/** How much a badge says: rank and score, the rank alone, or only which answer is best. */
export const BADGE_STYLES = ["full", "rank", "best"] as const;

/** Each field falls back by itself, so that one bad value does not lose the others. */
const Settings = v.object({
  model: v.fallback(ModelChoice, { kind: "embedded" }),
  dtype: v.fallback(EngineSettings.entries.dtype, "auto"),
  idleMinutes: v.fallback(EngineSettings.entries.idleMinutes, 5),
  /** Whether badges are shown at all. */
  on: v.fallback(v.boolean(), true),
  /** Site adapters by id that are switched off although the browser lets the extension in. */
  sitesOff: v.fallback(v.array(v.string()), []),
  badge: v.fallback(v.picklist(BADGE_STYLES), "full"),
});
export type Settings = v.InferOutput<typeof Settings>;

/** Settings as they are kept, with defaults for what is missing or not valid. */
export async function readSettings(): Promise<Settings> {
  const kept = await chrome.storage.local.get(SETTINGS);
  return v.parse(Settings, kept[SETTINGS] ?? {});
}

/** Changes some of them. */
export async function changeSettings(change: Partial<Settings>): Promise<void> {
  await chrome.storage.local.set({ [SETTINGS]: { ...(await readSettings()), ...change } });
}

/** Calls `listener` when settings change, until the function that it returns is called. */
export function onSettings(listener: (settings: Settings) => void): () => void {
  const heard = (changes: Record<string, chrome.storage.StorageChange>, area: string) => {
    if (area === "local" && SETTINGS in changes) listener(v.parse(Settings, changes[SETTINGS]!.newValue ?? {}));
  };
  chrome.storage.onChanged.addListener(heard);
  return () => chrome.storage.onChanged.removeListener(heard);
}

/** The part of them that the engine needs. */
export function forEngine({ model, dtype, idleMinutes }: Settings): EngineSettings {
  return { model, dtype, idleMinutes };
}
