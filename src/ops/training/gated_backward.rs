//! The backward pass of a gated feed-forward network's gate.

use bytemuck::{Pod, Zeroable};

use super::activation_backward::number_of;
use super::step;
use crate::config::Activation;
use crate::error::Result;
use crate::gpu::{Step, Work};
use crate::ops::matmul::gated_width;
use crate::ops::shaders::training::gated_backward::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    gate4: u32,
    d_stride4: u32,
    activation: u32,
}

/// The gradient of [`super::gated::gated`] by its `x` (f16), from that of its result, `d_y` (f32):
/// a row of `d_x` (f32) is laid out as one of `x`, the inputs and then the gates.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn gated_backward(
    label: &'static str,
    activation: Activation,
    rows: usize,
    x: &Matrix,
    d_y: &Matrix,
    d_x: &Matrix,
) -> Result<Step> {
    let fits = rows <= x.rows.min(d_y.rows).min(d_x.rows)
        && x.width == gated_width(d_y.width)
        && d_x.width == x.width
        && x.storage == Storage::F16
        && d_y.storage == Storage::F32
        && d_x.storage == Storage::F32;
    check(KERNEL.name, label, fits)?;
    let params = Params {
        stride4: stride4(x.width),
        gate4: (x.width / 8) as u32,
        d_stride4: stride4(d_y.width),
        activation: number_of(activation),
    };
    let numbers = (rows * d_y.width) as u64;
    let work = Work { flops: 40 * numbers, bytes: 16 * numbers };
    let workgroups = [params.gate4.div_ceil(WORKGROUP_SIZE), rows as u32, 1];
    Ok(step(&KERNEL, label, &params, &[&x.buffer, &d_y.buffer, &d_x.buffer], workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Gpu;
    use crate::ops::testing::{self, Case, NOT_FINITE, spoil};
    use crate::reference;

    /// Rows of two halves with each half padded to a multiple of four.
    fn padded(rows: &[f32], width: usize) -> Vec<f32> {
        let pad = |half: &[f32]| {
            let mut half = half.to_vec();
            half.resize(width.next_multiple_of(4), 0.0);
            half
        };
        rows.chunks_exact(width).flat_map(pad).collect()
    }

    fn gradient(gpu: &Gpu, by: Activation, x: &[f32], d_y: &[f32], width: usize) -> Vec<f32> {
        let (rows, wide) = (d_y.len() / width, gated_width(width));
        testing::block_on(async {
            let x = testing::matrix(gpu, &padded(x, width), wide, Storage::F16).await?;
            let d_y = testing::matrix(gpu, d_y, width, Storage::F32).await?;
            let d_x = Matrix::zeros(gpu, "d_x", rows + 1, wide, Storage::F32)?;
            testing::poison(gpu, &d_x).await?;
            let step = gated_backward("test", by, rows, &x, &d_y, &d_x)?;
            testing::run(gpu, vec![step], &d_x, rows).await
        })
    }

    #[test]
    fn equals_the_reference_at_awkward_sizes_with_every_activation() {
        for gpu in testing::gpus() {
            for (rows, width) in [(1, 1), (3, 5), (17, 106), (2, 333)] {
                for by in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
                    let mut case = Case::new(width);
                    let x = case.f16_values(rows * 2 * width, 3.0);
                    let d_y = case.values(rows * width, 1.0);
                    let expected = reference::backward::gated_backward(by, &x, &d_y, width);
                    let got = gradient(&gpu, by, &x, &d_y, width);
                    testing::assert_close(&got, &padded(&expected, width), 2e-6);
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_stays_so_in_both_halves() {
        let (rows, width) = (3, 72);
        for gpu in testing::gpus() {
            for (value, by) in NOT_FINITE.into_iter().flat_map(|value| {
                [Activation::Gelu, Activation::GeluTanh, Activation::Relu].map(|by| (value, by))
            }) {
                let numbers = Case::new(4).f16_values(rows * 2 * width, 1.0);
                let got = testing::block_on(async {
                    let x = testing::matrix(&gpu, &numbers, 2 * width, Storage::F16).await?;
                    spoil(&gpu, &x, 1, 6, value).await?;
                    let ones = vec![1.0; rows * width];
                    let d_y = testing::matrix(&gpu, &ones, width, Storage::F32).await?;
                    let d_x = Matrix::zeros(&gpu, "d_x", rows + 1, 2 * width, Storage::F32)?;
                    testing::poison(&gpu, &d_x).await?;
                    let step = gated_backward("test", by, rows, &x, &d_y, &d_x)?;
                    testing::run(&gpu, vec![step], &d_x, rows).await
                });
                for (at, number) in got.iter().enumerate() {
                    let (row, column) = (at / (2 * width), at % width);
                    let spoiled = row == 1 && (6..8).contains(&column);
                    assert_eq!(number.is_finite(), !spoiled, "{by:?} {value}: {number} at {at}");
                }
            }
        }
    }
}
