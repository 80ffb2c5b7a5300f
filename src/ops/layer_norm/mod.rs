//! LayerNorm over the rows of an f32 matrix, statistics in f32, out in f16.

pub mod groups;
pub mod lanes;

use bytemuck::{Pod, Zeroable};

use super::{Matrix, Storage, check, padded_vector, stride4};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Kernel, Step, Work};

/// A method of computing it. The variants add up a row in different orders, so all batches must use the
/// same.
#[derive(Debug)]
pub struct Variant {
    /// What runs; its name is the variant's.
    pub kernel: &'static Kernel,
    /// Rows that one workgroup does.
    rows: u32,
}

/// Every variant.
#[cfg(test)]
pub(crate) static VARIANTS: [&Variant; 2] = [&groups::VARIANT, &lanes::VARIANT];

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    width: u32,
    stride4: u32,
    eps: f32,
}

/// Scale and shift of one LayerNorm, f32, padded with zeros.
#[derive(Debug)]
pub struct Weights {
    pub(crate) gamma: Buffer,
    pub(crate) beta: Buffer,
    pub(crate) width: usize,
    pub(crate) eps: f32,
}

impl Weights {
    /// Uploads `gamma` and `beta`, of one length.
    pub async fn new(
        gpu: &Gpu,
        label: &str,
        gamma: &[f32],
        beta: &[f32],
        eps: f32,
    ) -> Result<Weights> {
        check("layer_norm", label, gamma.len() == beta.len())?;
        Ok(Weights {
            gamma: padded_vector(gpu, label, gamma).await?,
            beta: padded_vector(gpu, label, beta).await?,
            width: gamma.len(),
            eps,
        })
    }
}

/// `out[..rows] = (x - mean) / sqrt(variance + eps) * gamma + beta`, row by row.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn layer_norm(
    label: &'static str,
    variant: &'static Variant,
    rows: usize,
    x: &Matrix,
    w: &Weights,
    out: &Matrix,
) -> Result<Step> {
    check(
        variant.kernel.name,
        label,
        rows <= x.rows
            && rows <= out.rows
            && x.width == w.width
            && out.width == w.width
            && x.storage == Storage::F32
            && out.storage == Storage::F16,
    )?;
    let params =
        Params { rows: rows as u32, width: w.width as u32, stride4: stride4(w.width), eps: w.eps };
    let numbers = (rows * w.width) as u64;
    Ok(Step {
        kernel: variant.kernel,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![x.buffer.clone(), w.gamma.clone(), w.beta.clone(), out.buffer.clone()],
        workgroups: [(rows as u32).div_ceil(variant.rows), 1, 1],
        work: Work { flops: 8 * numbers, bytes: 6 * numbers },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    fn compare(width: usize, rows: usize, size: f32, offset: f32) {
        for (gpu, variant) in testing::gpus().iter().flat_map(|gpu| VARIANTS.map(|v| (gpu, v))) {
            let mut case = Case::new(width + rows);
            let mut x = case.values(rows * width, size);
            x.iter_mut().for_each(|value| *value += offset);
            let gamma = case.values(width, 1.0);
            let beta = case.values(width, 1.0);
            let expected = reference::layer_norm(&x, &gamma, &beta, 1e-5);
            let got = testing::block_on(async {
                let x = testing::matrix(gpu, &x, width, Storage::F32).await?;
                let w = Weights::new(gpu, "norm", &gamma, &beta, 1e-5).await?;
                let out = Matrix::zeros(gpu, "out", rows + 1, width, Storage::F16)?;
                testing::poison(gpu, &out).await?;
                let step = layer_norm("test", variant, rows, &x, &w, &out)?;
                testing::run(gpu, vec![step], &out, rows).await
            });
            testing::assert_close(&got, &expected, 2e-3);
        }
    }

    #[test]
    fn equals_the_reference_at_awkward_sizes() {
        for (width, rows) in [(1, 1), (5, 3), (63, 2), (100, 17), (257, 5), (1024, 3), (1030, 2)] {
            compare(width, rows, 2.0, 0.0);
        }
    }

    #[test]
    fn outliers_and_far_means_do_not_overflow() {
        compare(384, 3, 800.0, 0.0);
        compare(100, 3, 1.0, 900.0);
    }
}
