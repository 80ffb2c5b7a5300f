//! Dense layers in whole numbers: weights of 16 or 8 bits with a scale for each run of [`BLOCK`]
//! inputs of an output, activations of 16 bits with a scale for each run of a row.
//!
//! WebAssembly's widest product is one of 16 bits, `i32x4.dot_i16x8_s`. A block's sum is exact, and
//! the blocks of a row are added in their order. So a row's result depends neither on the rows
//! beside it nor on the machine.

use std::array::from_fn;
use std::hint::black_box;
use std::slice::from_ref;

use bytemuck::{Pod, cast, cast_mut, cast_slice};
use wide::{f32x4, i16x8, i32x4};

use super::products::store;
use super::{platform, room_for};
use cappy::Result;

/// Inputs that share a scale.
const BLOCK: usize = 32;

/// Pairs of neighbouring inputs in a block.
const PAIRS: usize = BLOCK / 2;

/// Output columns of a panel: two vectors of sums.
const COLUMNS: usize = 8;

/// Rows that are multiplied at once. Their eight sums and what they are made of fill the sixteen
/// registers of x86.
const ROWS: usize = 4;

/// Bytes of rows that stay in a cache while all panels pass by.
const CACHED_BYTES: usize = 1 << 20;

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
    packed: Vec<i16x8>,          // [panels, blocks, PAIRS, vectors]
    scales: Vec<[f32; COLUMNS]>, // [panels, blocks]
}

/// Rows of activations in whole numbers, [`ROWS`] to a tile. Zeros fill up the last tile: a kernel
/// of its own for fewer rows would cost more than it saves.
struct Rows {
    /// Two neighbours in an i32, the rows of a tile side by side: `[tiles, blocks]`.
    pairs: Vec<[[i32; ROWS]; PAIRS]>,
    scales: Vec<[f32; ROWS]>, // [tiles, blocks]
}

impl Matrix {
    /// Zeros, for [`Matrix::set_row`] to fill; called `name`.
    pub fn zeros(name: &str, bits: Bits, inputs: usize, outputs: usize) -> Result<Matrix> {
        let blocks = inputs.div_ceil(BLOCK) * outputs.div_ceil(COLUMNS);
        let vectors = blocks * PAIRS * bits.vectors();
        let (mut packed, mut scales) = (room_for(name, vectors)?, room_for(name, blocks)?);
        packed.resize(vectors, i16x8::splat(0));
        scales.resize(blocks, [0.0; COLUMNS]);
        Ok(Matrix { inputs, outputs, bits, packed, scales })
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.packed[..]) + size_of_val(&self.scales[..])
    }

    /// Rounds and packs the weights of one output.
    pub fn set_row(&mut self, output: usize, weights: &[f32]) {
        let (panel, column) = (output / COLUMNS, output % COLUMNS);
        let first = panel * self.inputs.div_ceil(BLOCK);
        let packed_blocks = self.packed.chunks_exact_mut(PAIRS * self.bits.vectors()).skip(first);
        let blocks = packed_blocks.zip(&mut self.scales[first..]);
        for (weights, (packed, scales)) in weights.chunks(BLOCK).zip(blocks) {
            let (scale, numbers) = round(weights, self.bits.most().0);
            scales[column] = scale;
            let numbers: [i16; BLOCK] = cast(numbers);
            for (i, number) in numbers.into_iter().enumerate() {
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
        let at_once = count.div_ceil(platform::threads()).clamp(1, cached);
        let tiles = at_once.div_ceil(ROWS);
        platform::chunks(out, tiles * ROWS * self.outputs, |chunk, out| match self.bits {
            Bits::Sixteen => self.multiply_rows::<Sixteen>(&x, chunk * tiles, bias, out),
            Bits::Eight => self.multiply_rows::<Eight>(&x, chunk * tiles, bias, out),
        });
    }

    /// The same for tiles from `first` on.
    fn multiply_rows<S: Stored>(&self, x: &Rows, first: usize, bias: &[f32], out: &mut [f32]) {
        let blocks = self.inputs.div_ceil(BLOCK);
        let packed: &[[S::Pair; PAIRS]] = cast_slice(&self.packed);
        let panels = packed.chunks_exact(blocks).zip(self.scales.chunks_exact(blocks));
        for (panel, (weights, scales)) in panels.enumerate() {
            let column = panel * COLUMNS;
            let columns = COLUMNS.min(self.outputs - column);
            let mut panel_bias = [0.0; COLUMNS];
            panel_bias[..columns].copy_from_slice(&bias[column..][..columns]);
            let panel_bias: [f32x4; 2] = cast(panel_bias);
            let tiles = out.chunks_mut(ROWS * self.outputs);
            let next = &packed[packed.len().min((panel + 1) * blocks)..];
            let mut coming = next[..next.len().min(blocks)].chunks(blocks.div_ceil(tiles.len()));
            for (tile, out) in tiles.enumerate() {
                touch(coming.next().unwrap_or_default());
                let at = (first + tile) * blocks;
                let x = (&x.pairs[at..][..blocks], &x.scales[at..][..blocks]);
                let mut sums = [panel_bias; ROWS];
                multiply_tile::<S>(x, (weights, scales), &mut sums);
                for (out, sums) in out.chunks_exact_mut(self.outputs).zip(&sums) {
                    store(*sums, &mut out[column..][..columns]);
                }
            }
        }
    }
}

/// Reads a number of each cache line, so that all are near when they are needed: WebAssembly has no
/// instruction for that.
fn touch<T: Pod>(blocks: &[T]) {
    for block in blocks {
        let lines: &[[i32; 16]] = cast_slice(from_ref(block));
        black_box(lines.iter().fold(0, |all, line| all | line[0]));
    }
}

/// Adds the products of a tile and a panel to `sums`. A function of its own: in a large one,
/// browsers' compilers would keep the sums on the stack.
#[inline(never)]
fn multiply_tile<S: Stored>(
    x: (&[[[i32; ROWS]; PAIRS]], &[[f32; ROWS]]),
    weights: (&[[S::Pair; PAIRS]], &[[f32; COLUMNS]]),
    sums: &mut [[f32x4; 2]; ROWS],
) {
    let blocks = x.0.iter().zip(x.1).zip(weights.0.iter().zip(weights.1));
    for ((pairs, row_scales), (weights, scales)) in blocks {
        let mut whole = [[i32x4::splat(0); 2]; ROWS];
        // One pair a turn: of two, LLVM makes an order that V8 has too few registers for.
        for (pairs, weights) in pairs.iter().zip(weights) {
            let [left, right] = S::expand(*weights);
            for (pair, whole) in pairs.iter().zip(&mut whole) {
                let x: i16x8 = cast(i32x4::splat(*pair));
                whole[0] += x.dot(left);
                whole[1] += x.dot(right);
            }
        }
        let scales: [f32x4; 2] = cast(*scales);
        for ((sums, whole), scale) in sums.iter_mut().zip(whole).zip(row_scales) {
            let scale = f32x4::splat(*scale);
            sums[0] += f32x4::from_i32x4(whole[0]) * (scales[0] * scale);
            sums[1] += f32x4::from_i32x4(whole[1]) * (scales[1] * scale);
        }
    }
}

impl Rows {
    /// Rounds rows of `width` numbers to at most `most` units of their block's scale.
    fn new(x: &[f32], width: usize, most: f32) -> Rows {
        let (tiles, blocks) = (x.len().div_ceil(ROWS * width), width.div_ceil(BLOCK));
        let mut pairs = vec![[[0; ROWS]; PAIRS]; tiles * blocks];
        let mut scales = vec![[0.0; ROWS]; tiles * blocks];
        let rounded = pairs.chunks_exact_mut(blocks).zip(scales.chunks_exact_mut(blocks));
        for (tile, (pairs, scales)) in x.chunks(ROWS * width).zip(rounded) {
            for (block, (pairs, scales)) in pairs.iter_mut().zip(scales).enumerate() {
                let mut rows = [[i16x8::splat(0); BLOCK / 8]; ROWS];
                for ((row, numbers), scale) in
                    rows.iter_mut().zip(tile.chunks_exact(width)).zip(scales)
                {
                    let numbers = &numbers[block * BLOCK..];
                    (*scale, *row) = round(&numbers[..numbers.len().min(BLOCK)], most);
                }
                for (four, pairs) in pairs.as_chunks_mut().0.iter_mut().enumerate() {
                    let rows: [f32x4; ROWS] = rows.map(|row| cast(row[four]));
                    *pairs = cast::<[f32x4; ROWS], [[i32; ROWS]; 4]>(f32x4::transpose(rows));
                }
            }
        }
        Rows { pairs, scales }
    }
}

/// What one unit stands for, such that the largest of up to [`BLOCK`] `numbers` becomes `most`
/// units, and all of them in units. Where there are fewer, zeros follow.
fn round(numbers: &[f32], most: f32) -> (f32, [i16x8; BLOCK / 8]) {
    let numbers: [f32x4; BLOCK / 4] = match numbers.as_array::<BLOCK>() {
        Some(numbers) => cast(*numbers),
        None => {
            let mut padded = [0.0; BLOCK];
            padded[..numbers.len()].copy_from_slice(numbers);
            cast(padded)
        }
    };
    let (scale, per_unit) = scale(&numbers, most);
    // Beyond 2^23 an f32 has no place for fractions: adding puts the nearest whole number, of two
    // the even one, into its lowest bits.
    const WHOLE: f32 = 1.5 * (1 << 23) as f32;
    let whole = |x: f32x4| -> i32x4 {
        let bits: i32x4 = cast(x * per_unit + WHOLE);
        bits - WHOLE.to_bits() as i32
    };
    let pairs = numbers.as_chunks::<2>().0;
    (scale, from_fn(|i| i16x8::from_i32x8_saturate(cast(pairs[i].map(whole)))))
}

/// What `most` stands for, such that the largest of `numbers` becomes that; and its inverse.
fn scale(numbers: &[f32x4; BLOCK / 4], most: f32) -> (f32, f32) {
    // As whole numbers what is not finite is the largest.
    let bits = numbers.map(|x| cast::<f32x4, i32x4>(x) & i32x4::splat(i32::MAX));
    let lanes = bits.into_iter().fold(i32x4::splat(0), i32x4::max);
    let largest = f32::from_bits(lanes.to_array().into_iter().fold(0, i32::max) as u32);
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
    use cappy::reference;

    fn numbers(count: usize, salt: usize) -> Vec<f32> {
        (0..count).map(|i| (((i + salt) * 7919 + 13) % 2003) as f32 / 1000.0 - 1.0).collect()
    }

    fn matrix(bits: Bits, weights: &[f32], inputs: usize) -> Matrix {
        let mut matrix = Matrix::zeros("w", bits, inputs, weights.len() / inputs).unwrap();
        for (output, row) in weights.chunks_exact(inputs).enumerate() {
            matrix.set_row(output, row);
        }
        matrix
    }

    #[test]
    fn products_are_those_of_the_reference_implementation_and_rows_do_not_depend_on_others() {
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
