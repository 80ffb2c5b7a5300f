import { CappyError } from "../error.js";
import { WEIGHTS } from "./probe.js";

/** Kinds of files of which one can replace another: the forms of weights, and the parts of tokenizers. */
const KINDS = [/\.(safetensors|bin)(\.index\.json)?$/, /^(tokenizer\.json|vocab\.\w+|merges\.txt|.*\.model)$/];

/**
 * Whether `name` has to be treated as absent: the caller gave no sum for it, but one for another file of its
 * kind, which a server could replace by this one.
 *
 * @throws `integrity` for a shard without a sum, because no other file replaces a shard
 */
export function isHidden(name: string, sums: ReadonlyMap<string, string>): boolean {
  const kind = KINDS.find((kind) => kind.test(name));
  if (!kind || sums.has(name) || ![...sums.keys()].some((pinned) => kind.test(pinned))) return false;
  if (kind === KINDS[0] && !WEIGHTS.includes(name)) {
    throw new CappyError("integrity", name, "has no sum in sha256, where other weights have one");
  }
  return true;
}
