//! The backward pass of activations.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::config;
use crate::error::Result;
use crate::gpu::{Step, Work};
use crate::ops::shaders::training::activation_backward::{KERNEL, WORKGROUP_SIZE};
use crate::ops::shaders::training::{GELU, GELU_TANH, RELU, TANH};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    activation: u32,
}

/// What the forward pass computed, and what it saved of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// One of an encoder's; its input was saved.
    Of(config::Activation),
    /// tanh; its result was saved.
    Tanh,
}

/// An activation's number in the shaders.
pub(super) fn number_of(activation: config::Activation) -> u32 {
    match activation {
        config::Activation::Gelu => GELU,
        config::Activation::GeluTanh => GELU_TANH,
        config::Activation::Relu => RELU,
    }
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
    let activation = match activation {
        Activation::Of(activation) => number_of(activation),
        Activation::Tanh => TANH,
    };
    let params = Params { stride4: stride4(saved.width), activation };
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
            use config::Activation::{Gelu, GeluTanh, Relu};
            for (activation, (rows, width)) in [
                (Activation::Of(Gelu), (1, 1)),
                (Activation::Of(Gelu), (5, 70)),
                (Activation::Of(GeluTanh), (5, 70)),
                (Activation::Of(Relu), (5, 70)),
                (Activation::Tanh, (5, 70)),
                (Activation::Tanh, (9, 257)),
            ] {
                let mut case = Case::new(width);
                let size = if activation == Activation::Tanh { 1.0 } else { 5.0 };
                let saved = case.f16_values(rows * width, size);
                let gradient = case.values(rows * width, 1.0);
                let expected = match activation {
                    Activation::Of(of) => {
                        reference::backward::activation_backward(of, &saved, &gradient)
                    }
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
