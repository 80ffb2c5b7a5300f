//! Weights as small integers, a block of which shares a scale.
//!
//! A weight is `integer * scale`. Scales have so few significant bits that every such product is an
//! f16 number: a quantised model is, to the bit, the f16 model that [`Quantised::expand`] gives, and
//! whatever computes with f16 weights computes the same with it. docs/quantisation.md tells how
//! blocks and scales were chosen.

use std::fmt;
use std::str::FromStr;

use half::f16;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// The smallest exponent of a scale's last bit: with a finer one, its products with odd integers
/// would be no f16 numbers.
pub const LEAST_EXPONENT: i32 = -24;

/// How the matrices of a model lie in memory and in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// Two bytes a weight.
    F16,
    /// Integers from -127 to 127 and a scale for 32 of them: 8.5 bits a weight.
    Q8,
    /// Integers from -8 to 7 and a scale for 64 of them: 4.25 bits a weight.
    Q4,
}

impl WeightFormat {
    /// Bits of a weight, scales apart.
    pub const fn bits(self) -> usize {
        match self {
            WeightFormat::F16 => 16,
            WeightFormat::Q8 => 8,
            WeightFormat::Q4 => 4,
        }
    }

    /// Inputs of one output that share a scale; the last block of an output may have fewer. For f16,
    /// which has no scales, 32, too.
    pub const fn block(self) -> usize {
        match self {
            WeightFormat::F16 | WeightFormat::Q8 => 32,
            WeightFormat::Q4 => 64,
        }
    }

    /// The significant bits of a scale: those of f16, 11, less those of an integer.
    pub const fn scale_bits(self) -> i32 {
        match self {
            WeightFormat::F16 => 11,
            WeightFormat::Q8 => 4,
            WeightFormat::Q4 => 8,
        }
    }

    /// The smallest and the largest integer.
    pub const fn range(self) -> (f32, f32) {
        match self {
            WeightFormat::F16 => (1.0, 1.0),
            WeightFormat::Q8 => (-127.0, 127.0),
            WeightFormat::Q4 => (-8.0, 7.0),
        }
    }
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WeightFormat::F16 => "f16",
            WeightFormat::Q8 => "q8",
            WeightFormat::Q4 => "q4",
        })
    }
}

impl FromStr for WeightFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<WeightFormat> {
        let all = [WeightFormat::F16, WeightFormat::Q8, WeightFormat::Q4];
        all.into_iter().find(|format| format.to_string() == text).ok_or_else(|| {
            let what = format!("is {text:?}; f16, q8 and q4 are known");
            Error::new(ErrorKind::Input, "weight format", what)
        })
    }
}

/// How the tensor `name` of a model is stored whose weights are of `format`, and how many inputs
/// share a scale: the matrices of layers in blocks, the word table in q8 with a scale a word, which
/// q4 would spoil, the first matrix of the head in q8, and everything else, which is small, in f16.
pub fn scheme(name: &str, shape: &[usize], format: WeightFormat) -> (WeightFormat, usize) {
    let &[_, inputs] = shape else { return (WeightFormat::F16, 1) };
    match format {
        WeightFormat::F16 => (format, 1),
        _ if name.ends_with("word_embeddings.weight")
            || name.ends_with("tok_embeddings.weight") =>
        {
            (WeightFormat::Q8, inputs)
        }
        // A row of q4 is whole bytes.
        WeightFormat::Q4 if !inputs.is_multiple_of(2) => (WeightFormat::F16, 1),
        _ if name.contains(".layer.") || name.contains(".layers.") => (format, format.block()),
        _ if name.ends_with("dense.weight") || name == "pre_classifier.weight" => {
            (WeightFormat::Q8, WeightFormat::Q8.block())
        }
        _ => (WeightFormat::F16, 1),
    }
}

/// Rows of a quantised matrix.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quantised {
    /// `[rows, inputs]`.
    pub integers: Vec<i8>,
    /// `[rows, inputs / block]`, the last block of a row may be a part of one.
    pub scales: Vec<f16>,
}

impl Quantised {
    /// Rounds `rows`, each of `inputs` numbers, of which `block` share a scale.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`] naming `name` where f16 cannot hold a number.
    pub fn round(
        name: &str,
        format: WeightFormat,
        rows: &[f32],
        inputs: usize,
        block: usize,
    ) -> Result<Quantised> {
        let mut quantised = Quantised {
            integers: Vec::with_capacity(rows.len()),
            scales: Vec::with_capacity(rows.len().div_ceil(block)),
        };
        let (least, most) = format.range();
        for block in rows.chunks_exact(inputs).flat_map(|row| row.chunks(block)) {
            let scale = best_scale(format, block);
            // Also of what a scale that was rounded up makes of it.
            let fits = |number: &f32| number.abs() + scale.abs() <= f16::MAX.to_f32();
            if let Some(number) = block.iter().find(|number| !fits(number)) {
                let what = format!("holds {number}, which {format} cannot");
                return Err(Error::new(ErrorKind::Checkpoint, name, what));
            }
            let integers = block.iter().map(|number| nearest(*number, scale, least, most) as i8);
            quantised.integers.extend(integers);
            quantised.scales.push(f16::from_f32(scale));
        }
        Ok(quantised)
    }

    /// Rows of zeros.
    pub fn zeros(rows: usize, inputs: usize, block: usize) -> Quantised {
        let blocks = inputs.div_ceil(block);
        Quantised { integers: vec![0; rows * inputs], scales: vec![f16::ZERO; rows * blocks] }
    }

    /// Puts the rows of `other` after these.
    pub fn append(&mut self, other: Quantised) {
        self.integers.extend(other.integers);
        self.scales.extend(other.scales);
    }

    /// Appends the numbers that these rows stand for.
    pub fn expand(&self, inputs: usize, block: usize, out: &mut Vec<f32>) {
        let blocks = self.integers.chunks_exact(inputs).flat_map(|row| row.chunks(block));
        for (integers, scale) in blocks.zip(&self.scales) {
            let scale = scale.to_f32();
            out.extend(integers.iter().map(|integer| f32::from(*integer) * scale));
        }
    }
}

/// The integer that stands for `number`, or would if there were no ends.
fn nearest(number: f32, scale: f32, least: f32, most: f32) -> f32 {
    // Adding this and taking it away rounds to whole numbers, in fewer instructions than rounding.
    const ROUNDER: f32 = 12_582_912.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    (number * inverse).clamp(least, most) + ROUNDER - ROUNDER
}

/// Of some scales that bring the largest number of a block near an end of the integers, or a bit
/// over it, the one with the least squared error. Of q4 they may be negative, so that the end that
/// reaches farther serves the numbers that do.
fn best_scale(format: WeightFormat, block: &[f32]) -> f32 {
    let (least, most) = format.range();
    let extreme = block.iter().fold(0.0, |most: f32, number| most.max(number.abs()));
    let divisors: &[f32] = match format {
        WeightFormat::Q4 => &[
            7.0, 7.5, 8.0, 8.5, 9.0, 9.5, 10.0, 10.5, -7.0, -7.5, -8.0, -8.5, -9.0, -9.5, -10.0,
            -10.5,
        ],
        _ => &[119.0, 127.0, 136.0],
    };
    let mut best = (f32::INFINITY, 0.0);
    for divisor in divisors {
        let scale = significant(extreme / divisor, format.scale_bits());
        let error = |number: &f32| number - nearest(*number, scale, least, most) * scale;
        let errors: f32 = block.iter().map(error).map(|error| error * error).sum();
        if errors < best.0 {
            best = (errors, scale);
        }
    }
    best.1
}

/// `x` rounded to `bits` significant bits, and no finer than f16's smallest number.
fn significant(x: f32, bits: i32) -> f32 {
    let exponent = ((x.to_bits() >> 23) & 0xff) as i32 - 127;
    let place = (exponent + 1 - bits).max(LEAST_EXPONENT);
    let unit = f32::from_bits(((place + 127) as u32) << 23);
    (x / unit).round_ties_even() * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of every size that a weight may have, the same everywhere.
    fn numbers(count: usize) -> Vec<f32> {
        let mut state = 9u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        (0..count).map(|_| (next() - 0.5) * f32::powi(10.0, (next() * 12.0) as i32 - 9)).collect()
    }

    #[test]
    fn every_expanded_number_is_of_f16() {
        for format in [WeightFormat::Q8, WeightFormat::Q4] {
            for inputs in [1, 31, 64, 70, 257] {
                let rows = numbers(inputs * 40);
                let quantised =
                    Quantised::round("w", format, &rows, inputs, format.block()).unwrap();
                let mut out = Vec::new();
                quantised.expand(inputs, format.block(), &mut out);
                assert_eq!(out.len(), rows.len());
                for number in &out {
                    assert_eq!(f16::from_f32(*number).to_f32(), *number, "{format}");
                }
            }
        }
    }

    #[test]
    fn squared_errors_are_small() {
        for (format, bound) in [(WeightFormat::Q8, 0.0001), (WeightFormat::Q4, 0.015)] {
            let rows: Vec<f32> = numbers(640).iter().map(|number| number.signum()).collect();
            let spread: Vec<f32> =
                rows.iter().enumerate().map(|(i, x)| x * (i % 97) as f32).collect();
            let quantised = Quantised::round("w", format, &spread, 64, format.block()).unwrap();
            let mut out = Vec::new();
            quantised.expand(64, format.block(), &mut out);
            let squares = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>();
            let errors: Vec<f32> = spread.iter().zip(&out).map(|(x, got)| x - got).collect();
            let share = squares(&errors) / squares(&spread);
            assert!(share <= bound, "{format} {share}");
        }
    }

    #[test]
    fn the_longer_end_serves_the_larger_numbers() {
        for sign in [1.0, -1.0] {
            let rows: Vec<f32> = [8.0, 7.0, 6.0, -3.0].iter().map(|x| x * sign).collect();
            let q4 = Quantised::round("w", WeightFormat::Q4, &rows, 4, 64).unwrap();
            assert_eq!((q4.integers, q4.scales[0].to_f32()), (vec![-8, -7, -6, 3], -sign));
        }
        // Both ends are needed: nothing is cut off.
        let rows = [7.0, -7.0, 1.0, 2.0];
        let q4 = Quantised::round("w", WeightFormat::Q4, &rows, 4, 64).unwrap();
        assert_eq!(q4.scales[0].to_f32().abs(), 1.0);
    }

    #[test]
    fn zeros_stay_zero_and_giants_are_refused() {
        for format in [WeightFormat::Q8, WeightFormat::Q4] {
            let round = |rows: &[f32]| Quantised::round("w", format, rows, rows.len(), 32);
            let zeros = round(&[0.0; 33]).unwrap();
            assert_eq!((zeros.integers, zeros.scales), (vec![0; 33], vec![f16::ZERO; 2]));
            let error = round(&[1.0, 65_600.0]).unwrap_err();
            assert_eq!(error.at_fault(), "w");
        }
    }

    #[test]
    fn scales_have_few_significant_bits() {
        assert_eq!(significant(1.0 + 1.0 / 16.0, 4), 1.0);
        assert_eq!(significant(1.0 + 1.1 / 16.0, 4), 1.125);
        assert_eq!(significant(-3.1, 4), -3.0);
        assert_eq!(significant(0.0, 4), 0.0);
        assert_eq!(significant(7e-8, 4), f32::powi(2.0, -24));
        assert_eq!(significant(1e-9, 8), 0.0);
    }

    #[test]
    fn names_are_read_back() {
        for format in [WeightFormat::F16, WeightFormat::Q8, WeightFormat::Q4] {
            assert_eq!(format.to_string().parse::<WeightFormat>().unwrap(), format);
        }
        assert!("q5".parse::<WeightFormat>().unwrap_err().to_string().contains("q8"));
    }
}
