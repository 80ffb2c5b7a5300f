import { CappyError } from "./error.js";

/**
 * The batches, and an error that names one of their pairs with `name` of its number in place of that.
 *
 * @throws CappyError what the batches throw
 */
export async function* namingPairs<B>(batches: AsyncIterable<B>, name: (pair: number) => string): AsyncGenerator<B> {
  try {
    yield* batches;
  } catch (error) {
    const number = /^candidates\[(\d+)\]/.exec((error as CappyError)?.atFault)?.[1];
    if (number === undefined) throw error;
    const { code, what } = error as CappyError;
    throw new CappyError(code, name(Number(number)), what, { cause: error });
  }
}
