import { CappyError } from "../error.js";

/** The result of `work`; fails with the signal's reason as soon as it is aborted, even where `work` ignores it. */
export function orStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** Waits so many milliseconds, unless stopped. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout>;
  const wait = new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)));
  return orStopped(wait, signal).finally(() => clearTimeout(timer));
}

/**
 * The signal that ends all work of one load. Its reason is always a `CappyError`: `aborted` when the
 * caller's signal fires, `disposed` after `close`.
 */
export function stopper(caller: AbortSignal | undefined, what: string): { signal: AbortSignal; close(): void } {
  const all = new AbortController();
  const abort = () => {
    all.abort(new CappyError("aborted", what, "the caller stopped the work", { cause: caller?.reason }));
  };
  if (caller?.aborted) abort();
  // The listener is removed with `all`, so that a signal for many loads does not collect listeners.
  else caller?.addEventListener("abort", abort, { signal: all.signal });
  return {
    signal: all.signal,
    close: () => all.abort(new CappyError("disposed", what, "its files were closed")),
  };
}
