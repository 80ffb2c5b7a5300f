//! The backward pass of GELU and tanh.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Step, Work};
use crate::ops::shaders::training::activation_backward::{GELU, KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    kind: u32,
}

/// What the forward pass computed, and what it saved of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU by erf; its input was saved.
    Gelu,
    /// tanh; its result was saved.
    Tanh,
}

/// `gradient[..rows] *= derivative at saved`: saved is f16, the gradient f32, of one width.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn activation_backward(
    label: &'static str,
    activation: Activation,
    rows: usize,
    saved: &Matrix,
    gradient: &Matrix,
) -> Result<Step> {
    let fits = rows <= saved.rows
        && rows <= gradient.rows
        && saved.width == gradient.width
        && saved.storage == Storage::F16
        && gradient.storage == Storage::F32;
    check(KERNEL.name, label, fits)?;
    let kind = if activation == Activation::Gelu { GELU } else { 0 };
    let params = Params { stride4: stride4(saved.width), kind };
    let numbers = (rows * saved.width) as u64;
    let work = Work { flops: 30 * numbers, bytes: 10 * numbers };
    let workgroups = [params.stride4.div_ceil(WORKGROUP_SIZE), rows as u32, 1];
    Ok(step(&KERNEL, label, &params, &[&saved.buffer, &gradient.buffer], workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn equals_the_reference_at_awkward_sizes() {
        for gpu in testing::gpus() {
            for (activation, (rows, width)) in [
                (Activation::Gelu, (1, 1)),
                (Activation::Gelu, (5, 70)),
                (Activation::Tanh, (5, 70)),
                (Activation::Tanh, (9, 257)),
            ] {
                let mut case = Case::new(width);
                let size = if activation == Activation::Gelu { 5.0 } else { 1.0 };
                let saved = case.f16_values(rows * width, size);
                let gradient = case.values(rows * width, 1.0);
                let expected = match activation {
                    Activation::Gelu => reference::backward::gelu_backward(&saved, &gradient),
                    Activation::Tanh => reference::backward::tanh_backward(&saved, &gradient),
                };
                let got = testing::block_on(async {
                    let saved = testing::matrix(&gpu, &saved, width, Storage::F16).await?;
                    let out = Matrix::zeros(&gpu, "out", rows + 1, width, Storage::F32)?;
                    testing::poison(&gpu, &out).await?;
                    out.write_rows(&gpu, "out", 0, &gradient).await?;
                    let steps = vec![activation_backward("test", activation, rows, &saved, &out)?];
                    testing::run(&gpu, steps, &out, rows).await
                });
                testing::assert_close(&got, &expected, 2e-6);
            }
        }
    }
}
