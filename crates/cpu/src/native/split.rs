//! Dense layers of f32 by a matrix unit of bfloat16 ([`Amx`]): each number is the sum of two such
//! numbers, the nearest one and the nearest to what that leaves.
//!
//! Two of them have 16 bits of a number's 24, so they leave at most 2^-17 of it; an f16 is their sum
//! exactly. Of the four products the one of both lower halves is left out, at most 2^-16 of the whole.
//! Sums are of f32. A row's result does not depend on the rows beside it.

#![allow(dead_code, reason = "a machine without a unit has no use for parts of it")]

use std::array::from_fn;
use std::cell::RefCell;

use bytemuck::{Pod, Zeroable};

use crate::tile::amx::Amx;

/// Rows of a tile, and columns of half a panel.
pub(crate) const ROWS: usize = 16;

/// Outputs of a panel: two tiles.
const COLUMNS: usize = 2 * ROWS;

/// Inputs of a block.
const DEPTH: usize = 32;

/// A line of a cache: [`DEPTH`] numbers of a row, or pairs of neighbouring inputs of [`ROWS`] columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([u16; DEPTH]);

/// [`ROWS`] rows of a block, or [`ROWS`] columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Tile {
    high: [Line; ROWS],
    low: [Line; ROWS],
}

/// Two tiles of columns, side by side.
pub(crate) type Panel = [Tile; 2];

/// What a tile of rows and a panel add up to.
pub(crate) type Sums = [[f32; COLUMNS]; ROWS];

/// A matrix, `[outputs, inputs]`.
pub(crate) struct Matrix {
    unit: Amx,
    inputs: usize,
    panels: Vec<Panel>, // [panels, blocks]
}

impl Matrix {
    /// Takes `numbers`, `[outputs, inputs]`.
    pub fn new(unit: Amx, numbers: &[f32], inputs: usize) -> Matrix {
        let blocks = inputs.div_ceil(DEPTH);
        let outputs = numbers.len() / inputs;
        let mut panels = vec![Panel::zeroed(); outputs.div_ceil(COLUMNS) * blocks];
        for (output, row) in numbers.chunks_exact(inputs).enumerate() {
            let (panel, tile, column) = (output / COLUMNS, output / ROWS % 2, output % ROWS);
            let panel = &mut panels[panel * blocks..][..blocks];
            for (numbers, panel) in row.chunks(DEPTH).zip(panel) {
                let Tile { high, low } = &mut panel[tile];
                let split = split(numbers);
                for (half, line) in [(high, split.0), (low, split.1)] {
                    for (pair, pairs) in line.0.chunks_exact(2).zip(half) {
                        pairs.0[2 * column..][..2].copy_from_slice(pair);
                    }
                }
            }
        }
        Matrix { unit, inputs, panels }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.panels[..])
    }

    /// `x W^T + bias`, into `out`, `[rows, outputs]`, by this thread.
    pub fn multiply(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        thread_local! {
            /// Kept, so that it need not be filled with zeros each time.
            static TILES: RefCell<Vec<Tile>> = const { RefCell::new(Vec::new()) };
        }
        TILES.with_borrow_mut(|tiles| self.multiply_by(x, bias, out, tiles));
    }

    fn multiply_by(&self, x: &[f32], bias: &[f32], out: &mut [f32], tiles: &mut Vec<Tile>) {
        let (blocks, outputs) = (self.inputs.div_ceil(DEPTH), bias.len());
        let unit = self.unit.ready();
        let tiles = unit.split_rows(x, self.inputs, tiles);
        let mut sums = [[[0.0; COLUMNS]; ROWS]; 2];
        let mut panels = self.panels.chunks_exact(blocks).peekable();
        let mut first = 0;
        while let Some(panel) = panels.next() {
            let columns = first..outputs.min(first + COLUMNS);
            first = columns.end;
            let next = panels.peek().copied().unwrap_or(panel);
            let of_two = tiles.chunks(2 * blocks).zip(out.chunks_mut(2 * ROWS * outputs));
            for (turn, (tiles, out)) in of_two.enumerate() {
                let (rows, others) = tiles.split_at(blocks);
                // A single tile is multiplied twice: so little is left over only at the end.
                let others = if others.is_empty() { rows } else { others };
                // Each turn fetches a quarter of the next panel.
                let coming = &next[(turn * blocks / 4).min(blocks - 1)..];
                unit.multiply([rows, others], panel, coming, &mut sums);
                unit.store(&sums, &bias[columns.clone()], columns.start, out, outputs);
            }
        }
    }
}

/// Stores the sums of up to two tiles of rows and of the columns from `first` on, as many as `bias` is
/// long, added to it. `out` is `[rows, outputs]`. It is inlined where the instructions are known.
#[inline(always)]
pub(crate) fn store(sums: &[Sums; 2], bias: &[f32], first: usize, out: &mut [f32], outputs: usize) {
    for (out, sums) in out.chunks_exact_mut(outputs).zip(sums.as_flattened()) {
        let out = &mut out[first..][..bias.len()];
        match (out.as_mut_array::<COLUMNS>(), bias.as_array::<COLUMNS>()) {
            (Some(out), Some(bias)) => *out = from_fn(|i| sums[i] + bias[i]),
            _ => {
                out.iter_mut().zip(sums).zip(bias).for_each(|((out, sum), bias)| *out = sum + bias)
            }
        }
    }
}

/// Rows of `width` numbers in tiles, `[tiles, blocks]`, in the room of `tiles`. Rows that are missing in
/// the last ones are left as they were. It is inlined where the instructions are known.
#[inline(always)]
pub(crate) fn split_rows<'a>(x: &[f32], width: usize, tiles: &'a mut Vec<Tile>) -> &'a [Tile] {
    let blocks = width.div_ceil(DEPTH);
    let count = x.len().div_ceil(ROWS * width) * blocks;
    if tiles.len() < count {
        tiles.resize(count, Tile::zeroed());
    }
    let tiles = &mut tiles[..count];
    for (rows, tiles) in x.chunks(ROWS * width).zip(tiles.chunks_exact_mut(blocks)) {
        for (row, numbers) in rows.chunks_exact(width).enumerate() {
            for (numbers, tile) in numbers.chunks(DEPTH).zip(&mut *tiles) {
                (tile.high[row], tile.low[row]) = split(numbers);
            }
        }
    }
    tiles
}

/// Up to [`DEPTH`] numbers in halves, and zeros.
#[inline(always)]
fn split(numbers: &[f32]) -> (Line, Line) {
    let numbers = numbers.as_array::<DEPTH>().copied().unwrap_or_else(|| {
        let mut padded = [0.0; DEPTH];
        padded[..numbers.len()].copy_from_slice(numbers);
        padded
    });
    let (mut upper, mut lower) = ([0; DEPTH], [0; DEPTH]);
    for ((upper, lower), number) in upper.iter_mut().zip(&mut lower).zip(numbers) {
        *upper = nearest(number);
        *lower = nearest(number - f32::from_bits(u32::from(*upper) << 16));
    }
    (Line(upper), Line(lower))
}

/// The bits of the bfloat16 nearest to `number`, of two the even one.
#[inline(always)]
fn nearest(number: f32) -> u16 {
    let bits = number.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // Rounded up, the bits of what is not a number could be those of one.
    (if number.is_nan() { f32::NAN.to_bits() } else { rounded } >> 16) as u16
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::native::FloatMatrix;

    fn numbers(count: usize, salt: usize) -> Vec<f32> {
        (0..count).map(|i| (((i + salt) * 7919 + 13) % 2003) as f32 / 1000.0 - 1.0).collect()
    }

    fn number(half: u16) -> f32 {
        f32::from_bits(u32::from(half) << 16)
    }

    /// What multiplies on this machine; the unit is not on every one.
    fn matrices(w: &[f32], inputs: usize) -> Vec<FloatMatrix> {
        let units = [None].into_iter().chain(Amx::find().map(Some));
        units.map(|unit| FloatMatrix::by(unit, w, inputs)).collect()
    }

    fn multiplied(matrix: &FloatMatrix, x: &[f32], inputs: usize, bias: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; x.len() / inputs * bias.len()];
        matrix.multiply(x, bias, &mut out);
        out
    }

    #[test]
    fn halves_are_an_f16_exactly_and_an_f32_nearly() {
        for bits in 0..=u16::MAX {
            let number_of = f16::from_bits(bits).to_f32();
            let (high, low) = split(&[number_of]);
            let sum = number(high.0[0]) + number(low.0[0]);
            assert!(sum == number_of || !sum.is_finite() && !number_of.is_finite(), "{number_of}");
        }
        for x in numbers(2003, 0).into_iter().chain([1e30, -1e-30, 0.1, f32::MIN_POSITIVE]) {
            let (high, low) = split(&[x]);
            let sum = f64::from(number(high.0[0])) + f64::from(number(low.0[0]));
            assert!(
                (sum - f64::from(x)).abs() <= f64::from(x.abs()) / f64::from(1 << 17),
                "{x}: {sum}"
            );
        }
    }

    #[test]
    fn products_are_those_of_f64_and_rows_do_not_depend_on_others() {
        for (rows, inputs, outputs) in
            [(1, 128, 8), (9, 131, 21), (16, 64, 32), (33, 70, 33), (401, 384, 100), (6, 1, 1)]
        {
            let (x, w) = (numbers(rows * inputs, 5), numbers(outputs * inputs, 1));
            let bias = numbers(outputs, 3);
            for matrix in matrices(&w, inputs) {
                let out = multiplied(&matrix, &x, inputs, &bias);
                for (row, x) in x.chunks_exact(inputs).enumerate() {
                    for (output, w) in w.chunks_exact(inputs).enumerate() {
                        let products = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                        let expected = products.clone().sum::<f64>() + f64::from(bias[output]);
                        let got = f64::from(out[row * outputs + output]);
                        // What halves leave of both factors, and the product of both lower ones.
                        let of_split = products.map(f64::abs).sum::<f64>() / f64::from(1 << 15);
                        let error = (got - expected).abs();
                        assert!(
                            error <= of_split + 1e-6,
                            "{rows}x{inputs}x{outputs}: {got} for {expected}"
                        );
                    }
                    let alone = multiplied(&matrix, x, inputs, &bias);
                    assert_eq!(alone, out[row * outputs..][..outputs], "{rows}x{inputs}x{outputs}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_none_and_spoils_its_row_alone() {
        let (rows, inputs, outputs) = (35, 40, 34);
        let (w, bias) = (numbers(outputs * inputs, 1), vec![0.0; outputs]);
        // The bits of the last would be those of zero if they were rounded up.
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(u32::MAX >> 1)] {
            let mut x = numbers(rows * inputs, 5);
            x[17 * inputs + 33] = bad;
            for matrix in matrices(&w, inputs) {
                let out = multiplied(&matrix, &x, inputs, &bias);
                for (row, out) in out.chunks_exact(outputs).enumerate() {
                    assert!(out.iter().all(|out| out.is_finite() == (row != 17)), "{bad}: {row}");
                }
            }
        }
    }
}
