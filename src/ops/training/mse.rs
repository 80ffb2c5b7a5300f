//! The mean squared error of logits, and its gradient, with which the backward pass begins.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::training::mse::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    pairs: u32,
    stride4: u32,
    first_error: u32,
    weight: f32,
}

/// For each of the first `pairs` rows of `logits` (f32, one column): its squared distance from
/// `labels` goes to `errors[first_error + pair]`, and `weight` times that distance's derivative to
/// `gradient`. `weight` is one over the pairs of the whole step.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
#[expect(clippy::too_many_arguments, reason = "what a kernel reads and writes")]
pub fn mse(
    label: &'static str,
    pairs: usize,
    logits: &Matrix,
    labels: &Buffer,
    errors: &Buffer,
    first_error: usize,
    weight: f32,
    gradient: &Matrix,
) -> Result<Step> {
    let fits = pairs <= logits.rows
        && pairs <= gradient.rows
        && logits.width == 1
        && gradient.width == 1
        && labels.size() >= 4 * pairs as u64
        && errors.size() >= 4 * (first_error + pairs) as u64
        && logits.storage == Storage::F32
        && gradient.storage == Storage::F32;
    check(KERNEL.name, label, fits)?;
    let params = Params {
        pairs: pairs as u32,
        stride4: stride4(1),
        first_error: first_error as u32,
        weight,
    };
    let work = Work { flops: 4 * pairs as u64, bytes: 16 * pairs as u64 };
    let buffers = [&logits.buffer, labels, errors, &gradient.buffer];
    let workgroups = [params.pairs.div_ceil(WORKGROUP_SIZE), 1, 1];
    Ok(step(&KERNEL, label, &params, &buffers, workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};

    #[test]
    fn errors_and_gradient_are_those_of_the_mean() {
        for gpu in testing::gpus() {
            for pairs in [1, 70] {
                let mut case = Case::new(pairs);
                let (logits, labels) = (case.values(pairs, 1.0), case.values(pairs, 1.0));
                let weight = 0.25;
                let distance = |i: usize| logits[i] - labels[i];
                let (got, errors) = testing::block_on(async {
                    let logits = testing::matrix(&gpu, &logits, 1, Storage::F32).await?;
                    let labels = gpu.buffer_of("labels", &labels).await?;
                    let errors = gpu.buffer_of("errors", &vec![0.0f32; 3 + pairs]).await?;
                    let out = Matrix::zeros(&gpu, "out", pairs, 1, Storage::F32)?;
                    let steps =
                        vec![mse("test", pairs, &logits, &labels, &errors, 3, weight, &out)?];
                    let got = testing::run(&gpu, steps, &out, pairs).await?;
                    Ok((got, gpu.read_f32(&errors, 3 + pairs).await?))
                });
                let gradient: Vec<f32> = (0..pairs).map(|i| 2.0 * weight * distance(i)).collect();
                testing::assert_close(&got, &gradient, 1e-6);
                let squares: Vec<f32> = (0..pairs).map(|i| distance(i).powi(2)).collect();
                testing::assert_close(&errors[3..], &squares, 1e-6);
                assert_eq!(errors[..3], [0.0; 3]);
            }
        }
    }
}
