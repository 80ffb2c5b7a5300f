//! Compares scores with the reference's.

// Written so that what is not a number fails.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

/// How far a score may be from the reference.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// This share of the standard deviation of the reference scores of the same label.
    OfStd(f64),
    /// This much.
    Absolute(f64),
}

/// Compares `scored` with `expected`, both a list of logits for each pair, and returns the largest
/// error as a share of what is allowed.
///
/// Refused are scores outside the bound, and two pairs in another order than the reference's where
/// that has them further apart than the bound.
pub fn compare(expected: &[Vec<f64>], scored: &[Vec<f32>], bound: Bound) -> Result<f64, String> {
    if expected.is_empty() || expected.len() != scored.len() {
        return Err(format!("{} scores, expected {}", scored.len(), expected.len()));
    }
    let labels = expected[0].len();
    for (i, (expected, scored)) in expected.iter().zip(scored).enumerate() {
        if expected.is_empty() || expected.len() != labels || scored.len() != labels {
            return Err(format!("pair {i} has {} logits, expected {labels}", scored.len()));
        }
    }

    let mut worst = 0.0f64;
    for label in 0..labels {
        let expected: Vec<f64> = expected.iter().map(|logits| logits[label]).collect();
        let scored: Vec<f64> = scored.iter().map(|logits| f64::from(logits[label])).collect();
        let bound = match bound {
            Bound::OfStd(share) => share * std(&expected),
            Bound::Absolute(bound) => bound,
        };
        if !(bound > 0.0 && bound.is_finite()) {
            return Err(format!("label {label}: {bound} is no bound; are all scores alike?"));
        }
        for (i, (expected, scored)) in expected.iter().zip(&scored).enumerate() {
            let error = (scored - expected).abs();
            if !(error <= bound) {
                return Err(format!(
                    "pair {i}, label {label}: scored {scored}, expected {expected}: \
                     off by {error}, allowed are {bound}"
                ));
            }
            worst = worst.max(error / bound);
        }
        for i in 0..expected.len() {
            for j in 0..expected.len() {
                if expected[i] - expected[j] > bound && !(scored[i] > scored[j]) {
                    return Err(format!("pairs {i} and {j}, label {label}: swapped in rank"));
                }
            }
        }
    }
    Ok(worst)
}

/// The standard deviation of `values`, as of a whole population.
pub fn std(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// Two labels of four pairs; the standard deviations are 1.118 and 11.18.
fn example() -> (Vec<Vec<f64>>, Vec<Vec<f32>>) {
    let expected = [[1.0, 40.0], [2.0, 30.0], [3.0, 20.0], [4.0, 10.0]];
    let scored = expected.map(|logits| logits.map(|logit| logit as f32 + 0.01).to_vec());
    (expected.map(|logits| logits.to_vec()).to_vec(), scored.to_vec())
}

#[test]
fn close_scores_pass_and_their_error_is_told() {
    let (expected, scored) = example();
    let worst = compare(&expected, &scored, Bound::OfStd(0.02)).unwrap();
    assert!((worst - 0.01 / (0.02 * 1.25f64.sqrt())).abs() < 1e-4, "{worst}");
    let worst = compare(&expected, &scored, Bound::Absolute(0.02)).unwrap();
    assert!((worst - 0.5).abs() < 1e-4, "{worst}");
}

#[test]
fn scores_outside_the_bound_fail() {
    let (expected, scored) = example();
    assert!(compare(&expected, &scored, Bound::OfStd(0.008)).is_err());
    assert!(compare(&expected, &scored, Bound::Absolute(0.009)).is_err());
}

#[test]
fn swapped_scores_fail() {
    let (expected, mut scored) = example();
    scored.swap(1, 2);
    assert!(compare(&expected, &scored, Bound::OfStd(0.02)).is_err());
    let (_, mut scored) = example();
    scored[3].swap(0, 1);
    assert!(compare(&expected, &scored, Bound::OfStd(0.02)).is_err());
}

#[test]
fn what_is_not_a_number_fails_everywhere() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for pair in 0..4 {
            for label in 0..2 {
                let (expected, mut scored) = example();
                scored[pair][label] = bad;
                assert!(compare(&expected, &scored, Bound::Absolute(0.02)).is_err());
                assert!(compare(&expected, &scored, Bound::Absolute(1e300)).is_err());
            }
        }
    }
    let (mut expected, scored) = example();
    expected[2][1] = f64::NAN;
    assert!(compare(&expected, &scored, Bound::OfStd(0.02)).is_err());
    assert!(compare(&expected, &scored, Bound::Absolute(0.02)).is_err());
}

#[test]
fn empty_and_short_lists_fail() {
    let (expected, mut scored) = example();
    assert!(compare(&[], &[], Bound::Absolute(0.02)).is_err());
    assert!(compare(&[vec![]], &[vec![]], Bound::Absolute(0.02)).is_err());
    assert!(compare(&expected, &scored[..3], Bound::Absolute(0.02)).is_err());
    assert!(compare(&expected[..3], &scored, Bound::Absolute(0.02)).is_err());
    scored[1].pop();
    assert!(compare(&expected, &scored, Bound::Absolute(0.02)).is_err());
}

#[test]
fn a_reference_without_spread_fails() {
    let expected = vec![vec![0.5], vec![0.5]];
    assert!(compare(&expected, &[vec![0.5], vec![0.5]], Bound::OfStd(0.02)).is_err());
}

#[test]
fn ranks_swap_only_where_the_reference_is_undecided() {
    // Both are within the bound of 1, but cross over.
    let scored = [vec![0.9], vec![0.7]];
    assert!(compare(&[vec![0.0], vec![1.5]], &scored, Bound::Absolute(1.0)).is_err());
    assert!(compare(&[vec![0.0], vec![0.9]], &scored, Bound::Absolute(1.0)).is_ok());
    // A tie is a swap too: the earlier pair would win.
    let scored = [vec![0.75], vec![0.75]];
    assert!(compare(&[vec![0.0], vec![1.5]], &scored, Bound::Absolute(1.0)).is_err());
}
