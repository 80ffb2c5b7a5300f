import { CappyError } from "../error.js";
import { WEIGHTS } from "./probe.js";

/** Files of one kind can take each other's place: forms of weights, and what a tokenizer is made of. */
const KINDS = [/\.(safetensors|bin)(\.index\.json)?$/, /^(tokenizer\.json|vocab\.\w+|merges\.txt|.*\.model)$/];

/**
 * Whether `name` has to be taken for absent: it has no sum, and another file of its kind has one, in
 * whose place a server could put it.
 *
 * @throws `integrity` for a shard without a sum, which nothing else stands for
 */
export function isHidden(name: string, sums: ReadonlyMap<string, string>): boolean {
  const kind = KINDS.find((kind) => kind.test(name));
  if (!kind || sums.has(name) || ![...sums.keys()].some((pinned) => kind.test(pinned))) return false;
  if (kind === KINDS[0] && !WEIGHTS.includes(name)) {
    throw new CappyError("integrity", name, "has no sum in sha256, where other weights have one");
  }
  return true;
}
