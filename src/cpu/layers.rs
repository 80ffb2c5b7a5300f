//! What stands between the dense layers, row by row.

use super::{curves, parallel};
use crate::config::Activation;

/// Numbers that a thread takes at once, about.
const SHARE: usize = 1 << 14;

/// A LayerNorm's weights.
pub(super) struct Norm {
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    pub eps: f32,
}

impl Norm {
    /// Normalizes each row of `x`, to which the one of `residual` is added first.
    pub fn apply(&self, x: &mut [f32], residual: Option<&[f32]>) {
        let width = self.gamma.len();
        let share = width * (SHARE / width).max(1);
        parallel::chunks(x, share, |chunk, rows| {
            if let Some(residual) = residual {
                let residual = &residual[chunk * share..][..rows.len()];
                rows.iter_mut().zip(residual).for_each(|(x, residual)| *x += residual);
            }
            rows.chunks_exact_mut(width).for_each(|row| self.normalize(row));
        });
    }

    fn normalize(&self, row: &mut [f32]) {
        let width = row.len() as f32;
        let mean = sum(row, |x| x) / width;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / width;
        let scale = 1.0 / (variance + self.eps).sqrt();
        for ((x, gamma), beta) in row.iter_mut().zip(&self.gamma).zip(&self.beta) {
            *x = (*x - mean) * scale * gamma + beta;
        }
    }
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
        Activation::Gelu => parallel::chunks(x, SHARE, |_, x| curves::gelu(x)),
        Activation::GeluTanh => parallel::chunks(x, SHARE, |_, x| curves::gelu_tanh(x)),
        Activation::Relu => parallel::chunks(x, SHARE, |_, x| relu(x)),
    }
}

/// The larger of each number and 0. What is no number stays.
pub(super) fn relu(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
}

/// tanh of each number.
pub(super) fn tanh(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = x.tanh());
}
