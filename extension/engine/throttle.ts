/**
 * A listener that is called with the latest value at most every `ms`; when a value is of another kind than the one
 * before, it is called at once.
 */
export function throttled<T>(
  ms: number,
  kindOf: (value: T) => unknown,
  listener: (value: T) => void,
): (value: T) => void {
  let kind: unknown;
  let waiting: { value: T } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const pass = (value: T) => {
    waiting = undefined;
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined;
      if (waiting) pass(waiting.value);
    }, ms);
    listener(value);
  };
  return (value) => {
    const urgent = kindOf(value) !== kind;
    kind = kindOf(value);
    if (urgent || timer === undefined) pass(value);
    else waiting = { value };
  };
}
