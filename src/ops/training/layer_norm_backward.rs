//! The gradient of LayerNorm by its input, and each row's statistics.

use bytemuck::{Pod, Zeroable};

use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::layer_norm::Weights;
use crate::ops::shaders::training::layer_norm_backward::KERNEL;
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    width: u32,
    stride4: u32,
    eps: f32,
}

/// Bytes of the buffer of statistics for `rows` rows.
pub fn stats_bytes(rows: usize) -> u64 {
    8 * rows as u64
}

/// `d_x[..rows] = (d_n - mean(d_n) - n mean(d_n n)) / sqrt(variance + eps)`, row by row, where
/// n = (x - mean) / sqrt(variance + eps) and d_n = d_y gamma. `x` is what went into LayerNorm; all
/// are f32. Mean and 1 / sqrt(variance + eps) of each row go to `stats`, of [`stats_bytes`].
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn layer_norm_backward(
    label: &'static str,
    rows: usize,
    x: &Matrix,
    w: &Weights,
    d_y: &Matrix,
    stats: &Buffer,
    d_x: &Matrix,
) -> Result<Step> {
    let fits = |matrix: &&Matrix| {
        rows <= matrix.rows && matrix.width == w.width && matrix.storage == Storage::F32
    };
    check(KERNEL.name, label, [x, d_y, d_x].iter().all(fits) && stats.size() >= stats_bytes(rows))?;
    let params = Params { width: w.width as u32, stride4: stride4(w.width), eps: w.eps };
    let numbers = (rows * w.width) as u64;
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![
            x.buffer.clone(),
            w.gamma.clone(),
            d_y.buffer.clone(),
            stats.clone(),
            d_x.buffer.clone(),
        ],
        workgroups: [rows as u32, 1, 1],
        work: Work { flops: 16 * numbers, bytes: 12 * numbers },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Gpu;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    fn results(gpu: &Gpu, x: &[f32], gamma: &[f32], d_y: &[f32]) -> Vec<f32> {
        let (width, rows) = (gamma.len(), x.len() / gamma.len());
        testing::block_on(async {
            let x = testing::matrix(gpu, x, width, Storage::F32).await?;
            let w = Weights::new(gpu, "norm", gamma, gamma, 1e-5).await?;
            let d_y = testing::matrix(gpu, d_y, width, Storage::F32).await?;
            let stats = gpu.buffer("stats", stats_bytes(rows))?;
            let d_x = Matrix::zeros(gpu, "d_x", rows + 1, width, Storage::F32)?;
            testing::poison(gpu, &d_x).await?;
            let step = layer_norm_backward("test", rows, &x, &w, &d_y, &stats, &d_x)?;
            let got = testing::run(gpu, vec![step], &d_x, rows).await?;
            let stride = crate::ops::stride(width);
            let all = gpu.read_f32(&d_x.buffer, rows * stride).await?;
            assert!(all.chunks(stride).all(|row| row[width..].iter().all(|x| *x == 0.0)));
            Ok(got)
        })
    }

    fn compare(width: usize, rows: usize, size: f32, offset: f32, tolerance: f32) {
        let mut case = Case::new(width + rows);
        let mut x = case.values(rows * width, size);
        x.iter_mut().for_each(|value| *value += offset);
        let gamma = case.values(width, 1.0);
        let d_y = case.values(rows * width, 1.0);
        let [expected, ..] = reference::backward::layer_norm_backward(&x, &gamma, &d_y, 1e-5);
        for gpu in testing::gpus() {
            let got = results(&gpu, &x, &gamma, &d_y);
            testing::assert_close(&got, &expected, tolerance);
            assert_eq!(got, results(&gpu, &x, &gamma, &d_y), "does not repeat");
        }
    }

    #[test]
    fn equals_the_reference_at_awkward_sizes() {
        for (width, rows) in [(1, 1), (5, 3), (63, 2), (100, 7), (257, 5), (1024, 3), (1030, 2)] {
            compare(width, rows, 2.0, 0.0, 2e-5);
        }
    }

    #[test]
    fn outliers_and_far_means_keep_their_digits() {
        // Gradients are about 1 / 460 here.
        compare(384, 3, 800.0, 0.0, 1e-7);
        compare(100, 3, 1.0, 900.0, 1e-3);
    }
}
