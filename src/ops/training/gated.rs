//! The gate of a gated feed-forward network by itself, for a forward pass that saves its inputs and gates: one half
//! of a row, activated, times the other half.

use bytemuck::{Pod, Zeroable};

use super::activation_backward::number_of;
use super::step;
use crate::config::Activation;
use crate::error::Result;
use crate::gpu::{Step, Work};
use crate::ops::matmul::gated_width;
use crate::ops::shaders::training::gated::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    gate4: u32,
    out_stride4: u32,
    activation: u32,
}

/// `out[..rows] = activation(x) * gate`, where a row of `x` (f32) is the inputs and, after their padding to a
/// multiple of four, the gates. Both are copied into `saved`, rounded to f16; `out` is f16, too.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn gated(
    label: &'static str,
    activation: Activation,
    rows: usize,
    x: &Matrix,
    saved: &Matrix,
    out: &Matrix,
) -> Result<Step> {
    check(
        KERNEL.name,
        label,
        rows <= x.rows.min(saved.rows).min(out.rows)
            && x.width == gated_width(out.width)
            && saved.width == x.width
            && x.storage == Storage::F32
            && saved.storage == Storage::F16
            && out.storage == Storage::F16,
    )?;
    let params = Params {
        stride4: stride4(x.width),
        gate4: (x.width / 8) as u32,
        out_stride4: stride4(out.width),
        activation: number_of(activation),
    };
    let numbers = (rows * out.width) as u64;
    let work = Work { flops: 8 * numbers, bytes: 14 * numbers };
    let workgroups = [params.gate4.div_ceil(WORKGROUP_SIZE), rows as u32, 1];
    Ok(step(&KERNEL, label, &params, &[&x.buffer, &saved.buffer, &out.buffer], workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn equals_the_reference_at_awkward_sizes_with_every_activation() {
        for gpu in testing::gpus() {
            for (rows, width) in [(1, 1), (3, 5), (17, 106), (2, 333)] {
                for by in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
                    let x = Case::new(width).values(rows * 2 * width, 3.0);
                    let expected =
                        reference::modernbert::gated(&x, width, reference::activation(by));
                    let half = gated_width(width) / 2;
                    let mut padded = Vec::new();
                    for part in x.chunks_exact(width) {
                        padded.extend_from_slice(part);
                        padded.resize(padded.len() + half - width, 0.0);
                    }
                    let (got, saved) = testing::block_on(async {
                        let x = testing::matrix(&gpu, &padded, 2 * half, Storage::F32).await?;
                        let saved = Matrix::zeros(&gpu, "saved", rows + 1, 2 * half, Storage::F16)?;
                        testing::poison(&gpu, &saved).await?;
                        let out = Matrix::zeros(&gpu, "out", rows + 1, width, Storage::F16)?;
                        testing::poison(&gpu, &out).await?;
                        let step = gated("test", by, rows, &x, &saved, &out)?;
                        let got = testing::run(&gpu, vec![step.clone()], &out, rows).await?;
                        Ok((got, testing::run(&gpu, vec![step], &saved, rows).await?))
                    });
                    testing::assert_close(&saved, &padded, 5e-4);
                    testing::assert_close(&got, &expected, 2e-3);
                }
            }
        }
    }
}
