/** The text and the question that the user writes or collects, for the side panel to decide. */
import * as v from "valibot";
import { KINDS } from "./messages.js";
import { onStored, readStored, store } from "./storage.js";

const Decision = v.object({
  text: v.fallback(v.string(), ""),
  question: v.fallback(v.string(), ""),
  /** How the question is to be answered. */
  kind: v.fallback(v.picklist(KINDS), "boolean"),
  /** The options, or the levels from the lowest on, one on each line. */
  options: v.fallback(v.string(), ""),
  /** Whether the panel shows this, and not the answers to be ranked. */
  inFront: v.fallback(v.boolean(), false),
});
export type Decision = v.InferOutput<typeof Decision>;

/** The text and the question. They are stored, so that closing the browser loses nothing. */
export async function readDecision(): Promise<Decision> {
  return v.parse(Decision, (await readStored("decision")) ?? {});
}

/** Replaces some of it. */
export async function writeDecision(change: Partial<Decision>): Promise<void> {
  await store("decision", change);
}

/** Calls `listener` when it changes. Returns a function that ends this. */
export function onDecision(listener: (decision: Decision) => void): () => void {
  return onStored((name, value) => {
    if (name === "decision") listener(v.parse(Decision, value ?? {}));
  });
}
