//! Dense layers in whole numbers: weights of 16 or 8 bits with a scale for each run of [`BLOCK`]
//! inputs of an output, activations of 16 bits with a scale for each run of a row.
//!
//! WebAssembly's widest product is one of 16 bits, `i32x4.dot_i16x8_s`. A block's sum is exact, and
//! the blocks of a row are added in their order. So a row's result depends neither on the rows
//! beside it nor on the machine, nor on which of the tiles multiplies: the one for any machine is
//! here, those for x86 with wider vectors are in `tile.rs`.

use std::array::from_fn;
use std::hint::black_box;
use std::ops::Range;
use std::slice::from_ref;

use bytemuck::{Pod, cast, cast_slice, cast_slice_mut};
use wide::{f32x4, i16x8, i16x32, i32x4};

use super::products::store;
use super::room_for;
use super::tile::Tile;
use cappy::Result;

/// Inputs that share a scale.
const BLOCK: usize = 32;

/// Pairs of neighbouring inputs in a block.
pub(super) const PAIRS: usize = BLOCK / 2;

/// Output columns of a panel: two vectors of sums.
const COLUMNS: usize = 8;

/// Output columns of a panel for a [`Tile`]: a vector of AVX-512, two of AVX2.
pub(super) const WIDE: usize = 2 * COLUMNS;

/// Rows of a tile. In the portable one their eight sums and what they are made of fill the sixteen
/// registers of x86; a [`Tile`] may take several at once.
pub(super) const ROWS: usize = 4;

/// [`ROWS`] rows of a block: two neighbours in an i32, the rows side by side.
type RowPairs = [[i32; ROWS]; PAIRS];

/// Tiles of rows, one behind the other, `[tiles, blocks]`, with their scales.
pub(super) type TileRows<'a> = (&'a [RowPairs], &'a [[f32; ROWS]]);

/// The blocks of a panel for a [`Tile`], pairs of [`WIDE`] columns side by side, with their scales.
pub(super) type WidePanel<'a> = (&'a [[[i8; 2 * WIDE]; PAIRS]], &'a [[f32; WIDE]]);

/// What a tile of rows and such a panel add up to.
pub(super) type WideSums = [[f32; WIDE]; ROWS];

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

    /// The fastest of the machine's own tiles for these; `None` where the portable one is. Weights of
    /// 16 bits are for WebAssembly.
    pub fn tile(self) -> Option<Tile> {
        match self {
            Bits::Sixteen => None,
            Bits::Eight => Tile::all().next(),
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
    /// What multiplies it, where the machine has more than the portable tile for these bits.
    tile: Option<Tile>,
    /// `[panels, blocks, PAIRS]` of [`Stored::Pair`], or of [`WIDE`] columns' pairs for a
    /// [`Tile`], in whole lines of a cache.
    packed: Vec<i16x32>,
    scales: Vec<[f32; COLUMNS]>, // [panels, blocks], of a panel for a [`Tile`] two
}

/// Rows of activations in whole numbers, [`ROWS`] to a tile. Zeros fill up the last tile: a kernel
/// of its own for fewer rows would cost more than it saves.
struct Rows {
    blocks: usize, // of a row
    /// Two neighbours in an i32, the rows of a tile side by side: `[tiles, blocks]`.
    pairs: Vec<RowPairs>,
    scales: Vec<[f32; ROWS]>, // [tiles, blocks]
}

impl Matrix {
    /// Zeros, for [`Matrix::set_row`] to fill; called `name`.
    pub fn zeros(name: &str, bits: Bits, inputs: usize, outputs: usize) -> Result<Matrix> {
        Self::zeros_for((bits, bits.tile()), name, inputs, outputs)
    }

    /// The same for one of the tiles that multiply these bits; `None` is the portable one.
    fn zeros_for(
        (bits, tile): (Bits, Option<Tile>),
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Matrix> {
        let panels = match tile {
            Some(_) => outputs.div_ceil(WIDE) * (WIDE / COLUMNS),
            None => outputs.div_ceil(COLUMNS),
        };
        let blocks = inputs.div_ceil(BLOCK) * panels;
        let lines = blocks * PAIRS * bits.vectors() * size_of::<i16x8>() / size_of::<i16x32>();
        let (mut packed, mut scales) = (room_for(name, lines)?, room_for(name, blocks)?);
        packed.resize(lines, i16x32::splat(0));
        scales.resize(blocks, [0.0; COLUMNS]);
        Ok(Matrix { inputs, outputs, bits, tile, packed, scales })
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.packed[..]) + size_of_val(&self.scales[..])
    }

    /// Rounds and packs the weights of one output.
    pub fn set_row(&mut self, output: usize, weights: &[f32]) {
        let blocks = self.inputs.div_ceil(BLOCK);
        let columns = if self.tile.is_some() { WIDE } else { COLUMNS };
        let (first, column) = (output / columns * blocks, output % columns);
        let scales: &mut [f32] = cast_slice_mut(&mut self.scales);
        let scales = scales.chunks_exact_mut(columns).skip(first);
        let packed: &mut [u8] = cast_slice_mut(&mut self.packed);
        let block_bytes = PAIRS * self.bits.vectors() * size_of::<i16x8>() * columns / COLUMNS;
        let packed = packed.chunks_exact_mut(block_bytes).skip(first);
        for (weights, (packed, scales)) in weights.chunks(BLOCK).zip(packed.zip(scales)) {
            let (scale, numbers) = round(weights, self.bits.most().0);
            scales[column] = scale;
            let numbers: [i16; BLOCK] = cast(numbers);
            for (i, number) in numbers.into_iter().enumerate() {
                let (pair, lane, half) = (i / 2, column % 4 * 2 + i % 2, column / 4);
                match (self.bits, self.tile) {
                    (Bits::Sixteen, _) => {
                        let at = ((pair * 2 + half) * 8 + lane) * size_of::<i16>();
                        packed[at..][..size_of::<i16>()].copy_from_slice(&number.to_ne_bytes());
                    }
                    (Bits::Eight, None) => packed[(pair * 8 + lane) * 2 + half] = number as u8,
                    (Bits::Eight, Some(_)) => {
                        packed[(pair * WIDE + column) * 2 + i % 2] = number as u8;
                    }
                }
            }
        }
    }

    /// `x W^T + bias`, by this thread: x is `[rows, inputs]`, out `[rows, outputs]`.
    pub fn multiply(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let cached = CACHED_BYTES / (size_of::<i16>() * self.inputs) + 1;
        let rows = cached.next_multiple_of(ROWS);
        for (x, out) in x.chunks(rows * self.inputs).zip(out.chunks_mut(rows * self.outputs)) {
            let x = Rows::new(x, self.inputs, self.bits.most().1);
            match (self.bits, self.tile) {
                (Bits::Sixteen, _) => self.multiply_rows::<Sixteen>(&x, bias, out),
                (Bits::Eight, None) => self.multiply_rows::<Eight>(&x, bias, out),
                (Bits::Eight, Some(tile)) => self.multiply_rows_by(tile, &x, bias, out),
            }
        }
    }

    /// The same by the portable tile.
    fn multiply_rows<S: Stored>(&self, x: &Rows, bias: &[f32], out: &mut [f32]) {
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
                let x = x.tiles(tile..tile + 1);
                let mut sums = [panel_bias; ROWS];
                multiply_tile::<S>(x, (weights, scales), &mut sums);
                for (out, sums) in out.chunks_exact_mut(self.outputs).zip(&sums) {
                    store(*sums, &mut out[column..][..columns]);
                }
            }
        }
    }

    /// The same by one of the machine's own.
    fn multiply_rows_by(&self, tile: Tile, x: &Rows, bias: &[f32], out: &mut [f32]) {
        let blocks = self.inputs.div_ceil(BLOCK);
        let packed: &[[[i8; 2 * WIDE]; PAIRS]] = cast_slice(&self.packed);
        let scales: &[[f32; WIDE]] = cast_slice(&self.scales);
        let panels = packed.chunks_exact(blocks).zip(scales.chunks_exact(blocks));
        for (column, panel) in (0..self.outputs).step_by(WIDE).zip(panels) {
            let columns = WIDE.min(self.outputs - column);
            let mut panel_bias = [0.0; WIDE];
            panel_bias[..columns].copy_from_slice(&bias[column..][..columns]);
            let mut rows = out.chunks_exact_mut(self.outputs);
            let tiles = rows.len().div_ceil(ROWS);
            let mut first = 0;
            while first < tiles {
                let after = first + tile.at_once(tiles - first);
                let mut sums = [[panel_bias; ROWS]; Tile::MOST];
                let sums = &mut sums[..after - first];
                tile.multiply(x.tiles(first..after), panel, sums);
                for (sums, out) in sums.as_flattened().iter().zip(&mut rows) {
                    let out = &mut out[column..][..columns];
                    match out.as_mut_array() {
                        Some(out) => *out = *sums,
                        None => out.copy_from_slice(&sums[..columns]),
                    }
                }
                first = after;
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

/// The weights of one output as [`Matrix::set_row`] rounds them to 8 bits: each integer times its
/// block's scale. Where a weight is not finite, none of its block is a number.
pub(super) fn rounded(weights: &[f32]) -> impl Iterator<Item = f32> {
    weights.chunks(BLOCK).flat_map(|weights| {
        let (scale, numbers) = round(weights, MOST_8.0);
        let numbers: [i16; BLOCK] = cast(numbers);
        numbers.into_iter().take(weights.len()).map(move |number| f32::from(number) * scale)
    })
}

/// Adds the products of a tile and a panel to `sums`. A function of its own: in a large one,
/// browsers' compilers would keep the sums on the stack.
#[inline(never)]
fn multiply_tile<S: Stored>(
    x: TileRows,
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
        Rows { blocks, pairs, scales }
    }

    /// Some tiles of them.
    fn tiles(&self, tiles: Range<usize>) -> TileRows<'_> {
        let blocks = self.blocks;
        let run = tiles.start * blocks..tiles.end * blocks;
        (&self.pairs[run.clone()], &self.scales[run])
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

    /// What there is to multiply with: both numbers of bits, and each tile of this machine.
    fn kinds() -> impl Iterator<Item = (Bits, Option<Tile>)> {
        let own = Tile::all().map(|tile| (Bits::Eight, Some(tile)));
        [(Bits::Sixteen, None), (Bits::Eight, None)].into_iter().chain(own)
    }

    fn matrix(kind: (Bits, Option<Tile>), weights: &[f32], inputs: usize) -> Matrix {
        let mut matrix = Matrix::zeros_for(kind, "w", inputs, weights.len() / inputs).unwrap();
        for (output, row) in weights.chunks_exact(inputs).enumerate() {
            matrix.set_row(output, row);
        }
        matrix
    }

    fn multiplied(matrix: &Matrix, x: &[f32], bias: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; x.len() / matrix.inputs * matrix.outputs];
        matrix.multiply(x, bias, &mut out);
        out
    }

    #[test]
    fn products_are_those_of_the_reference_implementation_and_rows_do_not_depend_on_others() {
        for kind in kinds() {
            let bound = if kind.0 == Bits::Sixteen { 1e-3 } else { 1e-2 };
            for (rows, inputs, outputs) in [(1, 128, 8), (9, 131, 21), (401, 70, 3), (6, 1, 1)] {
                let (x, w) = (numbers(rows * inputs, 5), numbers(outputs * inputs, 1));
                let bias = numbers(outputs, 3);
                let matrix = matrix(kind, &w, inputs);
                let out = multiplied(&matrix, &x, &bias);
                let expected = reference::matmul(&x, &w, &bias, inputs);
                for (got, expected) in out.iter().zip(&expected) {
                    let error = (got - expected).abs() / (inputs as f32).sqrt();
                    assert!(error <= bound, "{kind:?} {rows}x{inputs}x{outputs}: {error}");
                }
                for (row, together) in x.chunks_exact(inputs).zip(out.chunks_exact(outputs)) {
                    let alone = multiplied(&matrix, row, &bias);
                    assert_eq!(alone, together, "{kind:?} {rows}x{inputs}x{outputs}");
                }
            }
        }
    }

    #[test]
    fn each_tile_gives_the_bits_of_the_portable_one() {
        for (rows, inputs, outputs) in [(1, 64, 16), (3, 33, 17), (9, 131, 21), (67, 300, 45)] {
            let mut x = numbers(rows * inputs, 5);
            let (mut w, bias) = (numbers(outputs * inputs, 1), numbers(outputs, 3));
            // Scales of many sizes; a row, part of another and a column that are not finite.
            x.iter_mut().enumerate().for_each(|(i, x)| *x *= ((i / 7 % 20) as f32).exp2());
            w.iter_mut().enumerate().for_each(|(i, w)| *w *= ((i / 5 % 16) as f32).exp2());
            x[inputs / 2] = f32::INFINITY;
            x[(rows - 1) * inputs..][..2].fill(f32::NAN);
            w[3 * inputs] = f32::NEG_INFINITY;
            let bits = |out: Vec<f32>| -> Vec<Option<u32>> {
                out.into_iter().map(|x| (!x.is_nan()).then_some(x.to_bits())).collect()
            };
            let expected = bits(multiplied(&matrix((Bits::Eight, None), &w, inputs), &x, &bias));
            assert_eq!(rows > 2, expected.iter().any(Option::is_some));
            assert!(expected.iter().any(Option::is_none));
            for tile in Tile::all() {
                let matrix = matrix((Bits::Eight, Some(tile)), &w, inputs);
                let got = bits(multiplied(&matrix, &x, &bias));
                assert_eq!(got, expected, "{} {rows}x{inputs}x{outputs}", tile.name());
            }
        }
    }

    #[test]
    fn rounded_weights_are_those_that_a_matrix_stores() {
        let (inputs, outputs) = (2 * BLOCK + 7, 21);
        let mut w = numbers(outputs * inputs, 1);
        w.iter_mut().enumerate().for_each(|(i, w)| *w *= ((i / 5 % 16) as f32).exp2());
        // A row of zeros but for one number reads a column; that of a block so small is zero.
        w[..BLOCK].fill(f32::MIN_POSITIVE);
        let mut x = vec![0.0; inputs * inputs];
        (0..inputs).for_each(|i| x[i * inputs + i] = 1.0);
        for kind in kinds().filter(|(bits, _)| *bits == Bits::Eight) {
            let stored = multiplied(&matrix(kind, &w, inputs), &x, &vec![0.0; outputs]);
            for (output, row) in w.chunks_exact(inputs).enumerate() {
                let column = stored.iter().skip(output).step_by(outputs);
                assert_eq!(rounded(row).count(), inputs);
                for (rounded, stored) in rounded(row).zip(column) {
                    // Both scales, their product and the sum's are rounded, each once.
                    let error = (rounded - stored).abs();
                    assert!(error <= 3.0 * f32::EPSILON * rounded.abs(), "{rounded}: {stored}");
                }
            }
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let inputs = 3 * BLOCK;
        for kind in kinds() {
            for (x, w) in [(1e30, 1e-30), (-7.0, 3.0), (-1e-30, -1e30), (f32::MIN_POSITIVE, 1.0)] {
                let out =
                    multiplied(&matrix(kind, &vec![w; inputs], inputs), &vec![x; inputs], &[0.5]);
                let expected = f64::from(x) * f64::from(w) * inputs as f64 + 0.5;
                let error = (f64::from(out[0]) - expected).abs() / expected.abs();
                assert!(error <= 1e-6, "{kind:?}: {x} times {w}: {} for {expected}", out[0]);
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_none() {
        for kind in kinds() {
            let matrix = matrix(kind, &[1.0; 8], 8);
            for bad in [f32::NAN, f32::INFINITY] {
                let x = [1.0, bad, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
                let out = multiplied(&matrix, &x, &[0.0]);
                assert!(!out[0].is_finite(), "{kind:?}: {bad} gave {}", out[0]);
            }
        }
    }
}
