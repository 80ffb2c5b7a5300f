//! Dense layers in whole numbers: weights of 16 or 8 bits with a scale for each run of [`BLOCK`]
//! inputs of an output, activations of 16 bits with a scale for each run of a row.
//!
//! WebAssembly's widest product is one of 16 bits, `i32x4.dot_i16x8_s`. A block's sum is exact, and
//! the blocks of a row are added in their order. So a row's result depends neither on the rows
//! beside it nor on the machine.

use bytemuck::{Pod, cast, cast_mut, cast_slice};
use wide::{f32x4, i16x8, i32x4};

use super::parallel;

/// Inputs that share a scale.
const BLOCK: usize = 32;

/// Output columns of a panel: two vectors of sums.
const COLUMNS: usize = 8;

/// Rows that are multiplied at once. Their eight sums and what they are made of fill the sixteen
/// registers of x86.
const ROWS: usize = 4;

/// Bytes of rows that stay in a cache while all panels pass by.
const CACHED_BYTES: usize = 256 << 10;

/// The largest weight and activation beside each other, such that [`BLOCK`] of their products add
/// up to less than 2^31.
const MOST_16: (f32, f32) = (8191.0, 8191.0);
const MOST_8: (f32, f32) = (127.0, 32767.0);

/// Bits of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bits {
    /// About as fine as f16.
    Sixteen,
    /// Half of the memory.
    Eight,
}

impl Bits {
    /// Vectors that hold a pair of inputs of the [`COLUMNS`] of a panel.
    fn vectors(self) -> usize {
        match self {
            Bits::Sixteen => 2,
            Bits::Eight => 1,
        }
    }

    /// The largest weight, and the largest activation beside it.
    fn most(self) -> (f32, f32) {
        match self {
            Bits::Sixteen => MOST_16,
            Bits::Eight => MOST_8,
        }
    }
}

/// How a pair of inputs of eight columns is stored.
trait Stored {
    type Pair: Pod;

    /// Four columns' pairs, and the other four's.
    fn expand(stored: Self::Pair) -> [i16x8; 2];
}

struct Sixteen;
struct Eight;

impl Stored for Sixteen {
    type Pair = [i16x8; 2];

    #[inline(always)]
    fn expand(stored: [i16x8; 2]) -> [i16x8; 2] {
        stored
    }
}

impl Stored for Eight {
    type Pair = i16x8;

    /// The lower bytes are the first four columns, the upper ones the others.
    #[inline(always)]
    fn expand(stored: i16x8) -> [i16x8; 2] {
        [(stored << 8u32) >> 8u32, stored >> 8u32]
    }
}

/// A matrix, `[outputs, inputs]`.
pub(super) struct Matrix {
    inputs: usize,
    outputs: usize,
    bits: Bits,
    packed: Vec<i16x8>,          // [panels, inputs / 2, vectors]
    scales: Vec<[f32; COLUMNS]>, // [panels, blocks]
}

/// Rows of activations in whole numbers.
struct Rows {
    /// Two neighbours in an i32, the rows of a tile side by side: `[tiles, inputs / 2, ROWS]`. The
    /// last tile may have fewer rows.
    pairs: Vec<i32>,
    scales: Vec<f32>, // [rows, blocks]
}

/// Up to [`ROWS`] of them.
struct Tile<'a> {
    pairs: &'a [i32],
    scales: &'a [f32],
}

impl Matrix {
    /// Zeros, for [`Matrix::set_row`] to fill.
    pub fn zeros(bits: Bits, inputs: usize, outputs: usize) -> Matrix {
        let panels = outputs.div_ceil(COLUMNS);
        let vectors = inputs.div_ceil(2) * panels * bits.vectors();
        Matrix {
            inputs,
            outputs,
            bits,
            packed: vec![i16x8::splat(0); vectors],
            scales: vec![[0.0; COLUMNS]; inputs.div_ceil(BLOCK) * panels],
        }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.packed[..]) + size_of_val(&self.scales[..])
    }

    /// Rounds and packs the weights of one output.
    pub fn set_row(&mut self, output: usize, weights: &[f32]) {
        let (panel, column) = (output / COLUMNS, output % COLUMNS);
        let vectors = self.inputs.div_ceil(2) * self.bits.vectors();
        let panel_packed = &mut self.packed[panel * vectors..][..vectors];
        let blocks = self.inputs.div_ceil(BLOCK);
        let packed_blocks = panel_packed.chunks_mut(BLOCK / 2 * self.bits.vectors());
        for ((block, weights), packed) in weights.chunks(BLOCK).enumerate().zip(packed_blocks) {
            let (scale, per_unit) = scale(weights, self.bits.most().0);
            self.scales[panel * blocks + block][column] = scale;
            for (i, weight) in weights.iter().enumerate() {
                let number = round(weight * per_unit);
                let (pair, lane, half) = (i / 2, column % 4 * 2 + i % 2, column / 4);
                match self.bits {
                    Bits::Sixteen => packed[2 * pair + half].as_mut_array()[lane] = number,
                    Bits::Eight => {
                        let bytes: &mut [i8; 16] = cast_mut(&mut packed[pair]);
                        bytes[2 * lane + half] = number as i8;
                    }
                }
            }
        }
    }

    /// `x W^T + bias`: x is `[rows, inputs]`, out `[rows, outputs]`.
    pub fn multiply(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let count = out.len() / self.outputs;
        let x = Rows::new(x, self.inputs, self.bits.most().1);
        let cached = CACHED_BYTES / (size_of::<i16>() * self.inputs) + 1;
        let at_once = count.div_ceil(parallel::threads()).clamp(1, cached);
        let at_once = at_once.next_multiple_of(ROWS);
        parallel::chunks(out, at_once * self.outputs, |chunk, out| match self.bits {
            Bits::Sixteen => self.multiply_rows::<Sixteen>(&x, chunk * at_once, bias, out),
            Bits::Eight => self.multiply_rows::<Eight>(&x, chunk * at_once, bias, out),
        });
    }

    /// The same for rows from `first` on.
    fn multiply_rows<S: Stored>(&self, x: &Rows, first: usize, bias: &[f32], out: &mut [f32]) {
        let (pairs, blocks) = (self.inputs.div_ceil(2), self.inputs.div_ceil(BLOCK));
        let packed: &[S::Pair] = cast_slice(&self.packed);
        let panels = packed.chunks_exact(pairs).zip(self.scales.chunks_exact(blocks));
        for (panel, (weights, scales)) in panels.enumerate() {
            let column = panel * COLUMNS;
            let columns = COLUMNS.min(self.outputs - column);
            let mut panel_bias = [0.0; COLUMNS];
            panel_bias[..columns].copy_from_slice(&bias[column..][..columns]);
            let panel_bias: [f32x4; 2] = cast(panel_bias);
            for (tile, out) in out.chunks_mut(ROWS * self.outputs).enumerate() {
                let (row, count) = (first + tile * ROWS, out.len() / self.outputs);
                let x = Tile {
                    pairs: &x.pairs[row * pairs..][..count * pairs],
                    scales: &x.scales[row * blocks..][..count * blocks],
                };
                let mut sums = [panel_bias; ROWS];
                match count {
                    1 => multiply_tile::<S, 1>(&x, weights, scales, &mut sums),
                    2 => multiply_tile::<S, 2>(&x, weights, scales, &mut sums),
                    3 => multiply_tile::<S, 3>(&x, weights, scales, &mut sums),
                    _ => multiply_tile::<S, ROWS>(&x, weights, scales, &mut sums),
                }
                for (out, sums) in out.chunks_exact_mut(self.outputs).zip(sums) {
                    let sums: [f32; COLUMNS] = cast(sums);
                    out[column..][..columns].copy_from_slice(&sums[..columns]);
                }
            }
        }
    }
}

/// Adds the products of `R` rows and a panel to `sums`. A function of its own: in a large one,
/// browsers' compilers would keep the sums on the stack.
#[inline(never)]
fn multiply_tile<S: Stored, const R: usize>(
    x: &Tile,
    weights: &[S::Pair],
    scales: &[[f32; COLUMNS]],
    sums: &mut [[f32x4; 2]; ROWS],
) {
    let pairs = x.pairs.as_chunks::<R>().0.chunks(BLOCK / 2);
    let blocks = pairs.zip(weights.chunks(BLOCK / 2)).zip(scales).enumerate();
    for (block, ((pairs, weights), scales)) in blocks {
        let mut whole = [[i32x4::splat(0); 2]; R];
        let mut add = |pairs: &[i32; R], weights: S::Pair| {
            let [left, right] = S::expand(weights);
            for (pair, whole) in pairs.iter().zip(&mut whole) {
                let x: i16x8 = cast(i32x4::splat(*pair));
                whole[0] += x.dot(left);
                whole[1] += x.dot(right);
            }
        };
        // Two a turn: neither compiler unrolls this.
        let ((pairs, last_pair), (weights, last_weight)) =
            (pairs.as_chunks::<2>(), weights.as_chunks::<2>());
        for (pairs, weights) in pairs.iter().zip(weights) {
            add(&pairs[0], weights[0]);
            add(&pairs[1], weights[1]);
        }
        for (pairs, weights) in last_pair.iter().zip(last_weight) {
            add(pairs, *weights);
        }
        let scales: [f32x4; 2] = cast(*scales);
        for (row, (sums, whole)) in sums.iter_mut().zip(whole).enumerate() {
            let scale = f32x4::splat(x.scales[row * (x.scales.len() / R) + block]);
            sums[0] += f32x4::from_i32x4(whole[0]) * (scales[0] * scale);
            sums[1] += f32x4::from_i32x4(whole[1]) * (scales[1] * scale);
        }
    }
}

impl Rows {
    /// Rounds rows of `width` numbers to at most `most` units of their block's scale.
    fn new(x: &[f32], width: usize, most: f32) -> Rows {
        let (stride, blocks) = (width.div_ceil(2), width.div_ceil(BLOCK));
        let rows = x.len() / width;
        let mut pairs = vec![0; rows * stride];
        let mut scales = Vec::with_capacity(rows * blocks);
        let tiles = x.chunks(ROWS * width).zip(pairs.chunks_mut(ROWS * stride));
        for (tile, pairs) in tiles {
            let tile_rows = tile.len() / width;
            for (row, numbers) in tile.chunks_exact(width).enumerate() {
                let blocks = numbers.chunks(BLOCK).zip(pairs.chunks_mut(BLOCK / 2 * tile_rows));
                for (numbers, pairs) in blocks {
                    let (scale, per_unit) = scale(numbers, most);
                    scales.push(scale);
                    let mut whole = [0; BLOCK];
                    for (whole, x) in whole.iter_mut().zip(numbers) {
                        *whole = round(x * per_unit);
                    }
                    let places = pairs.iter_mut().skip(row).step_by(tile_rows);
                    for (pair, two) in places.zip(whole.as_chunks::<2>().0) {
                        *pair = cast(*two);
                    }
                }
            }
        }
        Rows { pairs, scales }
    }
}

/// The nearest whole number, ties to even. Beyond 2^23 an f32 has no place for fractions: what was
/// added puts the number into its lowest bits.
fn round(x: f32) -> i16 {
    const WHOLE: f32 = 1.5 * (1 << 23) as f32;
    (x + WHOLE).to_bits() as i16
}

/// What `most` stands for, such that the largest of `numbers` becomes that; and its inverse.
fn scale(numbers: &[f32], most: f32) -> (f32, f32) {
    // As whole numbers what is not finite is the largest, and vector instructions compare them.
    let mut lanes = [0; 16];
    for group in numbers.chunks(lanes.len()) {
        for (lane, x) in lanes.iter_mut().zip(group) {
            *lane = x.abs().to_bits().max(*lane);
        }
    }
    let largest = f32::from_bits(lanes.into_iter().fold(0, u32::max));
    let scale = largest / most;
    if !scale.is_finite() {
        // Every sum that it is part of becomes NaN.
        return (f32::NAN, 0.0);
    }
    // Where the inverse would overflow, the numbers are as good as zero.
    if scale > f32::MIN_POSITIVE { (scale, 1.0 / scale) } else { (0.0, 0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    fn numbers(count: usize, salt: usize) -> Vec<f32> {
        (0..count).map(|i| (((i + salt) * 7919 + 13) % 2003) as f32 / 1000.0 - 1.0).collect()
    }

    fn matrix(bits: Bits, weights: &[f32], inputs: usize) -> Matrix {
        let mut matrix = Matrix::zeros(bits, inputs, weights.len() / inputs);
        for (output, row) in weights.chunks_exact(inputs).enumerate() {
            matrix.set_row(output, row);
        }
        matrix
    }

    #[test]
    fn products_are_the_twins_and_rows_do_not_depend_on_others() {
        for (bits, bound) in [(Bits::Sixteen, 1e-3), (Bits::Eight, 1e-2)] {
            for (rows, inputs, outputs) in [(1, 128, 8), (9, 131, 21), (67, 300, 3), (6, 1, 1)] {
                let (x, w) = (numbers(rows * inputs, 5), numbers(outputs * inputs, 1));
                let bias = numbers(outputs, 3);
                let matrix = matrix(bits, &w, inputs);
                let mut out = vec![f32::NAN; rows * outputs];
                matrix.multiply(&x, &bias, &mut out);
                let expected = reference::matmul(&x, &w, &bias, inputs);
                for (got, expected) in out.iter().zip(&expected) {
                    let error = (got - expected).abs() / (inputs as f32).sqrt();
                    assert!(error <= bound, "{bits:?} {rows}x{inputs}x{outputs}: {error}");
                }
                for (row, together) in x.chunks_exact(inputs).zip(out.chunks_exact(outputs)) {
                    let mut alone = vec![f32::NAN; outputs];
                    matrix.multiply(row, &bias, &mut alone);
                    assert_eq!(alone, together, "{bits:?} {rows}x{inputs}x{outputs}");
                }
            }
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let inputs = 3 * BLOCK;
        for bits in [Bits::Sixteen, Bits::Eight] {
            for (x, w) in [(1e30, 1e-30), (-7.0, 3.0), (-1e-30, -1e30), (f32::MIN_POSITIVE, 1.0)] {
                let mut out = [f32::NAN];
                matrix(bits, &vec![w; inputs], inputs).multiply(&vec![x; inputs], &[0.5], &mut out);
                let expected = f64::from(x) * f64::from(w) * inputs as f64 + 0.5;
                let error = (f64::from(out[0]) - expected).abs() / expected.abs();
                assert!(error <= 1e-6, "{bits:?}: {x} times {w}: {} for {expected}", out[0]);
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_none() {
        for bits in [Bits::Sixteen, Bits::Eight] {
            let matrix = matrix(bits, &[1.0; 8], 8);
            for bad in [f32::NAN, f32::INFINITY] {
                let mut out = [0.0];
                matrix.multiply(&[1.0, bad, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], &[0.0], &mut out);
                assert!(!out[0].is_finite(), "{bits:?}: {bad} gave {}", out[0]);
            }
        }
    }
}
