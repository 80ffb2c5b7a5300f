/** Runs one piece of work at a time, in the order of the calls. Calls that run batch by batch alternate. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` once all that was queued before it is done. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
