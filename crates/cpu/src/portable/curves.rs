//! GELU, exact and by tanh, and softmax. V8 takes longer for those of the crate that native programs use.

use std::f32::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};
use std::hint::black_box;

use bytemuck::cast;
use wide::{f32x4, i32x4};

use crate::layers::sum;

/// GELU by erf, which is off by less than 4e-7: between -4 and 4 it is x P(x²) / Q(x²) with
/// Eigen's polynomials, beyond them 1.
pub fn gelu(x: &mut [f32]) {
    let numerator = [
        -1.609_603_3e-2,
        -2.954_598e-3,
        -7.349_906_3e-4,
        -5.692_506_4e-5,
        -2.101_024e-6,
        2.770_681_4e-8,
        -2.726_142_3e-10,
    ];
    let denominator =
        [-1.426_473_9e-2, -7.373_329e-3, -1.682_827e-3, -2.133_740_6e-4, -1.456_607_2e-5];
    let (numerator, denominator) = (numerator.map(kept), denominator.map(kept));
    let [half, to_erf, least, most] = [0.5, FRAC_1_SQRT_2, -4.0, 4.0].map(kept);
    map(x, |x| {
        let y = (x * to_erf).fast_max(least).fast_min(most);
        let square = y * y;
        let erf = y * polynomial(&numerator, square) / polynomial(&denominator, square);
        let half_x = x * half;
        half_x + half_x * erf
    });
}

/// GELU by tanh: x/2 (1 + tanh(y)) is x / (1 + exp(-2y)).
pub fn gelu_tanh(x: &mut [f32]) {
    // Of -2y by x and x³, for powers of 2.
    let by = -2.0 * LOG2_E * 0.797_884_6;
    let [linear, cubic] = [by, by * 0.044_715].map(kept);
    let [one, most] = [1.0, 126.0].map(kept);
    let power = Power::new();
    map(x, |x| {
        let exponent = x * (linear + x * x * cubic);
        x / (one + power.of(exponent.simd_gt(most).select(most, exponent)))
    });
}

/// Powers of 2, off by less than 2e-7 of them.
struct Power {
    /// Of 2^x between -0.5 and 0.5.
    polynomial: [f32x4; 6],
    least: f32x4,
    whole: f32x4,
}

impl Power {
    fn new() -> Power {
        let power = [1.0, LN_2, 0.240_222_83, 0.055_505_585, 0.009_669_691, 0.001_330_060_7];
        // Beyond 2^23 an f32 has no place for fractions: adding rounds, and leaves the whole
        // number in the lowest bits.
        let [least, whole] = [-126.0, 1.5 * (1 << 23) as f32].map(kept);
        Power { polynomial: power.map(kept), least, whole }
    }

    /// 2^x for x of up to 126; below -126 as there.
    fn of(&self, x: f32x4) -> f32x4 {
        // What is no number compares as false, and stays.
        let x = x.simd_lt(self.least).select(self.least, x);
        let shifted = x + self.whole;
        let exponent: i32x4 = cast(shifted);
        let power: i32x4 = cast(polynomial(&self.polynomial, x - (shifted - self.whole)));
        cast(power + (exponent << 23u32))
    }
}

/// The power of 2 below which a weight is zero. Somewhat further down its share of the sum would be a subnormal
/// number, with which processors take a hundred times as long; keys that a query does not see would all have
/// such a share.
const LEAST_POWER: f32 = -100.0;

/// The softmax of `scale` times each row of `x`, of `width` numbers.
pub fn softmax(x: &mut [f32], width: usize, scale: f32) {
    let [per_bit, least] = [scale * LOG2_E, LEAST_POWER].map(kept);
    let power = Power::new();
    for row in x.chunks_exact_mut(width) {
        let largest = f32x4::splat(largest(row));
        map(row, |x| {
            let exponent = (x - largest) * per_bit;
            // What is no number compares as false, and stays.
            exponent.simd_lt(least).select(f32x4::ZERO, power.of(exponent))
        });
        let share = 1.0 / sum(row, |x| x);
        row.iter_mut().for_each(|x| *x *= share);
    }
}

/// The largest of `numbers`. What is no number may be passed over.
fn largest(numbers: &[f32]) -> f32 {
    let (fours, rest) = numbers.as_chunks();
    let least = f32x4::splat(f32::NEG_INFINITY);
    let lanes = fours.iter().fold(least, |most, four| most.fast_max(f32x4::new(*four)));
    lanes.to_array().iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// A constant that stays in memory: V8 makes others anew wherever they are used, by three
/// instructions.
fn kept(x: f32) -> f32x4 {
    black_box(f32x4::splat(x))
}

/// `coefficients`, the lowest first, times powers of `x`.
fn polynomial<const N: usize>(coefficients: &[f32x4; N], x: f32x4) -> f32x4 {
    let [lower @ .., highest] = &coefficients[..] else { return f32x4::ZERO };
    lower.iter().rev().fold(*highest, |sum, coefficient| sum * x + *coefficient)
}

/// Replaces all of `numbers`, four at once. Zeros fill up the last four.
fn map(numbers: &mut [f32], of: impl Fn(f32x4) -> f32x4) {
    let (fours, rest) = numbers.as_chunks_mut();
    for four in fours {
        *four = of(f32x4::new(*four)).to_array();
    }
    let mut four = [0.0; 4];
    four[..rest.len()].copy_from_slice(rest);
    rest.copy_from_slice(&of(f32x4::new(four)).to_array()[..rest.len()]);
}
