/** Lets one at a time in, in the order in which they came: calls that run batch by batch alternate. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` once everyone who came before is done. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
