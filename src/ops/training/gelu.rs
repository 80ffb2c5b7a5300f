//! GELU by itself, for a forward pass that saves its input.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Step, Work};
use crate::ops::shaders::training::gelu::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
}

/// `out = x/2 (1 + erf(x / sqrt 2))` for the first `rows` rows; both are f16.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn gelu(label: &'static str, rows: usize, x: &Matrix, out: &Matrix) -> Result<Step> {
    let fits = rows <= x.rows
        && rows <= out.rows
        && x.width == out.width
        && x.storage == Storage::F16
        && out.storage == Storage::F16;
    check(KERNEL.name, label, fits)?;
    let params = Params { stride4: stride4(x.width) };
    let numbers = (rows * x.width) as u64;
    let work = Work { flops: 20 * numbers, bytes: 4 * numbers };
    let workgroups = [params.stride4.div_ceil(WORKGROUP_SIZE), rows as u32, 1];
    Ok(step(&KERNEL, label, &params, &[&x.buffer, &out.buffer], workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn equals_the_reference_at_awkward_sizes() {
        for gpu in testing::gpus() {
            for (rows, width) in [(1, 1), (5, 70), (9, 257)] {
                let x = Case::new(width).f16_values(rows * width, 6.0);
                let expected: Vec<f32> = x.iter().map(|&x| reference::gelu(x)).collect();
                let got = testing::block_on(async {
                    let x = testing::matrix(&gpu, &x, width, Storage::F16).await?;
                    let out = Matrix::zeros(&gpu, "out", rows + 1, width, Storage::F16)?;
                    testing::poison(&gpu, &out).await?;
                    testing::run(&gpu, vec![gelu("test", rows, &x, &out)?], &out, rows).await
                });
                testing::assert_close(&got, &expected, 1e-3);
            }
        }
    }
}
