//! The last matrix, fitted to what the original model says.

use super::factor::{Factor, add};
use super::refuse;
use cappy::Result;

/// What to add to the weights and to the bias of an output, so that it takes up what is left.
///
/// `features` is `[pairs, columns]`, what the output reads in the rounded model; `left` is by how
/// much the original's score is above the rounded model's, one a pair. Least squares; `damping`, a
/// share of the mean variance of the features, holds weights to what they are.
///
/// # Errors
/// [`cappy::ErrorKind::Input`] where lengths do not fit together, for numbers that are not finite,
/// and for features that are the same in every pair.
pub(super) fn fit(features: &[f32], left: &[f32], damping: f64) -> Result<(Vec<f64>, f64)> {
    let pairs = left.len();
    if pairs == 0 || features.is_empty() || !features.len().is_multiple_of(pairs) {
        return Err(refuse(format!("{} features of {pairs} pairs", features.len())));
    }
    let columns = features.len() / pairs;
    let mut means = vec![0.0; columns];
    for pair in features.chunks_exact(columns) {
        for (mean, &feature) in means.iter_mut().zip(pair) {
            *mean += f64::from(feature) / pairs as f64;
        }
    }
    let mean_left = left.iter().copied().map(f64::from).sum::<f64>() / pairs as f64;
    let mut squares = vec![0.0; columns * columns];
    let mut moves = vec![0.0; columns];
    for (pair, &left) in features.chunks_exact(columns).zip(left) {
        let centred: Vec<f64> =
            pair.iter().zip(&means).map(|(&f, mean)| f64::from(f) - mean).collect();
        for (row, &feature) in squares.chunks_exact_mut(columns).zip(&centred) {
            add(row, feature, &centred);
        }
        add(&mut moves, f64::from(left) - mean_left, &centred);
    }
    let ridge = damping * squares.iter().step_by(columns + 1).sum::<f64>() / columns as f64;
    if !(ridge > 0.0 && ridge.is_finite() && mean_left.is_finite()) {
        return Err(refuse("there is nothing to fit the last matrix to".into()));
    }
    for square in squares.iter_mut().step_by(columns + 1) {
        *square += ridge;
    }
    let factor = Factor::of(squares, columns)
        .ok_or_else(|| refuse("the features' squares are not positive definite".into()))?;
    factor.solve(&mut moves);
    let bias = mean_left - moves.iter().zip(&means).map(|(a, b)| a * b).sum::<f64>();
    Ok((moves, bias))
}
