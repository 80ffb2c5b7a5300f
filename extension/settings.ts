/** What the user has chosen. */
import * as v from "valibot";
import { fingerprint } from "./content/fingerprint.js";
import { onStored, readStored, store } from "./storage.js";
import { BADGE_STYLES, EngineSettings, ModelChoice, type PageSettings, Taught } from "./messages.js";
import { nameOf } from "./ui/words.js";

/** Each field has a fallback of its own, so that one invalid value does not lose the others. */
const Settings = v.object({
  model: v.fallback(ModelChoice, { kind: "embedded" }),
  /** How weights are held; what `auto` means says `dtypeOf`. */
  dtype: v.fallback(EngineSettings.entries.dtype, "auto"),
  /** Where to compute. The options page has no control for it, because the package itself finds what is faster. */
  device: v.fallback(EngineSettings.entries.device, "auto"),
  idleMinutes: v.fallback(EngineSettings.entries.idleMinutes, 5),
  /** Whether badges are shown at all. */
  on: v.fallback(v.boolean(), true),
  /** The ids of site adapters that are switched off although the browser permits the extension on their sites. */
  sitesOff: v.fallback(v.array(v.string()), []),
  badge: v.fallback(v.picklist(BADGE_STYLES), "full"),
  /** Whether answers have thumbs, and the model learns from them. */
  learn: v.fallback(v.boolean(), false),
  /** Whether models score with what they have learned. */
  useLearned: v.fallback(v.boolean(), true),
  /** What models have learned, one entry for each. */
  taught: v.fallback(v.array(Taught), []),
});
export type Settings = v.InferOutput<typeof Settings>;

/** The stored settings, with defaults for what is missing or not valid. */
export async function readSettings(): Promise<Settings> {
  return v.parse(Settings, (await readStored("settings")) ?? {});
}

/** Changes some settings. */
export async function changeSettings(change: Partial<Settings>): Promise<void> {
  await store("settings", change);
}

/** Calls `listener` when settings change. Returns a function that ends this. */
export function onSettings(listener: (settings: Settings) => void): () => void {
  return onStored((name, value) => {
    if (name === "settings") listener(v.parse(Settings, value ?? {}));
  });
}

/** The part of the settings that content scripts may know. */
export function forPage(settings: Settings): PageSettings {
  const { on, sitesOff, badge, learn } = settings;
  return {
    on,
    sitesOff,
    badge,
    learn,
    scoring: fingerprint(JSON.stringify({ ...forEngine(settings), idleMinutes: 0 })),
  };
}

/** The part of the settings that the engine needs. */
export function forEngine(settings: Settings): EngineSettings {
  const { model, device, idleMinutes, learn, useLearned } = settings;
  const adaptation = learn && useLearned ? (taughtOf(settings)?.name ?? "") : "";
  return { model, adaptation, dtype: dtypeOf(settings), device, idleMinutes };
}

/** How weights are held. By default those of Cappy-large, of which there are many, in 4 bits, and others as they are stored. */
export function dtypeOf({ model, dtype }: Pick<Settings, "model" | "dtype">): Settings["dtype"] {
  return dtype === "auto" && model.kind === "large" ? "q4" : dtype;
}

/** What the chosen model has learned. */
export function taughtOf({ model, taught }: Settings): Taught | undefined {
  return taught.find((one) => one.model === nameOf(model));
}

/** Stores what a model has learned, in place of what it learned before. */
export async function storeTaught(taught: Taught): Promise<void> {
  const { taught: all } = await readSettings();
  await changeSettings({ taught: [...all.filter(({ model }) => model !== taught.model), taught] });
}
