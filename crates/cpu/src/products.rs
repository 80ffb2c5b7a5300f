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

#[cfg(test)]
mod tests {
    use cappy::reference;

    use super::*;
    use crate::{Numbers, native, portable};

    #[test]
    fn both_multiply_as_the_reference_implementation_does() {
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
                for multiply in [native::multiply, portable::multiply] {
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

    #[test]
    fn f32_matrices_multiply_as_the_reference_implementation_does() {
        let numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|i| ((i * 29 + 3) % 97) as f32 / 48.0 - 1.0).collect()
        };
        for (rows, inputs, outputs) in [(1, 5, 3), (7, 33, 12)] {
            let (x, w, bias) =
                (numbers(rows * inputs), numbers(outputs * inputs), numbers(outputs));
            let expected = reference::matmul(&x, &w, &bias, inputs);
            let mut outs = [const { Vec::new() }; 2];
            outs.iter_mut().for_each(|out| *out = vec![f32::NAN; rows * outputs]);
            native::FloatMatrix::by(None, &w, inputs).multiply(&x, &bias, &mut outs[0]);
            let matrix = portable::FloatMatrix::new(w.clone(), inputs);
            matrix.multiply(&x, &bias, &mut outs[1]);
            assert_eq!(matrix.bytes(), 4 * inputs * outputs);
            for (got, expected) in outs.iter().flat_map(|out| out.iter().zip(&expected)) {
                let error = (got - expected).abs();
                assert!(error <= 1e-5, "{rows}x{inputs}x{outputs}: {got} for {expected}");
            }
        }
        assert!(!native::FloatMatrix::kernel().is_empty());
        assert_eq!(portable::FloatMatrix::kernel(), "portable");
        assert_eq!([native::NUMBERS, portable::NUMBERS], [Numbers::F32, Numbers::I16]);
        assert_eq!(native::expands_8_bits(), native::FloatMatrix::kernel() == "amx");
        assert!(!portable::expands_8_bits());
    }

    #[test]
    fn work_is_shared_out_without_a_gap() {
        fn fill(chunks: impl Fn(&mut [f32])) -> Vec<f32> {
            let mut out = vec![0.0; 11];
            chunks(&mut out);
            out
        }
        let work = |index: usize, run: &mut [f32]| run.fill(1.0 + index as f32);
        let expected = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0];
        assert_eq!(fill(|out| native::chunks(out, 4, work)), expected);
        assert_eq!(fill(|out| portable::chunks(out, 4, work)), expected);
        let mut parts: [Vec<&mut [f32]>; 2] = [const { Vec::new() }; 2];
        let mut out = [[0.0; 5], [0.0; 5]];
        for (parts, out) in parts.iter_mut().zip(&mut out) {
            let (left, right) = out.split_at_mut(2);
            parts.extend([left, right]);
        }
        let [by_threads, by_one] = parts;
        native::each(by_threads, |part| part.fill(part.len() as f32));
        portable::each(by_one, |part| part.fill(part.len() as f32));
        assert_eq!(out, [[2.0, 2.0, 3.0, 3.0, 3.0]; 2]);
        assert!(native::threads() >= portable::threads());
    }
}
