//! Random weights of a real shape, made as they are read, for tests and measurements.
//!
//! Every number is a function of the seed, its tensor's name and its place in the tensor, in
//! wrapping 32-bit integers and unfused f32 steps. The reference scripts compute the same bits, so
//! golden files need no weights beside them: a change here makes them all wrong.

use std::ops::Range;

/// How random weights are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RandomProfile {
    /// Every channel alike.
    #[default]
    Plain,
    /// One hidden channel in 61 is far larger inside the feed-forward network and far smaller
    /// after LayerNorm, as in trained encoders. It overflows arithmetic in f16.
    Outliers,
}

/// One tensor's numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct RandomTensor {
    key: u32,
    spread: f32,
    mean: f32,
    /// What every number of an outlier's row is multiplied by.
    outlier: Option<f32>,
    row_len: usize,
}

impl RandomTensor {
    pub(super) fn new(name: &str, row_len: usize, seed: u32, profile: RandomProfile) -> Self {
        let norm = name.ends_with("LayerNorm.weight") || name.ends_with("norm.weight");
        let (spread, mean) = if norm {
            (0.5, 1.0)
        } else if name.ends_with(".bias") {
            (0.2, 0.0)
        } else if name.ends_with("_embeddings.weight") {
            (2.0, 0.0)
        } else {
            // Of variance 1 / inputs, so that activations keep their size through the layers.
            ((12.0 / row_len as f64).sqrt() as f32, 0.0)
        };
        let outlier = match profile {
            RandomProfile::Plain => None,
            RandomProfile::Outliers if norm => Some(0.0625),
            RandomProfile::Outliers
                if name.ends_with(".output.dense.weight") && !name.contains("attention") =>
            {
                Some(512.0)
            }
            RandomProfile::Outliers => None,
        };
        let key = fnv1a(name.as_bytes()) ^ seed.wrapping_mul(0x9E37_79B9);
        RandomTensor { key, spread, mean, outlier, row_len }
    }

    /// Appends the numbers of `rows`.
    pub(super) fn append_rows(&self, rows: Range<usize>, out: &mut Vec<f32>) {
        let &RandomTensor { key, spread, mean, row_len, .. } = self;
        out.reserve(rows.len() * row_len);
        for row in rows {
            let first = row.wrapping_mul(row_len) as u32;
            // 24 bits fit a signed integer, which converts faster than an unsigned one.
            let numbers = (0..row_len as u32).map(|i| {
                let hash = mix(mix(first.wrapping_add(i)).wrapping_add(key));
                let unit = (hash >> 8) as i32 as f32 * (1.0 / 16_777_216.0) - 0.5;
                unit * spread + mean
            });
            match self.outlier.filter(|_| row % 61 == 7) {
                None => out.extend(numbers),
                Some(factor) => out.extend(numbers.map(|number| number * factor)),
            }
        }
    }
}

/// Spreads every bit of `h` over all of them.
fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ h >> 16
}

/// The 32-bit FNV-1a hash.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(
        name: &str,
        row_len: usize,
        rows: usize,
        seed: u32,
        profile: RandomProfile,
    ) -> Vec<u32> {
        let mut out = Vec::new();
        RandomTensor::new(name, row_len, seed, profile).append_rows(0..rows, &mut out);
        out.into_iter().map(f32::to_bits).collect()
    }

    /// The expected bits come from a NumPy program of the same recipe.
    #[test]
    fn the_bits_are_those_of_the_recipe() {
        use RandomProfile::{Outliers, Plain};
        type Case = (&'static str, usize, usize, u32, RandomProfile, &'static [(usize, u32)]);
        let words = "roberta.embeddings.word_embeddings.weight";
        let query = "roberta.encoder.layer.0.attention.self.query.weight";
        let norm = "roberta.embeddings.LayerNorm.weight";
        let ffn = "roberta.encoder.layer.1.output.dense.weight";
        let attention = "roberta.encoder.layer.1.attention.output.dense.weight";
        let cases: [Case; 7] = [
            (words, 11, 6, 1, Plain, &[(0, 0x3d4142e0), (1, 0xbd3fc3a0), (65, 0xbf191892)]),
            (query, 70, 6, 0, Plain, &[(0, 0x3e800707), (419, 0x3f151e45)]),
            (query, 70, 6, u32::MAX, Plain, &[(0, 0xbefbc91d), (419, 0x3e5ec01e)]),
            (norm, 70, 1, 3, Outliers, &[(0, 0x3f7f6773), (7, 0x3d7d596d), (68, 0x3d8c7b17)]),
            (
                ffn,
                70,
                10,
                3,
                Outliers,
                &[(69, 0x3e63d3ea), (70, 0xc3615bb4), (80, 0x3ea06513), (680, 0x430fc64a)],
            ),
            (attention, 70, 10, 3, Outliers, &[(70, 0x3d936981)]),
            ("classifier.out_proj.bias", 3, 1, 2, Outliers, &[(0, 0xbcd48bda), (2, 0x3dbf079f)]),
        ];
        for (name, rows, row_len, seed, profile, expected) in cases {
            let bits = bits(name, row_len, rows, seed, profile);
            for (i, expected) in expected {
                assert_eq!(bits[*i], *expected, "{name}, seed {seed}, number {i}");
            }
        }
    }

    #[test]
    fn rows_are_the_same_in_pieces() {
        let whole = bits("a.output.dense.weight", 5, 70, 9, RandomProfile::Outliers);
        let tensor = RandomTensor::new("a.output.dense.weight", 5, 9, RandomProfile::Outliers);
        let mut pieces = Vec::new();
        for rows in [0..3, 3..3, 3..8, 8..70] {
            tensor.append_rows(rows, &mut pieces);
        }
        assert_eq!(pieces.into_iter().map(f32::to_bits).collect::<Vec<_>>(), whole);
    }
}
