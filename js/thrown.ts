/**
 * How errors cross between Rust, workers and the page: as one plain object, `{ code, atFault, what, cause }`,
 * that `toCappyError` makes a `CappyError` of again.
 */

import { CappyError, type CappyErrorCode, messageOf } from "./error.js";

/** A `CappyError` as an object that can be sent. */
export interface PlainError {
  code: CappyErrorCode;
  atFault: string;
  /** What is wrong, without what is at fault. */
  what: string;
  cause?: PlainCause;
  /** Only of `Slower`. */
  micros?: number;
}

/** What an error was caused by: another `CappyError`, or any other error by its name and message. */
export type PlainCause = PlainError | { name?: string; message: string; cause?: PlainCause };

/** Causes of causes are sent to this depth; a chain may have no end. */
const MOST_CAUSES = 8;

/** The GPU or the CPU is not as fast as the other one. It decides what computes, and no caller sees it. */
export class Slower extends CappyError {
  /** @param micros microseconds that a fixed piece of work takes on it */
  constructor(readonly micros: number) {
    super("adapter-too-small", "pace", `${micros} microseconds are no faster than elsewhere`);
  }
}

/** A model has more weights than a load has asked for. No caller sees it. */
export class TooLarge extends CappyError {
  constructor(file: string, bytes: number) {
    super("input", `${file}: size`, `${bytes} bytes are more than were asked for`);
  }
}

/** The same after it came from a worker. */
export function isTooLarge(thrown: unknown): boolean {
  const { code, atFault } = toCappyError(thrown);
  return code === "input" && atFault.endsWith(": size");
}

/** Whether an error is about one pair of texts: the first that is not done. */
export function isOfPair(thrown: unknown): boolean {
  const { code, atFault } = toCappyError(thrown);
  return code === "not-finite" || (code === "input" && atFault === "text");
}

/** Whatever was thrown, as an object that can be sent. */
export function plainError(thrown: unknown): PlainError {
  return plainCause(toCappyError(thrown)) as PlainError;
}

/** The same for an error that a `CappyError` will have as its cause. */
export function plainCause(thrown: unknown, depth = MOST_CAUSES): PlainCause {
  const under =
    thrown instanceof Error && thrown.cause !== undefined && depth > 0
      ? { cause: plainCause(thrown.cause, depth - 1) }
      : {};
  if (thrown instanceof CappyError) {
    const { code, atFault, what } = thrown;
    return { code, atFault, what, ...under, ...(thrown instanceof Slower && { micros: thrown.micros }) };
  }
  return { ...(thrown instanceof Error && { name: thrown.name }), message: messageOf(thrown), ...under };
}

/** A `CappyError` of whatever was thrown or sent. */
export function toCappyError(thrown: unknown): CappyError {
  if (thrown instanceof CappyError) return thrown;
  if (isPlainError(thrown)) {
    const { code, atFault, what, cause, micros } = thrown;
    if (micros !== undefined) return new Slower(micros);
    return new CappyError(code, atFault, what, cause && { cause: toCause(cause) });
  }
  return new CappyError("gpu", "cappy", `stopped unexpectedly: ${messageOf(thrown)}`, { cause: thrown });
}

/** An error of what `plainCause` made. */
export function toCause(cause: PlainCause): Error {
  if (isPlainError(cause)) return toCappyError(cause);
  const error = new Error(cause.message, cause.cause && { cause: toCause(cause.cause) });
  if (cause.name) error.name = cause.name;
  return error;
}

function isPlainError(thrown: unknown): thrown is PlainError {
  return typeof thrown === "object" && thrown !== null && "code" in thrown && "atFault" in thrown;
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

/** Loads a part of the package that most pages do without. */
export async function part<T>(file: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const why =
      "ServiceWorkerGlobalScope" in globalThis
        ? "needs import(), which service workers lack; use cappy-web in a page or a worker for this"
        : `could not be loaded: ${messageOf(cause)}`;
    throw new CappyError("network", file, why, { cause });
  }
}
