/**
 * The rules of tests/golden/compare.rs: every logit within its bound, and no two pairs in another
 * order than the reference's where that has them further apart. A bound that is a share of the
 * standard deviation is one of `all` pairs, also where some are scored. Returns the largest share of
 * a bound that was used; throws where it was exceeded.
 */
export function compare(expected, scored, bound, all = expected) {
  if (expected.length === 0 || expected.length !== scored.length) {
    throw new Error(`${scored.length} scores, expected ${expected.length}`);
  }
  let worst = 0;
  for (let label = 0; label < expected[0].length; label++) {
    const want = expected.map((logits) => logits[label]);
    const got = scored.map((logits) => logits[label]);
    const allowed = "absolute" in bound ? bound.absolute : bound.of_std * std(all.map((logits) => logits[label]));
    if (!(allowed > 0)) throw new Error(`${allowed} is no bound; are all scores alike?`);
    for (const i of want.keys()) {
      const error = Math.abs(got[i] - want[i]);
      // Written so that NaN fails.
      if (!(error <= allowed)) {
        throw new Error(
          `pair ${i}, label ${label}: scored ${got[i]}, expected ${want[i]}: off by ${error}, allowed are ${allowed}`,
        );
      }
      worst = Math.max(worst, error / allowed);
      for (const j of want.keys()) {
        if (want[i] - want[j] > allowed && !(got[i] > got[j]))
          throw new Error(`pairs ${i} and ${j}, label ${label}: swapped in rank`);
      }
    }
  }
  return worst;
}

export function std(numbers) {
  const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  return Math.sqrt(numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length);
}
