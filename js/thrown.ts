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

/** Whether a model was refused for its architecture, which is known before anything but its config is read. */
export function isOtherArchitecture(thrown: unknown): boolean {
  return (thrown as CappyError).atFault === "config.json: architectures";
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
