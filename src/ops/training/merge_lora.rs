//! Adds a low-rank adapter to the weights that matmuls read.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::matmul::Weights;
use crate::ops::shaders::training::merge_lora::KERNEL;
use crate::ops::{Matrix, Storage, check, stride, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    k2: u32,
    a_stride2: u32,
    b_stride: u32,
    rank: u32,
    first: u32,
    end: u32,
    scale: f32,
}

/// `W + scale * B A` (Hu et al., arXiv 2106.09685) for a run of the outputs of a weight matrix.
#[derive(Debug)]
pub struct Lora {
    /// f32 `[rank, inputs]`.
    pub a: Matrix,
    /// f32 `[outputs of the run, rank]`.
    pub b: Matrix,
    /// The run's first output.
    pub first: usize,
    /// alpha / rank.
    pub scale: f32,
}

impl Lora {
    /// Whether it fits weights of this shape.
    pub(super) fn fits(&self, inputs: usize, outputs: usize) -> bool {
        self.a.width == inputs
            && self.a.rows == self.b.width
            && self.first + self.b.rows <= outputs
            && self.a.storage == Storage::F32
            && self.b.storage == Storage::F32
    }
}

/// The parameters of `lora_a_backward.wgsl` and `lora_b_backward.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct BackwardParams {
    pub stride4: u32,
    b_stride: u32,
    first: u32,
    pub outputs: u32,
    scale: f32,
}

impl Lora {
    /// The parameters and work of `kernel`, which adds the gradient of `half` to `gradient`: it
    /// follows from `d_w`, whose rows are multiplied by `scales`.
    pub(super) fn backward_params(
        &self,
        (kernel, label): (&'static str, &str),
        d_w: &Matrix,
        scales: &Buffer,
        half: &Matrix,
        gradient: &Matrix,
    ) -> Result<(BackwardParams, Work)> {
        let fits = self.fits(d_w.width, d_w.rows)
            && gradient.rows == half.rows
            && gradient.width == half.width
            && scales.size() >= 4 * (self.first + self.b.rows) as u64
            && d_w.storage == Storage::F32
            && gradient.storage == Storage::F32;
        check(kernel, label, fits)?;
        let params = BackwardParams {
            stride4: stride4(d_w.width),
            b_stride: stride(self.b.width) as u32,
            first: self.first as u32,
            outputs: self.b.rows as u32,
            scale: self.scale,
        };
        let numbers = (self.b.rows * d_w.width) as u64;
        Ok((params, Work { flops: 2 * numbers * self.a.rows as u64, bytes: 4 * numbers }))
    }
}

/// `out = w + scale * b a` for the outputs that `lora` is for; the others are left alone.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn merge_lora(label: &'static str, w: &Weights, lora: &Lora, out: &Weights) -> Result<Step> {
    let same = w.inputs() == out.inputs() && w.outputs() == out.outputs();
    let fits = lora.fits(w.inputs(), w.outputs());
    check(KERNEL.name, label, same && fits && w.fits() && out.fits())?;
    let params = Params {
        k2: w.pairs(),
        a_stride2: 2 * stride4(lora.a.width),
        b_stride: stride(lora.b.width) as u32,
        rank: lora.a.rows as u32,
        first: lora.first as u32,
        end: (lora.first + lora.b.rows) as u32,
        scale: lora.scale,
    };
    let numbers = (lora.b.rows * w.inputs()) as u64;
    let work = Work { flops: 2 * numbers * u64::from(params.rank), bytes: 4 * numbers };
    let buffers = [w.panel_buffer(), &lora.a.buffer, &lora.b.buffer, out.panel_buffer()];
    let workgroups = [params.k2, w.panels() as u32, 1];
    Ok(step(&KERNEL, label, &params, &buffers, workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::matmul::{self, Epilogue, Method};
    use crate::ops::shaders::PANEL;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn a_matmul_sees_the_sum() {
        let (rows, inputs, outputs, rank) = (3, 70, 131, 5);
        let (first, run) = (65, 40);
        for gpu in testing::gpus() {
            let mut case = Case::new(inputs);
            let x = case.f16_values(rows * inputs, 1.0);
            let w = case.f16_values(outputs * inputs, 0.1);
            let (a, b) = (case.values(rank * inputs, 0.1), case.values(run * rank, 0.3));
            let bias = vec![0.0; outputs];
            let mut merged = w.clone();
            for output in 0..run {
                for input in 0..inputs {
                    let sum: f32 =
                        (0..rank).map(|i| b[output * rank + i] * a[i * inputs + input]).sum();
                    merged[(first + output) * inputs + input] += 2.0 * sum;
                }
            }
            let expected = reference::matmul(&x, &merged, &bias, inputs);
            let got = testing::block_on(async {
                let plain = Weights::zeros(&gpu, "w", inputs, &bias).await?;
                let out = Weights::zeros(&gpu, "out", inputs, &bias).await?;
                for (panel, rows) in w.chunks(PANEL as usize * inputs).enumerate() {
                    plain.write_panel(&gpu, "w", panel, rows).await?;
                    out.write_panel(&gpu, "w", panel, rows).await?;
                }
                let x = testing::matrix(&gpu, &x, inputs, Storage::F16).await?;
                let lora = Lora {
                    a: testing::matrix(&gpu, &a, inputs, Storage::F32).await?,
                    b: testing::matrix(&gpu, &b, rank, Storage::F32).await?,
                    first,
                    scale: 2.0,
                };
                let y = Matrix::zeros(&gpu, "y", rows + 1, outputs, Storage::F32)?;
                testing::poison(&gpu, &y).await?;
                let method = Method {
                    variant: &matmul::medium::VARIANT,
                    most_flops: u64::MAX,
                    blocks: None,
                };
                let mut steps = vec![merge_lora("test", &plain, &lora, &out)?];
                steps.extend(matmul::matmul("t", method, rows, &x, &out, Epilogue::Store, &y)?);
                testing::run(&gpu, steps, &y, rows).await
            });
            testing::assert_close(&got, &expected, 1e-3);
        }
    }
}
