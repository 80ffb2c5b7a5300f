/** Reads how a model is asked from its folder. */

import type { Origin } from "../engine.js";
import { CappyError } from "../error.js";
import type { OpenFile } from "../loader/files.js";
import { BROWSER, openIn } from "../loader/open.js";
import { defaultRendering, renderingOver } from "./rendering.js";
import type { Rendering } from "./decisions.js";

/** The file beside a model's weights. */
const FILE = "decide.json";

/** Files like these are much smaller. */
const MOST_BYTES = 1024 * 1024;

/**
 * The rendering of a model by its `decide.json`, or by default.
 *
 * @throws CappyError `config` naming the field at fault, and what reading the model's folder throws
 */
export async function ownRendering({ source, options }: Origin, labels: number): Promise<Rendering> {
  // Sums are checked here: what loads a model hashes in WebAssembly, which this has not.
  const { sha256, ...others } = options;
  const model = await openIn(BROWSER, source, others, {}, false);
  try {
    const config = (await json(await model.open("config.json"))) as { model_type?: unknown } | null;
    const base = defaultRendering(labels, config?.model_type === "roberta");
    const given = await json(await model.open(FILE), sha256?.[FILE]);
    return given === null ? base : renderingOver(base, given, FILE, "config");
  } finally {
    model.close();
  }
}

async function json(file: OpenFile | null, sum?: string): Promise<unknown> {
  if (!file) {
    if (sum) throw new CappyError("not-found", FILE, "is missing, and sha256 names it");
    return null;
  }
  if (file.size > MOST_BYTES) throw new CappyError("config", file.name, `is ${file.size} bytes long`);
  // A copy, because the loader may use the memory again.
  const bytes = Uint8Array.from(await file.read(0, file.size));
  if (sum) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (found !== sum.toLowerCase())
      throw new CappyError("integrity", file.name, `its SHA-256 is ${found}, not ${sum}`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CappyError("config", file.name, "is not JSON", { cause });
  }
}
