import { CappyError, type CappyErrorCode } from "./error.js";

/** What the Rust side throws: the parts of an error. */
interface Parts {
  code: CappyErrorCode;
  atFault: string;
  what: string;
}

/** A `CappyError` of whatever was thrown. */
export function toCappyError(thrown: unknown): CappyError {
  if (thrown instanceof CappyError) return thrown;
  if (typeof thrown === "object" && thrown !== null && "code" in thrown && "atFault" in thrown) {
    const { code, atFault, what } = thrown as Parts;
    return new CappyError(code, atFault, what);
  }
  return new CappyError("gpu", "cappy", `stopped unexpectedly: ${messageOf(thrown)}`, { cause: thrown });
}

/** `work`, which throws nothing but `CappyError`. */
export async function asCappyError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw toCappyError(thrown);
  }
}

/** Whether a model was refused for its architecture, which is known before anything but its config is read. */
export function isOtherArchitecture(thrown: unknown): boolean {
  return (thrown as CappyError).atFault === "config.json: architectures";
}

/** Whether the GPU or the CPU gave way to the other, which is or may be faster. */
export function isSlower(thrown: unknown): boolean {
  return (thrown as CappyError | undefined)?.atFault === "pace";
}

/** Loads a part of the package that most pages do without. */
export async function part<T>(file: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const why = "ServiceWorkerGlobalScope" in globalThis
      ? "needs import(), which service workers lack; use cappy-web in a page or a worker for this"
      : `could not be loaded: ${messageOf(cause)}`;
    throw new CappyError("network", file, why, { cause });
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
