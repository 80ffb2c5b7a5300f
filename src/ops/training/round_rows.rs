//! Rounds the rows of a gradient to f16, each scaled by a power of two of its own.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::training::round_rows::KERNEL;
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
}

/// `out[row] = x[row] / scales[row]` for the first `rows` rows: x is f32, out f16, scales `[rows]`
/// f32, powers of two.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn round_rows(
    label: &'static str,
    rows: usize,
    x: &Matrix,
    scales: &Buffer,
    out: &Matrix,
) -> Result<Step> {
    let fits = rows <= x.rows
        && rows <= out.rows
        && x.width == out.width
        && scales.size() >= 4 * rows as u64
        && x.storage == Storage::F32
        && out.storage == Storage::F16;
    check(KERNEL.name, label, fits)?;
    let params = Params { stride4: stride4(x.width) };
    let numbers = (rows * x.width) as u64;
    let work = Work { flops: 2 * numbers, bytes: 6 * numbers };
    let buffers = [&x.buffer, scales, &out.buffer];
    Ok(step(&KERNEL, label, &params, &buffers, [rows as u32, 1, 1], work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};

    #[test]
    fn rows_of_any_size_come_back_with_all_their_digits() {
        for gpu in testing::gpus() {
            for (rows, width) in [(1, 1), (5, 70), (9, 257)] {
                let mut x = Case::new(width).values(rows * width, 1.0);
                for (row, size) in
                    x.chunks_mut(width).zip([1e-12, 3.0, 1e-30, 0.0, 7e9].iter().cycle())
                {
                    row.iter_mut().for_each(|value| *value *= size);
                }
                let (scales, got) = testing::block_on(async {
                    let x = testing::matrix(&gpu, &x, width, Storage::F32).await?;
                    let scales = gpu.buffer("scales", 4 * rows as u64)?;
                    let out = Matrix::zeros(&gpu, "out", rows + 1, width, Storage::F16)?;
                    testing::poison(&gpu, &out).await?;
                    let steps = vec![round_rows("test", rows, &x, &scales, &out)?];
                    let got = testing::run(&gpu, steps, &out, rows).await?;
                    Ok((gpu.read_f32(&scales, rows).await?, got))
                });
                for ((row, got), scale) in x.chunks(width).zip(got.chunks(width)).zip(&scales) {
                    assert_eq!(scale.to_bits() & 0x7f_ffff, 0, "{scale} is a power of two");
                    let largest = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                    for (x, got) in row.iter().zip(got) {
                        let error = (got * scale - x).abs();
                        // Half of f16's last digit, and what is 2^-37 of the largest.
                        assert!(
                            error <= x.abs() * 4.9e-4 + largest * 1e-11,
                            "{x} became {}",
                            got * scale
                        );
                    }
                }
            }
        }
    }
}
