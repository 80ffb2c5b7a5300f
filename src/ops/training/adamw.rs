//! AdamW on f32 master weights.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::check;
use crate::ops::shaders::training::adamw::{KERNEL, WORKGROUP_SIZE};

/// Workgroups in x at the most; more go to y.
const ACROSS: u32 = 32_768;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count4: u32,
    across: u32,
    rate: f32,
    decay: f32,
    beta1: f32,
    beta2: f32,
    correction1: f32,
    correction2: f32,
    eps: f32,
}

/// The numbers of AdamW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Of the mean of gradients; 0.9 unless set.
    pub beta1: f64,
    /// Of the mean of their squares; 0.999 unless set.
    pub beta2: f64,
    /// Added to the root of the second; 1e-8 unless set.
    pub eps: f64,
    /// Weight decay, as a share of the learning rate; 0 unless set.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> AdamW {
        AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// The state of AdamW for one tensor. All are f32 of one size.
#[derive(Debug)]
pub struct Moments {
    /// The gradient of the step; zero after it.
    pub gradient: Buffer,
    /// Mean of the gradients before.
    pub mean: Buffer,
    /// Mean of their squares.
    pub square: Buffer,
}

/// One step, the `count`-th (from 1), of the tensor `weight` (f32). `clip` is what
/// [`super::clip`] put out.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the sizes differ.
pub fn adamw(
    label: &'static str,
    numbers: &AdamW,
    learning_rate: f64,
    count: u32,
    clip: &Buffer,
    moments: &Moments,
    weight: &Buffer,
) -> Result<Step> {
    let Moments { gradient, mean, square } = moments;
    let size = weight.size();
    let fits = [gradient, mean, square].iter().all(|buffer| buffer.size() == size);
    check(KERNEL.name, label, fits && size.is_multiple_of(16) && count > 0)?;
    let count4 = (size / 16) as u32;
    let groups = count4.div_ceil(WORKGROUP_SIZE);
    let correction = |beta: f64| 1.0 - beta.powi(count as i32);
    let params = Params {
        count4,
        across: groups.min(ACROSS) * WORKGROUP_SIZE,
        rate: learning_rate as f32,
        decay: (1.0 - learning_rate * numbers.weight_decay) as f32,
        beta1: numbers.beta1 as f32,
        beta2: numbers.beta2 as f32,
        correction1: (1.0 / correction(numbers.beta1)) as f32,
        correction2: (1.0 / correction(numbers.beta2).sqrt()) as f32,
        eps: numbers.eps as f32,
    };
    let work = Work { flops: 4 * size, bytes: 8 * size };
    let buffers = [clip, gradient, mean, square, weight];
    let workgroups = [groups.min(ACROSS), groups.div_ceil(ACROSS), 1];
    Ok(step(&KERNEL, label, &params, &buffers, workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Plan;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn three_steps_equal_the_reference() {
        let rate = 0.01;
        for gpu in testing::gpus() {
            for (size, weight_decay, factor) in [(64, 0.0, 1.0), (9 * 64, 0.1, 0.5)] {
                let numbers = AdamW { weight_decay, ..AdamW::default() };
                let mut case = Case::new(size);
                let before = case.values(size, 1.0);
                // From far below f16's reach to large.
                let gradients: Vec<Vec<f32>> = (0..3)
                    .map(|_| {
                        (0..size)
                            .map(|i| case.values(1, 1.0)[0] * [1e-12, 1.0, 1e4][i % 3])
                            .collect()
                    })
                    .collect();
                let options = reference::backward::AdamW {
                    learning_rate: rate as f32,
                    beta1: numbers.beta1 as f32,
                    beta2: numbers.beta2 as f32,
                    eps: numbers.eps as f32,
                    weight_decay: weight_decay as f32,
                };
                let mut expected = before.clone();
                let (mut mean, mut square) = (vec![0.0; size], vec![0.0; size]);
                for (count, gradient) in (1..).zip(&gradients) {
                    let g: Vec<f32> = gradient.iter().map(|g| g * factor).collect();
                    let (w, m, v) = (&mut expected, &mut mean, &mut square);
                    reference::backward::adamw(count, options, &g, w, m, v);
                }
                let got = testing::block_on(async {
                    let zeros = vec![0.0f32; size];
                    let weight = gpu.buffer_of("weight", &before).await?;
                    let clip = gpu.buffer_of("clip", &[factor, 0.0, 0.0, 0.0]).await?;
                    let moments = Moments {
                        gradient: gpu.buffer_of("gradient", &zeros).await?,
                        mean: gpu.buffer_of("mean", &zeros).await?,
                        square: gpu.buffer_of("square", &zeros).await?,
                    };
                    for (count, gradient) in (1..).zip(&gradients) {
                        gpu.write(&moments.gradient, 0, gradient).await?;
                        let step = adamw("test", &numbers, rate, count, &clip, &moments, &weight)?;
                        gpu.run(&Plan { steps: vec![step] }, &|| false).await?;
                    }
                    assert_eq!(gpu.read_f32(&moments.gradient, size).await?, zeros);
                    gpu.read_f32(&weight, size).await
                });
                testing::assert_close(&got, &expected, 2e-6);
            }
        }
    }
}
