//! `out = epilogue(a w^T + bias)`, the kernel that does nearly all the work.

use bytemuck::{Pod, Zeroable};
use half::f16;

use super::{Matrix, Storage, check, padded_vector, stride, stride4, to_f16};
use crate::error::Result;
use crate::gpu::{Access, Buffer, Gpu, Kernel, Step, Work};

/// Columns of a weight panel, and of a workgroup's tile. = shaders/matmul.wgsl
pub const PANEL: u32 = 64;
/// Rows of a workgroup's tile. = shaders/matmul.wgsl
pub const ROWS: u32 = 32;
/// Rows of an invocation's tile. = shaders/matmul.wgsl
pub const LANE_ROWS: u32 = 8;
/// Invocations of a workgroup in x. = shaders/matmul.wgsl
pub const LANES_X: u32 = 16;
/// Invocations of a workgroup in y. = shaders/matmul.wgsl
pub const LANES_Y: u32 = 4;
/// [`Epilogue::Store`]. = shaders/matmul.wgsl
pub const STORE: u32 = 0;
/// [`Epilogue::Gelu`]. = shaders/matmul.wgsl
pub const GELU: u32 = 1;
/// [`Epilogue::Tanh`]. = shaders/matmul.wgsl
pub const TANH: u32 = 2;
/// [`Epilogue::Residual`]. = shaders/matmul.wgsl
pub const RESIDUAL: u32 = 3;
/// [`Epilogue::StoreF32`]. = shaders/matmul.wgsl
pub const STORE_F32: u32 = 4;

/// The kernel of `shaders/matmul.wgsl`.
pub static KERNEL: Kernel = Kernel {
    name: "matmul",
    source: include_str!("../../shaders/matmul.wgsl"),
    storage: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Write],
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    k4: u32,
    a_stride4: u32,
    out_stride4: u32,
    epilogue: u32,
}

/// What happens to each sum before it is stored.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a> {
    /// Bias; out is f16.
    Store,
    /// Bias and the exact GELU, x/2 (1 + erf(x/sqrt 2)); out is f16.
    Gelu,
    /// Bias and tanh; out is f16.
    Tanh,
    /// Bias and this matrix of out's shape added; out is f32.
    Residual(&'a Matrix),
    /// Bias; out is f32.
    StoreF32,
}

/// A weight matrix `[outputs, inputs]` in panels: `[outputs / PANEL, inputs, PANEL]`, so that the
/// invocations of a tile read neighbouring memory. Inputs are padded with zeros to a multiple of
/// four, outputs to one of [`PANEL`].
#[derive(Debug)]
pub struct Weights {
    panels: Buffer,
    bias: Buffer,
    inputs: usize,
    outputs: usize,
}

impl Weights {
    /// Zeroed weights, to be filled by [`Weights::write_panel`], with their bias.
    pub async fn zeros(gpu: &Gpu, label: &str, inputs: usize, bias: &[f32]) -> Result<Weights> {
        let outputs = bias.len();
        let bytes = stride(outputs) * inputs.next_multiple_of(4) * 2;
        Ok(Weights {
            panels: gpu.buffer(label, bytes as u64)?,
            bias: padded_vector(gpu, label, bias).await?,
            inputs,
            outputs,
        })
    }

    /// How many panels there are to fill.
    pub fn panels(&self) -> usize {
        stride(self.outputs) / PANEL as usize
    }

    /// Fills panel `panel` from `rows`: up to [`PANEL`] rows of `inputs` numbers, the outputs
    /// from `panel * PANEL` on.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Checkpoint`] naming `label` where f16 cannot hold a number.
    pub async fn write_panel(
        &self,
        gpu: &Gpu,
        label: &str,
        panel: usize,
        rows: &[f32],
    ) -> Result<()> {
        let (width, inputs) = (PANEL as usize, self.inputs.next_multiple_of(4));
        check(KERNEL.name, label, panel < self.panels() && rows.len() <= width * self.inputs)?;
        let mut packed = vec![f16::ZERO; inputs * width];
        let mut row_f16 = vec![f16::ZERO; self.inputs];
        for (column, row) in rows.chunks_exact(self.inputs).enumerate() {
            to_f16(label, row, &mut row_f16)?;
            for (to, value) in packed[column..].iter_mut().step_by(width).zip(&row_f16) {
                *to = *value;
            }
        }
        gpu.write(&self.panels, (panel * packed.len() * 2) as u64, &packed).await
    }
}

/// `out[..rows] = epilogue(a[..rows] w^T + bias)`. `a` is f16.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn matmul(
    label: &'static str,
    rows: usize,
    a: &Matrix,
    w: &Weights,
    epilogue: Epilogue<'_>,
    out: &Matrix,
) -> Result<Step> {
    // A kernel that reads no residual is given the bias to bind.
    let (epilogue, residual, storage) = match epilogue {
        Epilogue::Store => (STORE, &w.bias, Storage::F16),
        Epilogue::Gelu => (GELU, &w.bias, Storage::F16),
        Epilogue::Tanh => (TANH, &w.bias, Storage::F16),
        Epilogue::StoreF32 => (STORE_F32, &w.bias, Storage::F32),
        Epilogue::Residual(residual) => {
            let same = residual.width == out.width && residual.rows >= rows;
            check(KERNEL.name, label, same && residual.storage == Storage::F16)?;
            (RESIDUAL, &residual.buffer, Storage::F32)
        }
    };
    check(
        KERNEL.name,
        label,
        rows <= a.rows
            && rows <= out.rows
            && a.width == w.inputs
            && out.width == w.outputs
            && a.storage == Storage::F16
            && out.storage == storage,
    )?;
    let params = Params {
        rows: rows as u32,
        k4: w.inputs.div_ceil(4) as u32,
        a_stride4: stride4(a.width),
        out_stride4: stride4(out.width),
        epilogue,
    };
    let (m, n, k) = (rows as u64, w.outputs as u64, w.inputs as u64);
    let out_bytes = if storage == Storage::F16 { 2 } else { 4 };
    let residual_bytes = if epilogue == RESIDUAL { 2 } else { 0 };
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![
            a.buffer.clone(),
            w.panels.clone(),
            w.bias.clone(),
            residual.clone(),
            out.buffer.clone(),
        ],
        workgroups: [w.panels() as u32, (rows as u32).div_ceil(ROWS), 1],
        work: Work {
            flops: 2 * m * n * k,
            bytes: 2 * (m * k + n * k) + m * n * (out_bytes + residual_bytes),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    /// Rows x inputs x outputs, none a multiple of a tile; one row; one column; exact tiles.
    const SIZES: &[(usize, usize, usize)] =
        &[(1, 1, 1), (1, 70, 3), (7, 25, 65), (33, 100, 130), (65, 257, 63), (32, 64, 64)];

    fn on_both_preludes(epilogue: u32, twin: fn(f32) -> f32, tolerance: f32) {
        for gpu in testing::gpus() {
            for &(m, k, n) in SIZES {
                let mut case = Case::new(m * 31 + k * 7 + n);
                let a = case.f16_values(m * k, 1.0);
                let w = case.f16_values(n * k, 1.0 / (k as f32).sqrt());
                let bias = case.values(n, 0.5);
                let residual = case.f16_values(m * n, 1.0);
                let mut expected = reference::matmul(&a, &w, &bias, k);
                for (value, residual) in expected.iter_mut().zip(&residual) {
                    *value = if epilogue == RESIDUAL { *value + residual } else { twin(*value) };
                }

                let got = testing::block_on(async {
                    let a = testing::matrix(&gpu, &a, k, Storage::F16).await?;
                    let residual = testing::matrix(&gpu, &residual, n, Storage::F16).await?;
                    let weights = Weights::zeros(&gpu, "w", k, &bias).await?;
                    for (panel, rows) in w.chunks(PANEL as usize * k).enumerate() {
                        weights.write_panel(&gpu, "w", panel, rows).await?;
                    }
                    let epilogue = match epilogue {
                        GELU => Epilogue::Gelu,
                        TANH => Epilogue::Tanh,
                        RESIDUAL => Epilogue::Residual(&residual),
                        STORE_F32 => Epilogue::StoreF32,
                        _ => Epilogue::Store,
                    };
                    let storage = match epilogue {
                        Epilogue::Residual(_) | Epilogue::StoreF32 => Storage::F32,
                        _ => Storage::F16,
                    };
                    let out = Matrix::zeros(&gpu, "out", m + 1, n, storage)?;
                    testing::poison(&gpu, &out).await?;
                    let step = matmul("test", m, &a, &weights, epilogue, &out)?;
                    testing::run(&gpu, step, &out, m).await
                });
                testing::assert_close(&got, &expected, tolerance);
            }
        }
    }

    #[test]
    fn store_equals_its_twin() {
        on_both_preludes(STORE, |x| x, 2e-3);
    }

    #[test]
    fn gelu_equals_its_twin() {
        on_both_preludes(GELU, reference::gelu, 2e-3);
    }

    #[test]
    fn tanh_equals_its_twin() {
        on_both_preludes(TANH, f32::tanh, 1e-3);
    }

    #[test]
    fn residual_equals_its_twin() {
        on_both_preludes(RESIDUAL, |x| x, 1e-5);
    }

    #[test]
    fn store_f32_equals_its_twin() {
        on_both_preludes(STORE_F32, |x| x, 1e-5);
    }

    #[test]
    fn wrong_shapes_are_refused() {
        let gpu = &testing::gpus()[0];
        testing::block_on(async {
            let weights = Weights::zeros(gpu, "w", 8, &[0.0; 8]).await?;
            let narrow = Matrix::zeros(gpu, "a", 4, 7, Storage::F16)?;
            let a = Matrix::zeros(gpu, "a", 4, 8, Storage::F16)?;
            let out = Matrix::zeros(gpu, "out", 4, 8, Storage::F16)?;
            assert!(matmul("narrow", 4, &narrow, &weights, Epilogue::Store, &out).is_err());
            assert!(matmul("rows", 5, &a, &weights, Epilogue::Store, &out).is_err());
            assert!(matmul("storage", 4, &a, &weights, Epilogue::StoreF32, &out).is_err());
            assert!(matmul("fits", 4, &a, &weights, Epilogue::Store, &out).is_ok());
            Ok(())
        });
    }

    #[test]
    fn a_weight_beyond_f16_is_refused_by_name() {
        let gpu = &testing::gpus()[0];
        let error = pollster::block_on(async {
            let weights = Weights::zeros(gpu, "w", 2, &[0.0]).await?;
            weights.write_panel(gpu, "layer.3.weight", 0, &[1.0, 70_000.0]).await
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "layer.3.weight: holds 70000, which f16 cannot");
    }
}
