//! Products of small f32 matrices. Crates that multiply f32 reach a half to two thirds of this in
//! WebAssembly.

use bytemuck::cast;
use wide::f32x4;

use crate::products::{View, store};

/// Rows and columns of a tile: its eight sums and what they are made of fill the sixteen
/// registers of x86.
const ROWS: usize = 4;
const COLUMNS: usize = 8;

/// One copy of it serves attention and dense layers.
#[inline(never)]
pub fn multiply(a: View, b: View, out: &mut [f32]) {
    let mut panel = vec![[0.0; COLUMNS]; b.rows];
    for column in (0..b.columns).step_by(COLUMNS) {
        let columns = COLUMNS.min(b.columns - column);
        pack(b, column, columns, &mut panel);
        for (tile, out) in out.chunks_mut(ROWS * b.columns).enumerate() {
            let row = tile * ROWS;
            match out.len() / b.columns {
                1 => multiply_tile::<1>(a, row, &panel, column, columns, out),
                2 => multiply_tile::<2>(a, row, &panel, column, columns, out),
                3 => multiply_tile::<3>(a, row, &panel, column, columns, out),
                _ => multiply_tile::<ROWS>(a, row, &panel, column, columns, out),
            }
        }
    }
}

/// Some columns of `b`, side by side.
fn pack(b: View, first: usize, columns: usize, panel: &mut [[f32; COLUMNS]]) {
    if columns == COLUMNS && b.strides[1] == 1 {
        for (k, packed) in panel.iter_mut().enumerate() {
            let row = &b.data[k * b.strides[0] + first..];
            *packed = *row.first_chunk().expect("the view is inside its data");
        }
        return;
    }
    // Column by column: a vector read right after its numbers were written would wait for them.
    for column in 0..columns {
        let numbers = &b.data[(first + column) * b.strides[1]..];
        for (packed, number) in panel.iter_mut().zip(numbers.iter().step_by(b.strides[0])) {
            packed[column] = *number;
        }
    }
}

#[inline]
fn multiply_tile<const R: usize>(
    a: View,
    first: usize,
    panel: &[[f32; COLUMNS]],
    column: usize,
    columns: usize,
    out: &mut [f32],
) {
    assert_eq!(a.strides[1], 1);
    let rows: [&[f32]; R] =
        std::array::from_fn(|r| &a.data[(first + r) * a.strides[0]..][..panel.len()]);
    let mut sums = [[f32x4::ZERO; 2]; R];
    for (k, b) in panel.iter().enumerate() {
        let b: [f32x4; 2] = cast(*b);
        for (row, sums) in rows.iter().zip(&mut sums) {
            let a = f32x4::splat(row[k]);
            sums[0] += a * b[0];
            sums[1] += a * b[1];
        }
    }
    let width = out.len() / R;
    for (out, sums) in out.chunks_exact_mut(width).zip(sums) {
        store(sums, &mut out[column..][..columns]);
    }
}
