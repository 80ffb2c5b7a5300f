/** Numbers and names as people read them. */
import type { EngineState, ModelChoice } from "../messages.js";

/** Bytes in the units that browsers show: 1 kB is 1000 bytes. */
export function inBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${power === 0 ? Math.round(value) : three(value)} ${units[power]}`;
}

/** A duration, with as many digits as are of use. */
export function inSeconds(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${three(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A count and its noun. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Several things in one sentence: "a, b and c". */
export function listed(things: readonly string[]): string {
  if (things.length < 2) return things.join("");
  return `${things.slice(0, -1).join(", ")} and ${things.at(-1)}`;
}

/** What a chosen model is called. */
export function nameOf(choice: ModelChoice): string {
  switch (choice.kind) {
    case "embedded":
      return "Cappy-small";
    case "large":
      return "Cappy-large";
    case "hub":
      return choice.id;
    case "url":
      return withoutSecrets(choice.url);
    case "folder":
      return `Folder ${choice.name}`;
  }
}

/** An address without parts that may grant access, because content scripts get the names of models. */
function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** The phase of the engine, in a word or two. */
export function phaseOf(state: EngineState): string {
  switch (state.phase) {
    case "idle":
      return "Not loaded";
    case "download":
      return "Downloading";
    case "load":
      return "Loading";
    case "ready":
      return "Ready";
    case "failed":
      return "Failed";
  }
}

/** With three digits at most, because more would flicker. */
function three(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
