//! Products of small f32 matrices, as attention needs them.

use bytemuck::cast;
use wide::f32x4;

/// A matrix somewhere in `data`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    /// From a number to the one below it, and to the one on its right.
    pub strides: [usize; 2],
}

/// The first numbers of `sums`, into all of `out`.
#[inline]
pub(super) fn store(sums: [f32x4; 2], out: &mut [f32]) {
    let sums: [f32; 8] = cast(sums);
    match out.as_mut_array() {
        Some(out) => *out = sums,
        None => store_some(&sums, out),
    }
}

/// Inlined it would be one with the copy of all, of a length that is not known: a slow call out of
/// WebAssembly.
#[inline(never)]
fn store_some(sums: &[f32], out: &mut [f32]) {
    out.copy_from_slice(&sums[..out.len()]);
}

/// `a b`, into `out`, `[a.rows, b.columns]`.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn multiply(a: View, b: View, out: &mut [f32]) {
    use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
    use rten_tensor::NdTensorView;
    fn matrix(view: View) -> NdTensorView<f32, 2> {
        let shape = [view.rows, view.columns];
        NdTensorView::from_slice_with_strides(shape, view.data, view.strides)
            .expect("the view is inside its data")
    }
    let (a, b) = (GemmInputA::Unpacked(matrix(a)), GemmInputB::Unpacked(matrix(b)));
    GemmExecutor::<f32>::default()
        .gemm(out, a, b, GemmOptions::default())
        .expect("the shapes were made to fit");
}

#[cfg(target_arch = "wasm32")]
pub(super) use portable::multiply;

/// For WebAssembly, where crates that multiply f32 reach a half to two thirds of this.
#[cfg(any(test, target_arch = "wasm32"))]
mod portable {
    use bytemuck::cast;
    use wide::f32x4;

    use super::{View, store};

    /// Rows and columns of a tile: its eight sums and what they are made of fill the sixteen
    /// registers of x86.
    const ROWS: usize = 4;
    const COLUMNS: usize = 8;

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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    #[test]
    fn both_multiply_like_the_twin() {
        let numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|i| ((i * 37 + 11) % 101) as f32 / 50.0 - 1.0).collect()
        };
        for (rows, inner, columns) in [(1, 64, 64), (9, 25, 11), (6, 3, 1), (4, 8, 16), (7, 1, 9)] {
            // The matrices stand inside of wider ones; b lies there both ways.
            let (a_width, b_width) = (inner + 3, inner.max(columns) + 2);
            let (a_data, b_data) = (numbers(rows * a_width), numbers(b_width * b_width));
            for b_strides in [[b_width, 1], [1, b_width]] {
                let a = View { data: &a_data, rows, columns: inner, strides: [a_width, 1] };
                let b = View { data: &b_data, rows: inner, columns, strides: b_strides };
                let dense: Vec<f32> =
                    a_data.chunks(a_width).flat_map(|row| &row[..inner]).copied().collect();
                let columns_of_b: Vec<f32> = (0..columns)
                    .flat_map(|column| (0..inner).map(move |k| (k, column)))
                    .map(|(k, column)| b_data[k * b_strides[0] + column * b_strides[1]])
                    .collect();
                let expected = reference::matmul(&dense, &columns_of_b, &vec![0.0; columns], inner);
                for multiply in [multiply, portable::multiply] {
                    let mut out = vec![f32::NAN; rows * columns];
                    multiply(a, b, &mut out);
                    for (got, expected) in out.iter().zip(&expected) {
                        let error = (got - expected).abs();
                        assert!(error <= 1e-5, "{rows}x{inner}x{columns}: {got} for {expected}");
                    }
                }
            }
        }
    }
}
