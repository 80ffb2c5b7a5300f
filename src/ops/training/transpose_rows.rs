//! Transposes a gradient and rounds it to f16, each column scaled by a power of two of its own.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::training::transpose_rows::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    stride4: u32,
    out_stride4: u32,
}

/// `out[column, row] = x[row, column] / scales[column]` for the first `rows` rows: x is f32
/// `[rows, width]`, out f16 with a row for every column and `rows` wide, scales f32, powers of two,
/// as many as the stride of x.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn transpose_rows(
    label: &'static str,
    rows: usize,
    x: &Matrix,
    scales: &Buffer,
    out: &Matrix,
) -> Result<Step> {
    let stride = stride(x.width);
    let fits = rows <= x.rows
        && out.rows >= stride
        && out.width == rows
        && scales.size() >= 4 * stride as u64
        && x.storage == Storage::F32
        && out.storage == Storage::F16;
    check(KERNEL.name, label, fits)?;
    let params =
        Params { rows: rows as u32, stride4: stride4(x.width), out_stride4: stride4(rows) };
    let numbers = (rows * x.width) as u64;
    let work = Work { flops: 2 * numbers, bytes: 6 * numbers };
    let buffers = [&x.buffer, scales, &out.buffer];
    Ok(step(
        &KERNEL,
        label,
        &params,
        &buffers,
        [params.stride4.div_ceil(WORKGROUP_SIZE), 1, 1],
        work,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};

    #[test]
    fn columns_of_any_size_come_back_as_rows() {
        for gpu in testing::gpus() {
            for (rows, width) in [(1, 1), (5, 70), (130, 9)] {
                let mut x = Case::new(width).values(rows * width, 1.0);
                let sizes = [1e-12, 3.0, 1e-30, 0.0, 7e9];
                for (at, value) in x.iter_mut().enumerate() {
                    *value *= sizes[at % width % 5];
                }
                let (scales, got) = testing::block_on(async {
                    let x = testing::matrix(&gpu, &x, width, Storage::F32).await?;
                    let scales = gpu.buffer("scales", 4 * stride(width) as u64)?;
                    let out = Matrix::zeros(&gpu, "out", stride(width) + 1, rows, Storage::F16)?;
                    testing::poison(&gpu, &out).await?;
                    let steps = vec![transpose_rows("test", rows, &x, &scales, &out)?];
                    let got = testing::run(&gpu, steps, &out, stride(width)).await?;
                    Ok((gpu.read_f32(&scales, stride(width)).await?, got))
                });
                for column in 0..stride(width) {
                    for row in 0..rows {
                        let got = got[column * rows + row] * scales[column];
                        let expected = if column < width { x[row * width + column] } else { 0.0 };
                        let error = (got - expected).abs();
                        let size = sizes[column % 5];
                        assert!(
                            error <= expected.abs() * 4.9e-4 + size * 1e-11,
                            "{got}, {expected}"
                        );
                    }
                }
            }
        }
    }
}
