//! `out = epilogue(a w^T + bias)`, the kernel that does nearly all the work.

pub mod broadcast;
pub mod cooperative;
mod epilogue;
pub mod half;
pub mod lanes;
pub mod large;
pub mod medium;
pub mod rows;
pub mod subgroup;

use super::blocks::blocks;
pub use super::shaders::PANEL;
pub use super::weights::Weights;
use super::{Matrix, Storage, check, stride4};
use crate::checkpoint::WeightFormat;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Kernel, Step, Work};
use bytemuck::{Pod, Zeroable};
use epilogue::Bound;
pub use epilogue::{Epilogue, Rotary, gated_width};

/// One of the shaders that do the same work, each the fastest somewhere.
#[derive(Debug)]
pub struct Variant {
    /// What `info` and options call it.
    pub name: &'static str,
    /// Its shader for each [`WeightFormat`], in order.
    pub kernels: &'static [Kernel; 3],
    /// Rows of a workgroup's tile.
    pub rows: u32,
    /// Columns of a workgroup's tile.
    pub columns: u32,
    /// The order of its sums.
    pub order: Order,
    /// Whether it reads `a` in [`super::blocks`].
    pub blocks: bool,
}

/// In which order a variant sums over k. Variants of one order give the same bits, so which of
/// them runs may depend on the size of a batch. Others must not, or a score would depend on the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// k = 0, 1, 2, … with one fused multiply-add each.
    Sequential,
    /// Sixteen slices of k, then these.
    Sliced,
    /// Eight products at a time in f16, and what they make in f32, one after the other.
    Half,
    /// As the adapter's matrix units do it, tiles of so many k after each other.
    Cooperative {
        /// Rows, columns and k of a tile.
        side: u32,
    },
}

/// Every variant.
pub static VARIANTS: &[&Variant] = if cfg!(target_arch = "wasm32") { IN_BROWSERS } else { NATIVE };

const IN_BROWSERS: &[&Variant] = &[
    &large::VARIANT,
    &medium::VARIANT,
    &rows::VARIANT,
    &lanes::VARIANT,
    &subgroup::VARIANT,
    &half::LARGE,
    &half::MEDIUM,
    &broadcast::VARIANT,
];

/// No browser has matrix units.
const NATIVE: &[&Variant] = &[
    &large::VARIANT,
    &medium::VARIANT,
    &rows::VARIANT,
    &lanes::VARIANT,
    &subgroup::VARIANT,
    &half::LARGE,
    &half::MEDIUM,
    &broadcast::VARIANT,
    &cooperative::SIDE_16,
    &cooperative::SIDE_8,
];

impl Variant {
    /// Its shader for weights of this format.
    pub fn kernel(&self, format: WeightFormat) -> &'static Kernel {
        &self.kernels[format as usize]
    }

    /// Whether it runs on the adapter of `gpu`.
    pub fn runs_on(&self, gpu: &Gpu) -> bool {
        gpu.has(self.kernels[0].needs)
    }
}

/// How a matmul is run.
#[derive(Debug, Clone, Copy)]
pub struct Method<'a> {
    /// The variant that computes it.
    pub variant: &'static Variant,
    /// The most multiplications and additions of a step; more are split into several steps.
    pub most_flops: u64,
    /// A buffer for `a` in [`super::blocks`], if the variant reads it so.
    pub blocks: Option<&'a Buffer>,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    first_row: u32,
    k2: u32,
    a_stride2: u32,
    out_stride4: u32,
    rotated4: u32,
    head4: u32,
    gated: u32,
    epilogue: u32,
    wide: u32,
}

/// `out[..rows] = epilogue(a[..rows] w^T + bias)`. `a` is f16. One step, or several for runs of
/// rows, and one before them that lays `a` out in blocks where the variant reads it so.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn matmul(
    label: &'static str,
    method: Method<'_>,
    rows: usize,
    a: &Matrix,
    w: &Weights,
    epilogue: Epilogue<'_>,
    out: &Matrix,
) -> Result<Vec<Step>> {
    let Method { variant, most_flops, blocks: blocks_buffer } = method;
    let kernel = variant.kernel(w.format);
    let Bound { number, residual, residual_bytes, ids, rotated4, head4, gated } =
        epilogue.bind(kernel.name, label, rows, &w.bias, out)?;
    let wide = out.storage == Storage::F32;
    check(
        kernel.name,
        label,
        rows <= a.rows
            && rows <= out.rows
            && a.width == w.inputs
            && w.outputs == if gated { gated_width(out.width) } else { out.width }
            && a.storage == Storage::F16
            && (wide || out.storage == Storage::F16)
            && blocks_buffer.is_some() >= variant.blocks,
    )?;
    let k2 = w.pairs();
    let mut steps = Vec::new();
    let a_buffer = match blocks_buffer {
        Some(blocks_buffer) if variant.blocks => {
            steps.push(blocks(label, rows, k2, a, blocks_buffer)?);
            blocks_buffer
        }
        _ => &a.buffer,
    };
    let (n, k) = (w.outputs as u64, w.inputs as u64);
    let scale_bytes = w.scales.as_ref().map_or(0, |_| n * k / w.format.block() as u64 * 2);
    let weight_bytes = n * k * w.format.bits() as u64 / 8 + scale_bytes;
    let out_bytes = if wide { 4 } else { 2 };
    let tile = variant.rows as usize;
    let run = ((most_flops / (2 * n * k)) as usize / tile * tile).max(tile);
    let step = |first_row: usize| {
        let end = rows.min(first_row + run);
        let m = (end - first_row) as u64;
        let params = Params {
            rows: end as u32,
            first_row: first_row as u32,
            k2,
            a_stride2: stride4(a.width) * 2,
            out_stride4: stride4(out.width),
            rotated4,
            head4,
            gated: u32::from(gated),
            epilogue: number,
            wide: u32::from(wide),
        };
        Step {
            kernel,
            label,
            params: bytemuck::bytes_of(&params).to_vec(),
            buffers: [a_buffer, &w.panels, &w.bias, residual, &out.buffer, ids]
                .into_iter()
                .chain(&w.scales)
                .cloned()
                .collect(),
            workgroups: [
                (stride4(w.outputs) * 4).div_ceil(variant.columns),
                (m as u32).div_ceil(variant.rows),
                1,
            ],
            work: Work {
                flops: 2 * m * n * k,
                bytes: 2 * m * k
                    + weight_bytes
                    + m * out.width as u64 * (out_bytes + residual_bytes),
            },
        }
    };
    steps.extend((0..rows).step_by(run).map(step));
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Quantised;
    use crate::gpu::Needs;
    use crate::ops::shaders::matmul::{ADD, GELU, GELU_TANH, RELU, RESIDUAL, STORE, TANH};
    use crate::ops::testing::{self, Case};
    use crate::reference;

    /// Rows x inputs x outputs, none a multiple of a tile; one row; one column; exact tiles.
    const SIZES: &[(usize, usize, usize)] =
        &[(1, 1, 1), (1, 70, 3), (7, 25, 65), (33, 100, 130), (135, 257, 63), (128, 64, 64)];

    const F16: (WeightFormat, bool) = (WeightFormat::F16, false);

    /// How far sums of eight products in f16 may move results here, which are 0.3 to 1 in size.
    const F16_SUMS: f32 = 2e-3;

    /// [`STORE`] and [`GELU`] into a matrix of f32.
    const STORE_F32: u32 = 100 + STORE;
    const GELU_F32: u32 = 100 + GELU;

    /// The results of a variant and of the reference implementation on repeatable data. Weights are
    /// rounded to a format, and expanded to f16 again if `expanded`.
    async fn run(
        gpu: &Gpu,
        variant: &'static Variant,
        (format, expanded): (WeightFormat, bool),
        (m, k, n): (usize, usize, usize),
        epilogue: u32,
        most_flops: u64,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let mut case = Case::new(m * 31 + k * 7 + n);
        let a_values = case.f16_values(m * k, 1.0);
        let w = case.f16_values(n * k, 1.0 / (k as f32).sqrt());
        let bias = case.values(n, 0.5);
        let residual_values = case.f16_values(m * n, 1.0);
        let a = testing::matrix(gpu, &a_values, k, Storage::F16).await?;
        let residual = testing::matrix(gpu, &residual_values, n, Storage::F16).await?;
        let wide_residual = testing::matrix(gpu, &residual_values, n, Storage::F32).await?;
        let stored = if expanded { WeightFormat::F16 } else { format };
        let weights = Weights::of(gpu, "w", stored, k, &bias).await?;
        let mut held = Vec::new();
        for (panel, rows) in w.chunks(PANEL as usize * k).enumerate() {
            let begin = held.len();
            if format == WeightFormat::F16 {
                held.extend_from_slice(rows);
            } else {
                let rounded = Quantised::round("w", format, rows, k, format.block())?;
                rounded.expand(k, format.block(), &mut held);
                if !expanded {
                    weights.write_quantised(gpu, "w", panel, &rounded).await?;
                }
            }
            if stored == WeightFormat::F16 {
                weights.write_panel(gpu, "w", panel, &held[begin..]).await?;
            }
        }
        let mut expected = reference::matmul(&a_values, &held, &bias, k);
        for (value, residual) in expected.iter_mut().zip(&residual_values) {
            *value = match epilogue {
                GELU | GELU_F32 => reference::gelu(*value),
                GELU_TANH => reference::gelu_tanh(*value),
                TANH => value.tanh(),
                RELU => value.max(0.0),
                RESIDUAL | ADD => *value + residual,
                _ => *value,
            };
        }
        let (epilogue, storage) = match epilogue {
            GELU => (Epilogue::Gelu, Storage::F16),
            GELU_TANH => (Epilogue::GeluTanh, Storage::F16),
            TANH => (Epilogue::Tanh, Storage::F16),
            RELU => (Epilogue::Relu, Storage::F16),
            RESIDUAL => (Epilogue::Residual(&residual), Storage::F32),
            ADD => (Epilogue::Residual(&wide_residual), Storage::F32),
            GELU_F32 => (Epilogue::Gelu, Storage::F32),
            STORE_F32 => (Epilogue::Store, Storage::F32),
            _ => (Epilogue::Store, Storage::F16),
        };
        let out = Matrix::zeros(gpu, "out", m + 1, n, storage)?;
        testing::poison(gpu, &out).await?;
        let blocks_buffer = gpu.buffer("blocks", super::super::blocks::bytes(m, k))?;
        let method = Method { variant, most_flops, blocks: Some(&blocks_buffer) };
        let steps = matmul("test", method, m, &a, &weights, epilogue, &out)?;
        Ok((testing::run(gpu, steps, &out, m).await?, expected))
    }

    #[test]
    fn every_variant_equals_the_reference_with_both_preludes() {
        for gpu in testing::gpus() {
            for variant in VARIANTS.iter().filter(|variant| variant.runs_on(&gpu)) {
                for &size in SIZES {
                    let f16_sums = if variant.order == Order::Half { F16_SUMS } else { 0.0 };
                    for (epilogue, tolerance) in [
                        (STORE, 2e-3),
                        (GELU, 2e-3),
                        (GELU_TANH, 2e-3),
                        (TANH, 1e-3),
                        (RELU, 2e-3),
                        (RESIDUAL, 1e-5),
                        (ADD, 1e-5),
                        (GELU_F32, 1e-5),
                        (STORE_F32, 1e-5),
                    ] {
                        let run = run(&gpu, variant, F16, size, epilogue, u64::MAX);
                        let (got, expected) = testing::block_on(run);
                        testing::assert_close(&got, &expected, tolerance + f16_sums);
                    }
                }
            }
        }
    }

    /// The result of an epilogue for each number of `x`, which f16 can hold, and a bias.
    async fn epilogue_of(
        gpu: &Gpu,
        variant: &'static Variant,
        epilogue: Epilogue<'_>,
        x: &[f32],
        bias: f32,
    ) -> Result<Vec<f32>> {
        let a = testing::matrix(gpu, x, 1, Storage::F16).await?;
        let w = Weights::zeros(gpu, "w", 1, &[bias]).await?;
        w.write_panel(gpu, "w", 0, &[1.0]).await?;
        let out = Matrix::zeros(gpu, "out", x.len(), 1, Storage::F16)?;
        let blocks_buffer = gpu.buffer("blocks", super::super::blocks::bytes(x.len(), 1))?;
        let method = Method { variant, most_flops: u64::MAX, blocks: Some(&blocks_buffer) };
        let steps = matmul("test", method, x.len(), &a, &w, epilogue, &out)?;
        testing::run(gpu, steps, &out, x.len()).await
    }

    #[test]
    fn gelu_by_tanh_is_not_the_exact_one_and_keeps_what_is_not_finite() {
        // Where the two are furthest apart, f16 is fine enough to tell them apart.
        let x: Vec<f32> = (0..64).map(|i| -1.0 - i as f32 / 32.0).collect();
        for gpu in testing::gpus() {
            for variant in VARIANTS.iter().filter(|variant| variant.runs_on(&gpu)) {
                let run = |epilogue, x: &[f32], bias| {
                    testing::block_on(epilogue_of(&gpu, variant, epilogue, x, bias))
                };
                let exact = run(Epilogue::Gelu, &x, 0.0);
                let by_tanh = run(Epilogue::GeluTanh, &x, 0.0);
                let off = |got: &[f32], by: fn(f32) -> f32| {
                    let errors = got.iter().zip(&x).map(|(got, x)| (got - by(*x)).abs());
                    errors.fold(0.0, f32::max)
                };
                let right = [off(&exact, reference::gelu), off(&by_tanh, reference::gelu_tanh)];
                let wrong = [off(&by_tanh, reference::gelu), off(&exact, reference::gelu_tanh)];
                assert!(right.iter().all(|off| *off <= 1e-4), "{}: {right:?}", variant.name);
                assert!(wrong.iter().all(|off| *off >= 3e-4), "{}: {wrong:?}", variant.name);
                for epilogue in [Epilogue::GeluTanh, Epilogue::Relu] {
                    let of = |bias| run(epilogue, &[0.0], bias)[0];
                    let odd = [of(f32::NAN), of(f32::INFINITY), of(1e9)];
                    let all_lost = odd.iter().all(|x| !x.is_finite());
                    assert!(all_lost, "{} {epilogue:?}: {odd:?}", variant.name);
                    assert_eq!([of(60_000.0), of(-60_000.0), of(0.0)], [60_000.0, 0.0, 0.0]);
                }
            }
        }
    }

    #[test]
    fn quantised_weights_give_the_bits_of_the_f16_weights_that_they_stand_for() {
        for gpu in testing::gpus() {
            for variant in VARIANTS.iter().filter(|variant| variant.runs_on(&gpu)) {
                for size in [(33, 200, 130), (9, 31, 64)] {
                    for format in [WeightFormat::Q8, WeightFormat::Q4] {
                        let run = |expanded| {
                            let weights = (format, expanded);
                            let run = run(&gpu, variant, weights, size, STORE_F32, u64::MAX);
                            testing::block_on(run)
                        };
                        let ((got, reference), (expected, _)) = (run(false), run(true));
                        assert!(got == expected, "{} {format} {size:?}", variant.name);
                        let f16_sums = if variant.order == Order::Half { F16_SUMS } else { 0.0 };
                        testing::assert_close(&got, &reference, 1e-5 + f16_sums);
                    }
                }
            }
        }
    }

    #[test]
    fn this_machine_runs_every_variant_but_for_matrix_units() {
        let gpu = &testing::gpus()[0];
        for variant in VARIANTS {
            // GPUs have subgroups of other sizes, or none.
            let optional = match variant.kernels[0].needs {
                Needs::CooperativeMatrices { .. } => true,
                Needs::Subgroups { .. } => !gpu.is_software(),
                Needs::Nothing | Needs::F16 => false,
            };
            assert!(optional || variant.runs_on(gpu), "{}", variant.name);
        }
    }

    #[test]
    #[ignore = "needs matrix units: a GPU with cooperative matrices, or lavapipe 26"]
    fn this_machine_has_matrix_units() {
        let gpu = &testing::gpus()[0];
        let run = VARIANTS.iter().filter(|variant| variant.runs_on(gpu));
        assert!(run.clone().any(|variant| matches!(variant.order, Order::Cooperative { .. })));
    }

    #[test]
    fn bits_depend_on_neither_variant_of_an_order_nor_runs_of_rows() {
        let gpu = &testing::gpus()[0];
        let size = (150, 300, 70);
        let bits = |variant: &'static Variant, most_flops| {
            let run = run(gpu, variant, F16, size, STORE_F32, most_flops);
            let (got, _) = testing::block_on(run);
            got.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        for variant in VARIANTS.iter().filter(|variant| variant.runs_on(gpu)) {
            let first = VARIANTS.iter().find(|first| first.order == variant.order).unwrap();
            let expected = bits(first, u64::MAX);
            assert!(bits(variant, u64::MAX) == expected, "{}", variant.name);
            // 16 rows a step, or as few as the tile allows.
            assert!(bits(variant, 700_000) == expected, "{} by runs of rows", variant.name);
        }
    }

    #[test]
    fn steps_are_cut_at_tiles() {
        let gpu = &testing::gpus()[0];
        testing::block_on(async {
            let weights = Weights::zeros(gpu, "w", 8, &[0.0; 8]).await?;
            let a = Matrix::zeros(gpu, "a", 100, 8, Storage::F16)?;
            let out = Matrix::zeros(gpu, "out", 100, 8, Storage::F16)?;
            let cut = |most_flops| {
                let method = Method { variant: &medium::VARIANT, most_flops, blocks: None };
                matmul("t", method, 100, &a, &weights, Epilogue::Store, &out)
            };
            // 128 operations a row, tiles of 32 rows.
            assert_eq!(cut(u64::MAX)?.len(), 1);
            assert_eq!(cut(128 * 70)?.len(), 2);
            assert_eq!(cut(0)?.len(), 4);
            let flops = |steps: Vec<Step>| steps.iter().map(|step| step.work.flops).sum::<u64>();
            assert_eq!(flops(cut(0)?), flops(cut(u64::MAX)?));
            Ok(())
        });
    }

    #[test]
    fn wrong_shapes_are_refused() {
        let gpu = &testing::gpus()[0];
        testing::block_on(async {
            let weights = Weights::zeros(gpu, "w", 8, &[0.0; 8]).await?;
            let narrow = Matrix::zeros(gpu, "a", 4, 7, Storage::F16)?;
            let a = Matrix::zeros(gpu, "a", 4, 8, Storage::F16)?;
            let out = Matrix::zeros(gpu, "out", 4, 8, Storage::F16)?;
            let call = |label, rows, a, epilogue| {
                let method =
                    Method { variant: &large::VARIANT, most_flops: u64::MAX, blocks: None };
                matmul(label, method, rows, a, &weights, epilogue, &out)
            };
            assert!(call("narrow", 4, &narrow, Epilogue::Store).is_err());
            assert!(call("rows", 5, &a, Epilogue::Store).is_err());
            assert!(call("in place", 4, &a, Epilogue::Residual(&out)).is_err());
            assert!(call("fits", 4, &a, Epilogue::Store).is_ok());
            let method = Method { variant: &lanes::VARIANT, most_flops: u64::MAX, blocks: None };
            assert!(matmul("no buffer", method, 4, &a, &weights, Epilogue::Store, &out).is_err());
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
