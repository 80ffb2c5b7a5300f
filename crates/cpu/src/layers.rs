//! What stands between the dense layers, row by row.

use super::platform::{gelu, gelu_tanh};
use cappy::Activation;

/// A LayerNorm's weights.
pub(super) struct Norm {
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    pub eps: f32,
}

impl Norm {
    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        2 * size_of_val(&self.gamma[..])
    }

    /// Normalizes each row of `x`, to which the one of `residual` is added first.
    pub fn apply(&self, x: &mut [f32], residual: Option<&[f32]>) {
        if let Some(residual) = residual {
            add(x, residual);
        }
        x.chunks_exact_mut(self.gamma.len()).for_each(|row| self.normalize(row));
    }

    fn normalize(&self, row: &mut [f32]) {
        let width = row.len() as f32;
        let mean = sum(row, |x| x) / width;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / width;
        // A variance beyond f32 would make zeros of the row.
        let scale =
            if variance.is_finite() { 1.0 / (variance + self.eps).sqrt() } else { f32::NAN };
        for ((x, gamma), beta) in row.iter_mut().zip(&self.gamma).zip(&self.beta) {
            *x = (*x - mean) * scale * gamma + beta;
        }
    }
}

/// Adds the numbers of `more` to those of `x`.
pub(super) fn add(x: &mut [f32], more: &[f32]) {
    x.iter_mut().zip(more).for_each(|(x, more)| *x += more);
}

/// The sum of `of` each number, in lanes that vector instructions can add side by side.
pub(super) fn sum(numbers: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    for group in numbers.chunks(lanes.len()) {
        lanes.iter_mut().zip(group).for_each(|(lane, &x)| *lane += of(x));
    }
    lanes.iter().sum()
}

/// What stands between the two layers of a feed-forward network, of each number.
pub(super) fn activate(by: Activation, x: &mut [f32]) {
    match by {
        Activation::Gelu => gelu(x),
        Activation::GeluTanh => gelu_tanh(x),
        Activation::Relu => relu(x),
    }
}

/// The larger of each number and 0. What is not finite stays so.
pub(super) fn relu(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = if *x < 0.0 && x.is_finite() { 0.0 } else { *x });
}

/// tanh of each number. What overflowed has none.
pub(super) fn tanh(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = if x.is_finite() { x.tanh() } else { f32::NAN });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_stays_so() {
        let width = 20;
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
            let norm = Norm { gamma: vec![1.0; width], beta: vec![0.5; width], eps: 1e-5 };
            let mut rows: Vec<f32> = (0..3 * width).map(|i| (i % 7) as f32).collect();
            rows[width + 3] = bad;
            norm.apply(&mut rows, None);
            for (at, number) in rows.iter().enumerate() {
                assert_eq!(number.is_finite(), at / width != 1, "{bad}: {number} at {at}");
            }
            for by in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
                let mut numbers = [0.5, bad];
                activate(by, &mut numbers);
                let finite = numbers.map(f32::is_finite);
                assert_eq!(finite, [true, bad.is_finite()], "{by:?} {bad}: {numbers:?}");
            }
            let mut numbers = [0.5, bad];
            tanh(&mut numbers);
            assert!(numbers[0] == 0.5f32.tanh() && numbers[1].is_finite() == bad.is_finite());
        }
    }
}
