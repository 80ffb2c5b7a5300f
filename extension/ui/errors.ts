/** Errors in plain words, with what can be done about them. */
import type { CappyErrorCode } from "cappy-web";
import type { EngineState } from "../messages.js";
import { button, make } from "./dom.js";

/** An error with a code: of the package, of the engine's client, or of the engine's state. */
export interface Coded {
  code: string;
  message: string;
}

/** An error with a code. */
export function coded(code: string, message: string): Error & Coded {
  return Object.assign(new Error(message), { code });
}

const BROWSERS =
  "Browsers with WebGPU: Chrome and Edge on Windows, macOS and ChromeOS, Firefox on Windows, and from version 145 on Macs.";

const WORDS: Record<Exclude<CappyErrorCode, "aborted"> | "engine", [title: string, ...advice: string[]]> = {
  engine: ["The model's process ended", "The browser may have ended it to save memory. Trying again starts it anew."],
  "no-webgpu": [
    "This browser has no WebGPU",
    BROWSERS,
    "On Linux, Chrome may want chrome://flags/#enable-unsafe-webgpu to be switched on, and Firefox dom.webgpu.enabled.",
  ],
  "no-adapter": [
    "The browser found no graphics adapter",
    "Switch on “Use graphics acceleration” in the browser's settings and start it again.",
    "Update the graphics driver. Browsers block old ones.",
  ],
  "adapter-too-small": [
    "This graphics adapter is too small for the model",
    "Choose Cappy-small in the options: it runs on every device.",
  ],
  "out-of-memory": [
    "The graphics memory is full",
    "Close other tabs and programs that draw much, then try again. Or choose fewer bits for weights, or Cappy-small: see the options.",
  ],
  quota: [
    "The browser grants too little storage for the model",
    "Make room on the disk, or delete a model that is stored: see the options.",
  ],
  network: [
    "The server could not be reached",
    "Check the connection and the address. What was downloaded before is not lost.",
    "A server of your own must allow others to read from it: Access-Control-Allow-Origin (CORS).",
  ],
  unauthorized: [
    "The server does not let you in",
    "This extension sends no password or token. Choose a model that is open to all.",
  ],
  "not-found": [
    "There is no such model, or a file of it is missing",
    "A model needs config.json, tokenizer.json and weights: model.safetensors or pytorch_model.bin.",
  ],
  config: [
    "This model is of another kind",
    "Only RoBERTa, XLM-RoBERTa, BERT and DistilBERT models for sequence classification can be used.",
  ],
  tokenizer: ["The tokenizer does not fit the model", "Check that tokenizer.json belongs to this model and is whole."],
  checkpoint: [
    "The file of weights is broken",
    "It may have been cut short. Delete the model in the options and fetch it again.",
  ],
  integrity: ["A file is not the one that was expected", "Delete the model in the options and fetch it again."],
  io: ["A file could not be read or stored", "It may have been changed or moved. Try again, or choose it anew."],
  input: ["This cannot be used", "The message below says what is wrong with it."],
  "device-lost": ["The graphics device went away, twice", "The driver may have restarted. Try again."],
  gpu: ["The graphics adapter failed", "Try again. If it stays, update the browser and the graphics driver."],
  "not-finite": [
    "A score came out as no number",
    "The model or the driver is at fault. Try another model, or weights that are read as f32: see the options.",
  ],
  worker: ["The background worker stopped", "Try again. If it stays, the device may lack memory."],
  disposed: ["The model was unloaded", "Trying again loads it anew."],
};

/** The stable code of an error; empty where it has none. */
export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}

/** Whether the user stopped the work, which is not shown as an error. */
export function isAbort(error: unknown): boolean {
  return codeOf(error) === "aborted" || (error instanceof DOMException && error.name === "AbortError");
}

/** A title, advice, and the message as it came, which names the file or address at fault. */
export function explain(error: unknown): { title: string; advice: string[]; technical: string } {
  const code = codeOf(error);
  const [title, ...advice] = Object.hasOwn(WORDS, code)
    ? WORDS[code as keyof typeof WORDS]
    : ["Something went wrong", "Try again. If it stays, close and open this page."];
  const message =
    typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);
  return { title: title!, advice, technical: code ? `${code}: ${message}` : message };
}

/** Whether a state of the engine is shown as this same failure already. */
export function isSaidBy(state: EngineState, failure: unknown): boolean {
  return state.phase === "failed" && explain(state).technical === explain(failure).technical;
}

/** An error as a box for the page, with a button to try again where that makes sense. */
export function errorBox(error: unknown, retry?: () => void): HTMLElement {
  const { title, advice, technical } = explain(error);
  const box = make("div", { className: "error" }, make("h3", {}, title));
  for (const line of advice) box.append(make("p", {}, line));
  box.append(make("p", { className: "muted small" }, make("code", {}, technical)));
  if (retry) box.append(make("div", { className: "row" }, button("Try again", retry)));
  return box;
}
