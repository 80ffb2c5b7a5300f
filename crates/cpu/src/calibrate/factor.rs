//! Symmetric matrices taken apart.

use rayon::prelude::*;

/// Rows that are subtracted from the others at one go, so that these stay in a cache.
const PANEL: usize = 32;

/// A symmetric positive definite matrix H as U D Uᵀ: U unit upper triangular, D a diagonal.
pub(super) struct Factor {
    size: usize,
    /// Uᵀ, row by row; what lies above its diagonal is not read.
    transposed: Vec<f64>,
    diagonal: Vec<f64>,
}

impl Factor {
    /// Takes apart `h`, of which it reads the diagonal and what lies below; none where a pivot is
    /// not positive.
    pub(super) fn of(mut h: Vec<f64>, size: usize) -> Option<Factor> {
        let mut diagonal = vec![0.0; size];
        let mut end = size;
        while end > 0 {
            let start = end.saturating_sub(PANEL);
            let (above, panel) = h.split_at_mut(start * size);
            for j in (start..end).rev() {
                let (earlier, row) = panel.split_at_mut((j - start) * size);
                let row = &mut row[..=j];
                diagonal[j] = row[j];
                if !(row[j] > 0.0 && row[j].is_finite()) {
                    return None;
                }
                for u in row.iter_mut() {
                    *u /= diagonal[j];
                }
                for (i, other) in (start..).zip(earlier.chunks_exact_mut(size)) {
                    add(&mut other[..=i], -row[i] * diagonal[j], row);
                }
            }
            above.par_chunks_exact_mut(size).enumerate().for_each(|(i, other)| {
                for (j, row) in (start..end).zip(panel.chunks_exact(size)) {
                    add(&mut other[..=i], -row[i] * diagonal[j], row);
                }
            });
            end = start;
        }
        Some(Factor { size, transposed: h, diagonal })
    }

    /// Column k of U above the diagonal.
    pub(super) fn column(&self, k: usize) -> &[f64] {
        &self.transposed[k * self.size..][..k]
    }

    /// Puts the solution x of H x = `b` in place of each of the vectors in `all`.
    pub(super) fn solve(&self, all: &mut [f64]) {
        for k in (0..self.size).rev() {
            for b in all.chunks_exact_mut(self.size) {
                let (rest, x) = b.split_at_mut(k);
                add(rest, -x[0], self.column(k));
            }
        }
        for k in 0..self.size {
            for b in all.chunks_exact_mut(self.size) {
                b[k] = b[k] / self.diagonal[k] - dot(&b[..k], self.column(k));
            }
        }
    }
}

/// Adds `factor` times `other` to `to`, as far as `to` goes.
pub(super) fn add(to: &mut [f64], factor: f64, other: &[f64]) {
    for (to, other) in to.iter_mut().zip(other) {
        *to += factor * other;
    }
}

/// The sum of the products; in eight sums at once, because compilers may not reorder one.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}
