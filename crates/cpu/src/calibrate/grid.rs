//! The numbers that a block of weights may be rounded to.

use cappy::checkpoint::{LEAST_EXPONENT, WeightFormat};

/// Shares of the plain scale that the search tries: the first and last, and how many.
fn shares(format: WeightFormat) -> (f64, f64, u32) {
    match format {
        WeightFormat::Q4 => (0.6, 1.15, 56),
        _ => (0.85, 1.15, 25),
    }
}

/// `weight` as an integer multiple of `scale`, as near as the range allows.
pub(super) fn integer(format: WeightFormat, weight: f64, scale: f32) -> i8 {
    if scale == 0.0 {
        return 0;
    }
    let (least, most) = format.range();
    let integer = (weight / f64::from(scale)).round_ties_even();
    integer.clamp(f64::from(least), f64::from(most)) as i8
}

/// The scale of a block with the least squared error, inputs weighed by `importance`.
///
/// The plain scale takes the largest weight to the end of the range. Smaller ones round the rest
/// finer and cut the largest. Many more are tried than while a page downloads a model.
pub(super) fn scale(format: WeightFormat, weights: &[f32], importance: &[f32]) -> f32 {
    let extreme =
        weights.iter().copied().fold(0.0, |a: f32, b| if b.abs() > a.abs() { b } else { a });
    let (plain, signs): (f64, &[f64]) = match format {
        WeightFormat::Q4 => (f64::from(extreme) / -8.0, &[1.0, -1.0]),
        _ => (f64::from(extreme.abs()) / 127.0, &[1.0]),
    };
    let (first, last, count) = shares(format);
    let shares = (0..count).map(|i| first + (last - first) * f64::from(i) / f64::from(count - 1));
    let mut best = round_scale(format, plain, f64::ceil);
    let mut least = error(format, weights, importance, best);
    for share in shares {
        for sign in signs {
            let scale = round_scale(format, plain * share * sign, f64::round_ties_even);
            let error = error(format, weights, importance, scale);
            if error < least {
                (best, least) = (scale, error);
            }
        }
    }
    best
}

/// The weighed squared error of rounding `weights` with `scale`.
fn error(format: WeightFormat, weights: &[f32], importance: &[f32], scale: f32) -> f64 {
    let errors = weights.iter().zip(importance).map(|(&weight, &importance)| {
        let weight = f64::from(weight);
        let error = weight - f64::from(integer(format, weight, scale)) * f64::from(scale);
        error * error * f64::from(importance)
    });
    errors.sum()
}

/// `scale` with as many significant bits as expanded weights leave it, and a multiple of the
/// smallest f16; `round` rounds the magnitude.
fn round_scale(format: WeightFormat, scale: f64, round: fn(f64) -> f64) -> f32 {
    if scale == 0.0 {
        return 0.0;
    }
    // |scale| is at least 2^exponent and below twice that; f32 inputs are never subnormal f64.
    let exponent = ((scale.abs().to_bits() >> 52) as i32) - 1023;
    let step = f64::powi(2.0, (exponent + 1 - format.scale_bits()).max(LEAST_EXPONENT));
    (round(scale.abs() / step) * step).copysign(scale) as f32
}
