//! The gradients of LayerNorm by its scale and shift.

use bytemuck::{Pod, Zeroable};

use super::layer_norm_backward::stats_bytes;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::training::layer_norm_weights_backward::{COLUMNS, KERNEL};
use crate::ops::{Matrix, Storage, check, stride, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    stride4: u32,
}

/// `d_gamma += sum of d_y n` and `d_beta += sum of d_y` over the first `rows` rows, where n is the
/// normalised `x`. Both are f32 and padded with zeros to the stride. `stats` is what
/// [`super::layer_norm_backward::layer_norm_backward`] made of the same `x`.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn layer_norm_weights_backward(
    label: &'static str,
    rows: usize,
    x: &Matrix,
    stats: &Buffer,
    d_y: &Matrix,
    d_gamma: &Buffer,
    d_beta: &Buffer,
) -> Result<Step> {
    let padded_bytes = 4 * stride(x.width) as u64;
    check(
        KERNEL.name,
        label,
        rows <= x.rows.min(d_y.rows)
            && x.width == d_y.width
            && x.storage == Storage::F32
            && d_y.storage == Storage::F32
            && stats.size() >= stats_bytes(rows)
            && d_gamma.size() >= padded_bytes
            && d_beta.size() >= padded_bytes,
    )?;
    let params = Params { rows: rows as u32, stride4: stride4(x.width) };
    let numbers = (rows * x.width) as u64;
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![
            x.buffer.clone(),
            stats.clone(),
            d_y.buffer.clone(),
            d_gamma.clone(),
            d_beta.clone(),
        ],
        workgroups: [stride4(x.width).div_ceil(COLUMNS), 1, 1],
        work: Work { flops: 5 * numbers, bytes: 8 * numbers },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Gpu, Plan};
    use crate::ops::layer_norm::Weights;
    use crate::ops::padded_vector;
    use crate::ops::testing::{self, Case};
    use crate::ops::training::layer_norm_backward::layer_norm_backward;
    use crate::reference;

    /// Runs the kernel on d_gamma and d_beta that both hold `before`, and returns them with padding.
    fn results(gpu: &Gpu, x: &[f32], gamma: &[f32], d_y: &[f32], before: &[f32]) -> Vec<f32> {
        let (width, rows) = (gamma.len(), x.len() / gamma.len());
        testing::block_on(async {
            let x = testing::matrix(gpu, x, width, Storage::F32).await?;
            let w = Weights::new(gpu, "norm", gamma, gamma, 1e-5).await?;
            let d_y = testing::matrix(gpu, d_y, width, Storage::F32).await?;
            let d_x = Matrix::zeros(gpu, "d_x", rows, width, Storage::F32)?;
            let stats = gpu.buffer("stats", stats_bytes(rows))?;
            let d_gamma = padded_vector(gpu, "d_gamma", before).await?;
            let d_beta = padded_vector(gpu, "d_beta", before).await?;
            let steps = vec![
                layer_norm_backward("test", rows, &x, &w, &d_y, &stats, &d_x)?,
                layer_norm_weights_backward("test", rows, &x, &stats, &d_y, &d_gamma, &d_beta)?,
            ];
            gpu.run(&Plan { steps }, &|| false).await?;
            let mut both = gpu.read_f32(&d_gamma, stride(width)).await?;
            both.extend(gpu.read_f32(&d_beta, stride(width)).await?);
            Ok(both)
        })
    }

    #[test]
    fn equals_the_reference_at_awkward_sizes_and_adds_to_what_was_there() {
        for (width, rows) in [(1, 1), (5, 31), (63, 33), (100, 70), (257, 5), (1030, 200)] {
            let mut case = Case::new(width + rows);
            let x = case.values(rows * width, 2.0);
            let gamma = case.values(width, 1.0);
            let d_y = case.values(rows * width, 1.0);
            let before = case.values(width, 1.0);
            let [_, d_gamma, d_beta] =
                reference::backward::layer_norm_backward(&x, &gamma, &d_y, 1e-5);
            let mut expected = Vec::new();
            for gradient in [d_gamma, d_beta] {
                expected.extend(gradient.iter().zip(&before).map(|(gradient, old)| gradient + old));
                expected.resize(expected.len() + stride(width) - width, 0.0);
            }
            for gpu in testing::gpus() {
                let got = results(&gpu, &x, &gamma, &d_y, &before);
                testing::assert_close(&got, &expected, 2e-5);
                assert_eq!(got, results(&gpu, &x, &gamma, &d_y, &before), "does not repeat");
            }
        }
    }
}
