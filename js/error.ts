import type { AbortSignal } from "./globals.js";

/**
 * What went wrong, for programs that react to it. These names do not change between versions.
 *
 * | code | meaning |
 * | --- | --- |
 * | `config` | `config.json` lacks something or asks for what cappy does not compute |
 * | `tokenizer` | the tokenizer files are broken or do not fit the model |
 * | `checkpoint` | weights are truncated, malformed, of the wrong shape, or not finite |
 * | `integrity` | a file does not have the SHA-256 that was asked for |
 * | `io` | a local file, or what was kept in the browser, could not be read or written |
 * | `not-found` | a file or model that was asked for does not exist |
 * | `network` | a server could not be reached or answered with an error |
 * | `unauthorized` | a server wants a token, or a better one |
 * | `quota` | the browser grants less storage than the model needs |
 * | `input` | the caller's text or option is not usable |
 * | `no-webgpu` | this browser has no WebGPU |
 * | `no-adapter` | WebGPU finds no adapter |
 * | `adapter-too-small` | the adapter's limits or features do not suffice |
 * | `out-of-memory` | the GPU has no memory left for what was asked |
 * | `device-lost` | the GPU device was lost, and again after it was rebuilt |
 * | `gpu` | a shader, pipeline or readback failed on the GPU |
 * | `not-finite` | a score came out as NaN or infinite |
 * | `worker` | the worker could not be started, or died more often than it was restarted |
 * | `aborted` | the caller stopped the work |
 * | `disposed` | the scorer was disposed of |
 */
export type CappyErrorCode =
  | "config"
  | "tokenizer"
  | "checkpoint"
  | "integrity"
  | "io"
  | "not-found"
  | "network"
  | "unauthorized"
  | "quota"
  | "input"
  | "no-webgpu"
  | "no-adapter"
  | "adapter-too-small"
  | "out-of-memory"
  | "device-lost"
  | "gpu"
  | "not-finite"
  | "worker"
  | "aborted"
  | "disposed";

/** The one error that this package throws. Its message begins with what is at fault. */
export class CappyError extends Error {
  override readonly name = "CappyError";

  /**
   * @param code what sort of failure it is
   * @param atFault the file, tensor, option, server or kernel at fault
   * @param what what is wrong with it; the message is both together
   */
  constructor(
    readonly code: CappyErrorCode,
    readonly atFault: string,
    readonly what: string,
    options?: ErrorOptions,
  ) {
    // A browser's own message may end in a full stop, too.
    super(`${atFault}: ${what}`.replace(/([^.])\.\.(?!\.)/g, "$1."), options);
  }
}

/** The error of work, named by `atFault`, that its caller stopped by `signal`. */
export function abortedError(signal: AbortSignal | undefined, atFault: string): CappyError {
  return new CappyError("aborted", atFault, "the caller stopped the work", { cause: signal?.reason });
}

/** Throws `aborted` once `signal` is. */
export function throwIfAborted(signal: AbortSignal | undefined, atFault: string): void {
  if (signal?.aborted) throw abortedError(signal, atFault);
}

/** The error of calls to a scorer that was disposed of. */
export function disposedError(): CappyError {
  return new CappyError("disposed", "scorer", "was disposed of");
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
