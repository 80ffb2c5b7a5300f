/** What the user has chosen. */
import * as v from "valibot";
import { fingerprint } from "./content/fingerprint.js";
import { keep, onKept, readKept } from "./kept.js";
import { BADGE_STYLES, EngineSettings, ModelChoice, type PageSettings, Taught } from "./messages.js";
import { nameOf } from "./ui/words.js";

/** Each field falls back by itself, so that one bad value does not lose the others. */
const Settings = v.object({
  model: v.fallback(ModelChoice, { kind: "embedded" }),
  /** How weights are held; `auto` as `dtypeOf` says. */
  dtype: v.fallback(EngineSettings.entries.dtype, "auto"),
  /** Where to compute. The options have no control for it: by itself the package takes what is faster. */
  device: v.fallback(EngineSettings.entries.device, "auto"),
  idleMinutes: v.fallback(EngineSettings.entries.idleMinutes, 5),
  /** Whether badges are shown at all. */
  on: v.fallback(v.boolean(), true),
  /** Site adapters by id that are switched off although the browser lets the extension in. */
  sitesOff: v.fallback(v.array(v.string()), []),
  badge: v.fallback(v.picklist(BADGE_STYLES), "full"),
  /** Whether answers get thumbs, and what they say is kept and used. */
  learn: v.fallback(v.boolean(), false),
  /** Whether models are used with what they have learned. */
  useLearned: v.fallback(v.boolean(), true),
  /** What models have learned: one of each. */
  taught: v.fallback(v.array(Taught), []),
});
export type Settings = v.InferOutput<typeof Settings>;

/** Settings as they are kept, with defaults for what is missing or not valid. */
export async function readSettings(): Promise<Settings> {
  return v.parse(Settings, (await readKept("settings")) ?? {});
}

/** Changes some of them. */
export async function changeSettings(change: Partial<Settings>): Promise<void> {
  await keep("settings", change);
}

/** Calls `listener` when settings change, until the function that it returns is called. */
export function onSettings(listener: (settings: Settings) => void): () => void {
  return onKept((name, value) => {
    if (name === "settings") listener(v.parse(Settings, value ?? {}));
  });
}

/** The part of them that content scripts may know. */
export function forPage(settings: Settings): PageSettings {
  const { on, sitesOff, badge, learn } = settings;
  return { on, sitesOff, badge, learn, scoring: fingerprint(JSON.stringify({ ...forEngine(settings), idleMinutes: 0 })) };
}

/** The part of them that the engine needs. */
export function forEngine(settings: Settings): EngineSettings {
  const { model, device, idleMinutes, learn, useLearned } = settings;
  const adaptation = learn && useLearned ? taughtOf(settings)?.name ?? "" : "";
  return { model, adaptation, dtype: dtypeOf(settings), device, idleMinutes };
}

/** How weights are held: as was chosen; else those of Cappy-large, which are many, in 4 bits, and others as they are stored. */
export function dtypeOf({ model, dtype }: Pick<Settings, "model" | "dtype">): Settings["dtype"] {
  return dtype === "auto" && model.kind === "large" ? "q4" : dtype;
}

/** What the chosen model has learned. */
export function taughtOf({ model, taught }: Settings): Taught | undefined {
  return taught.find((one) => one.model === nameOf(model));
}

/** Keeps what a model has learned, in place of what it learned before. */
export async function keepTaught(taught: Taught): Promise<void> {
  const { taught: all } = await readSettings();
  await changeSettings({ taught: [...all.filter(({ model }) => model !== taught.model), taught] });
}
