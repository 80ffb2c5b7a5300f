//! Rounding with error feedback, by what a matrix reads when the model runs.
//!
//! Columns are rounded in order, and what was lost is given to later columns as far as their inputs
//! go along with it: Frantar et al., "GPTQ", 2022, in the form that Chee et al., "QuIP", 2023, show
//! to be the same (LDLQ), which needs no inverse. What is aimed at is not the matrix's own outputs
//! but those it would have if everything before it were not rounded: Li et al., "GPTAQ", 2025.

use half::f16;
use rayon::prelude::*;

use super::factor::{Factor, add, dot};
use super::{grid, refuse};
use crate::platform::multiply;
use crate::products::View;
use cappy::checkpoint::{Quantised, WeightFormat};
use cappy::{Error, ErrorKind, Result};

/// Rows that go through a factor at once: it is larger than any cache.
const ROWS: usize = 16;

/// Sums over the calibration's tokens, of what a matrix reads.
///
/// `rounded` is what it reads in the model whose earlier matrices are quantised already, `exact` in
/// the original model. Only rows that are computed at all belong here: of the last layer's
/// matrices, but for keys and values, those of `<s>`.
pub(super) struct Inputs {
    /// Length of an input.
    pub columns: usize,
    /// `[columns, columns]`, symmetric: the sum of `rounded[i] * rounded[j]`.
    pub squares: Vec<f64>,
    /// `[columns, columns]`: the sum of `exact[i] * rounded[j]`.
    pub products: Vec<f64>,
}

impl Inputs {
    /// No tokens yet.
    pub(super) fn new(columns: usize) -> Inputs {
        let zeros = vec![0.0; columns * columns];
        Inputs { columns, squares: zeros.clone(), products: zeros }
    }

    /// Adds some tokens, of which each sum is made in f32: `rounded` and `exact` are
    /// `[tokens, columns]`.
    pub(super) fn add(&mut self, rounded: &[f32], exact: &[f32]) {
        let (columns, tokens) = (self.columns, rounded.len() / self.columns);
        let b = View { data: rounded, rows: tokens, columns, strides: [columns, 1] };
        let mut sums = vec![0.0; columns * columns];
        for (a, total) in [(rounded, &mut self.squares), (exact, &mut self.products)] {
            let transposed =
                View { data: a, rows: columns, columns: tokens, strides: [1, columns] };
            multiply(transposed, b, &mut sums);
            total.iter_mut().zip(&sums).for_each(|(total, sum)| *total += f64::from(*sum));
        }
    }
}

/// Everything that matrices with the same inputs share, made once.
pub(super) struct Feedback {
    columns: usize,
    /// H, the damped sum of squares.
    factor: Factor,
    /// What weights are multiplied by on the way to their target: C, damped alike.
    products: Vec<f64>,
    /// Mean squares of the inputs but for a factor, for the search of scales.
    importance: Vec<f32>,
}

impl Feedback {
    /// Takes the sums apart. `damping`, a share of the mean of the squares, is added to both
    /// diagonals: it holds weights of inputs that calibration hardly saw to what they are.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for sums that are not finite or all zero.
    pub(super) fn new(inputs: Inputs, damping: f64) -> Result<Feedback> {
        let Inputs { columns, mut squares, mut products } = inputs;
        let diagonal = || squares.iter().step_by(columns + 1);
        let importance = diagonal().map(|&square| square as f32).collect();
        let mean = diagonal().sum::<f64>() / columns as f64;
        let ridge = damping * mean;
        if !(ridge > 0.0 && ridge.is_finite()) {
            return Err(refuse(format!("a matrix reads numbers of mean square {mean}")));
        }
        for at in (0..squares.len()).step_by(columns + 1) {
            squares[at] += ridge;
            products[at] += ridge;
        }
        if !products.iter().all(|sum| sum.is_finite()) {
            return Err(refuse("inputs of the original model are not finite".into()));
        }
        let factor = Factor::of(squares, columns)
            .ok_or_else(|| refuse("the inputs' squares are not positive definite".into()))?;
        Ok(Feedback { columns, factor, products, importance })
    }

    /// Rounds `rows`, `[rows, columns]`, of the matrix `name`, `block` columns sharing a scale.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`] naming `name` where f16 cannot hold a weight that was moved to its
    /// target.
    pub(super) fn round(
        &self,
        name: &str,
        format: WeightFormat,
        block: usize,
        rows: &[f32],
    ) -> Result<Quantised> {
        let parts: Vec<Result<Quantised>> = rows
            .par_chunks(ROWS * self.columns)
            .map(|rows| {
                let targets = self.targets(rows);
                // Rounded up by less than an eighth, it must still be an f16.
                let most = f64::from(f16::MAX.to_f32()) * 7.0 / 8.0;
                match targets.iter().find(|target| !(target.abs() <= most)) {
                    None => Ok(self.round_targets(format, block, &targets)),
                    Some(target) => {
                        let what = format!("would have to hold {target}, which {format} cannot");
                        Err(Error::new(ErrorKind::Checkpoint, name, what))
                    }
                }
            })
            .collect();
        let mut quantised = Quantised::default();
        for part in parts {
            quantised.append(part?);
        }
        Ok(quantised)
    }

    /// The weights T with the least |T x - W e|², x what is read and e what would be: T H = W C.
    fn targets(&self, rows: &[f32]) -> Vec<f64> {
        let mut targets = vec![0.0; rows.len()];
        for i in 0..self.columns {
            let products = &self.products[i * self.columns..][..self.columns];
            let weights = rows[i..].iter().step_by(self.columns);
            for (&weight, target) in weights.zip(targets.chunks_exact_mut(self.columns)) {
                add(target, f64::from(weight), products);
            }
        }
        self.factor.solve(&mut targets);
        targets
    }

    /// Rounds the targets of some rows in order of the columns.
    fn round_targets(&self, format: WeightFormat, block: usize, targets: &[f64]) -> Quantised {
        let columns = self.columns;
        let blocks = columns.div_ceil(block);
        let narrow: Vec<f32> = targets.iter().map(|&target| target as f32).collect();
        let scales: Vec<f32> = narrow
            .chunks_exact(columns)
            .flat_map(|row| row.chunks(block).zip(self.importance.chunks(block)))
            .map(|(weights, importance)| grid::scale(format, weights, importance))
            .collect();
        let mut integers = vec![0; targets.len()];
        let mut errors = vec![0.0; targets.len()];
        for k in 0..columns {
            let column = self.factor.column(k);
            for (row, errors) in errors.chunks_exact_mut(columns).enumerate() {
                let at = row * columns + k;
                let scale = scales[row * blocks + k / block];
                let weight = targets[at] + dot(&errors[..k], column);
                integers[at] = grid::integer(format, weight, scale);
                errors[k] = targets[at] - f64::from(integers[at]) * f64::from(scale);
            }
        }
        Quantised { integers, scales: scales.into_iter().map(f16::from_f32).collect() }
    }
}
