//! What happens to each sum before it is stored.

use super::super::attention::Heads;
use super::super::embed::ID_BYTES;
use super::super::rotary::RotaryTable;
use super::super::shaders::matmul::{ADD, GELU, GELU_TANH, RELU, RESIDUAL, ROTATE, STORE, TANH};
use super::super::{Matrix, Storage, check};
use crate::config::Activation;
use crate::error::Result;
use crate::gpu::Buffer;

/// What happens to each sum before it is stored. Out is f16 or f32, as the matrix is.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a> {
    /// Bias.
    Store,
    /// Bias and the exact GELU, x/2 (1 + erf(x/sqrt 2)).
    Gelu,
    /// Bias and tanh.
    Tanh,
    /// Bias and the larger of that and 0.
    Relu,
    /// Bias and GELU's approximation by tanh.
    GeluTanh,
    /// Bias, and then this activation of inputs times their gates. The outputs of the weights are four inputs and
    /// their four gates, interleaved, [`gated_width`] of them, and out has the products.
    Gated(Activation),
    /// Bias, and the queries and keys in rows of q, k and v rotated by their positions.
    Rotate(Rotary<'a>),
    /// Bias and this matrix of out's shape added, f16 or f32. It is another one than out.
    Residual(&'a Matrix),
}

impl From<Activation> for Epilogue<'_> {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Gelu => Epilogue::Gelu,
            Activation::GeluTanh => Epilogue::GeluTanh,
            Activation::Relu => Epilogue::Relu,
        }
    }
}

/// By what queries and keys are rotated: rotary positions (Su et al., 2021).
#[derive(Debug, Clone, Copy)]
pub struct Rotary<'a> {
    /// Three u32 a row, of which the second is its position, below those of `table`.
    pub ids: &'a Buffer,
    /// The cosines and sines of every position.
    pub table: &'a RotaryTable,
    /// The heads of q, k and v. In those of q and k the two numbers of a pair lie side by side.
    pub heads: Heads,
}

/// Outputs of a layer that has `width` inputs to its activation and as many gates, each padded to groups of four.
pub fn gated_width(width: usize) -> usize {
    2 * width.next_multiple_of(4)
}

/// An epilogue as the kernel reads it.
pub(super) struct Bound<'a> {
    pub number: u32,
    pub residual: &'a Buffer,
    /// Bytes of it for each number of out.
    pub residual_bytes: u64,
    pub ids: &'a Buffer,
    pub rotated4: u32,
    pub head4: u32,
    pub gated: bool,
}

impl<'a> Epilogue<'a> {
    /// For `rows` rows of `out`. A kernel must bind a buffer to what it does not read: the bias.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
    pub(super) fn bind(
        self,
        kernel: &'static str,
        label: &str,
        rows: usize,
        bias: &'a Buffer,
        out: &Matrix,
    ) -> Result<Bound<'a>> {
        let plain = |number| Bound {
            number,
            residual: bias,
            residual_bytes: 0,
            ids: bias,
            rotated4: 0,
            head4: 0,
            gated: false,
        };
        Ok(match self {
            Epilogue::Store => plain(STORE),
            Epilogue::Gelu => plain(GELU),
            Epilogue::GeluTanh => plain(GELU_TANH),
            Epilogue::Tanh => plain(TANH),
            Epilogue::Relu => plain(RELU),
            Epilogue::Gated(activation) => {
                let of = Epilogue::from(activation).bind(kernel, label, rows, bias, out)?;
                Bound { gated: true, ..of }
            }
            Epilogue::Rotate(Rotary { ids, table, heads }) => {
                let fits = out.width == 3 * heads.width()
                    && ids.size() >= ID_BYTES * rows as u64
                    && table.fits(heads);
                check(kernel, label, fits)?;
                Bound {
                    residual: table.buffer(),
                    ids,
                    rotated4: (2 * heads.width() / 4) as u32,
                    head4: (heads.padded_size() / 4) as u32,
                    ..plain(ROTATE)
                }
            }
            Epilogue::Residual(residual) => {
                let same = residual.width == out.width && residual.rows >= rows;
                let (number, residual_bytes) = match residual.storage {
                    Storage::F16 => (RESIDUAL, 2),
                    Storage::F32 => (ADD, 4),
                    Storage::Q8 => (STORE, 0),
                };
                let fits = same && number != STORE && residual.buffer != out.buffer;
                check(kernel, label, fits)?;
                Bound { residual: &residual.buffer, residual_bytes, ..plain(number) }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Method, Order, VARIANTS, Variant, Weights, matmul};
    use super::*;
    use crate::checkpoint::{Quantised, WeightFormat};
    use crate::gpu::Gpu;
    use crate::ops::matmul::PANEL;
    use crate::ops::testing::{self, Case};
    use crate::ops::{blocks, testing::paired};
    use crate::reference::modernbert::{gated, rotate};
    use crate::reference::{activation, matmul as reference_matmul};

    /// `rows` of weights, `inputs` numbers each, in a format; and the numbers that they stand for then.
    async fn weights(
        gpu: &Gpu,
        format: WeightFormat,
        rows: &[f32],
        inputs: usize,
        bias: &[f32],
    ) -> Result<(Weights, Vec<f32>)> {
        let weights = Weights::of(gpu, "w", format, inputs, bias).await?;
        let mut held = Vec::new();
        for (panel, rows) in rows.chunks(PANEL as usize * inputs).enumerate() {
            if format == WeightFormat::F16 {
                weights.write_panel(gpu, "w", panel, rows).await?;
                held.extend_from_slice(rows);
            } else {
                let rounded = Quantised::round("w", format, rows, inputs, format.block())?;
                rounded.expand(inputs, format.block(), &mut held);
                weights.write_quantised(gpu, "w", panel, &rounded).await?;
            }
        }
        Ok((weights, held))
    }

    async fn run(
        gpu: &Gpu,
        variant: &'static Variant,
        rows: usize,
        a: &[f32],
        w: &Weights,
        epilogue: Epilogue<'_>,
        width: usize,
    ) -> Result<Vec<f32>> {
        let a = testing::matrix(gpu, a, w.inputs(), Storage::F16).await?;
        let out = Matrix::zeros(gpu, "out", rows + 1, width, Storage::F16)?;
        testing::poison(gpu, &out).await?;
        let blocks = gpu.buffer("blocks", blocks::bytes(rows, w.inputs()))?;
        let method = Method { variant, most_flops: u64::MAX, blocks: Some(&blocks) };
        let steps = matmul("test", method, rows, &a, w, epilogue, &out)?;
        testing::run(gpu, steps, &out, rows).await
    }

    /// Every variant on every device, with every format of weights.
    fn each(check: impl Fn(&Gpu, &'static Variant, WeightFormat)) {
        for gpu in testing::gpus() {
            for variant in VARIANTS.iter().filter(|variant| variant.runs_on(&gpu)) {
                for format in [WeightFormat::F16, WeightFormat::Q8, WeightFormat::Q4] {
                    check(&gpu, variant, format);
                }
            }
        }
    }

    /// A number of each of `rows` rows, of the numbers from `first` on, `width` of `stride`.
    fn part(rows: &[f32], stride: usize, first: usize, width: usize) -> Vec<f32> {
        rows.chunks_exact(stride).flat_map(|row| &row[first..][..width]).copied().collect()
    }

    #[test]
    fn queries_and_keys_are_rotated_as_the_reference_rotates_them() {
        each(|gpu, variant, format| {
            for (count, size, tokens) in [(1, 2, 3), (3, 20, 70), (2, 22, 9), (2, 64, 2100)] {
                let (heads, inputs) = (Heads { count, size }, 5);
                let (width, padded) = (count * size, heads.width());
                let mut case = Case::new(size);
                let a = case.f16_values(tokens * inputs, 1.0);
                let rows = case.f16_values(3 * width * inputs, 0.5);
                let bias = case.values(3 * width, 0.5);
                // Rows of weights are reordered as numbers of q, k and v are.
                let arranged = |rows: &[f32], width: usize| -> Vec<f32> {
                    let columns = (0..width).map(|column| part(rows, width, column, 1));
                    let columns: Vec<Vec<f32>> = columns
                        .map(|column| {
                            column
                                .chunks(count * size)
                                .flat_map(|part| paired(part, heads))
                                .collect()
                        })
                        .collect();
                    (0..3 * padded).flat_map(|row| columns.iter().map(move |c| c[row])).collect()
                };
                let (packed, packed_bias) = (arranged(&rows, inputs), arranged(&bias, 1));
                let ids: Vec<[u32; 3]> = (0..tokens as u32).map(|at| [7, at, 0]).collect();
                let (got, held) = testing::block_on(async {
                    let (w, held) = weights(gpu, format, &packed, inputs, &packed_bias).await?;
                    let ids = gpu.buffer_of("ids", &ids).await?;
                    let table = RotaryTable::new(gpu, tokens, size, 10_000.0).await?;
                    let rotate = Epilogue::Rotate(Rotary { ids: &ids, table: &table, heads });
                    Ok((run(gpu, variant, tokens, &a, &w, rotate, 3 * padded).await?, held))
                });
                let qkv = reference_matmul(&a, &held, &packed_bias, inputs);
                // Back into the checkpoint's order, rotated, and into the kernels' order again.
                let parts = [0, 1, 2].map(|i| {
                    let plain = |row: &[f32]| -> Vec<f32> {
                        row.chunks(heads.padded_size())
                            .flat_map(|head| {
                                let half = |from| head[from..size].iter().step_by(2).copied();
                                half(0).chain(half(1))
                            })
                            .collect()
                    };
                    let part = part(&qkv, 3 * padded, i * padded, padded);
                    let part: Vec<f32> = part.chunks(padded).flat_map(plain).collect();
                    if i < 2 { rotate(&part, count, size, 10_000.0) } else { part }
                });
                let row = |token: usize| {
                    let of = |part: &Vec<f32>| paired(&part[token * width..][..width], heads);
                    parts.iter().flat_map(of).collect::<Vec<f32>>()
                };
                let expected: Vec<f32> = (0..tokens).flat_map(row).collect();
                testing::assert_close(&got, &expected, 2e-3);
            }
        });
    }

    #[test]
    fn gates_are_multiplied_as_the_reference_multiplies_them() {
        each(|gpu, variant, format| {
            for (tokens, inputs, width, by) in [
                (1, 3, 1, Activation::Relu),
                (3, 5, 5, Activation::GeluTanh),
                (17, 70, 106, Activation::Gelu),
                (130, 9, 33, Activation::Gelu),
                (40, 30, 40, Activation::GeluTanh),
            ] {
                let mut case = Case::new(width);
                let a = case.f16_values(tokens * inputs, 1.0);
                let outputs = gated_width(width);
                let rows = case.f16_values(outputs * inputs, 1.0);
                let bias = case.values(outputs, 0.5);
                let (got, held) = testing::block_on(async {
                    let (w, held) = weights(gpu, format, &rows, inputs, &bias).await?;
                    let gated = Epilogue::Gated(by);
                    Ok((run(gpu, variant, tokens, &a, &w, gated, width).await?, held))
                });
                let up = reference_matmul(&a, &held, &bias, inputs);
                let halves = |row: &[f32]| -> Vec<f32> {
                    let half = |from: usize| -> Vec<f32> {
                        let groups = row.chunks(4).skip(from).step_by(2);
                        groups.flatten().take(width).copied().collect()
                    };
                    [half(0), half(1)].concat()
                };
                let up: Vec<f32> = up.chunks(outputs).flat_map(halves).collect();
                // Sums are up to 8 in size, so the error of each by products in f16 is up to 0.005, times the other.
                let bound = if variant.order == Order::Half { 2e-2 } else { 2e-3 };
                testing::assert_close(&got, &gated(&up, width, activation(by)), bound);
            }
        });
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let gpu = &testing::gpus()[0];
        testing::block_on(async {
            let heads = Heads { count: 2, size: 6 };
            let table = RotaryTable::new(gpu, 4, 6, 10_000.0).await?;
            let other = RotaryTable::new(gpu, 4, 8, 10_000.0).await?;
            let ids = gpu.buffer("ids", 4 * ID_BYTES)?;
            let few = gpu.buffer("ids", 2 * ID_BYTES)?;
            let width = 3 * heads.width();
            let w = Weights::zeros(gpu, "w", 8, &vec![0.0; width]).await?;
            let gates = Weights::zeros(gpu, "w", 8, &vec![0.0; gated_width(width)]).await?;
            let a = Matrix::zeros(gpu, "a", 4, 8, Storage::F16)?;
            let out = Matrix::zeros(gpu, "out", 4, width, Storage::F16)?;
            let call = |rows, w, epilogue| {
                let variant = &super::super::large::VARIANT;
                let method = Method { variant, most_flops: u64::MAX, blocks: None };
                matmul("test", method, rows, &a, w, epilogue, &out).is_ok()
            };
            let rotate = |ids, table, heads| Epilogue::Rotate(Rotary { ids, table, heads });
            assert!(call(4, &w, rotate(&ids, &table, heads)));
            assert!(!call(4, &w, rotate(&few, &table, heads)));
            assert!(!call(4, &w, rotate(&ids, &other, heads)));
            assert!(!call(4, &w, rotate(&ids, &table, Heads { count: 1, size: 6 })));
            assert!(call(3, &gates, Epilogue::Gated(Activation::Gelu)));
            assert!(!call(3, &w, Epilogue::Gated(Activation::Gelu)));
            assert!(!call(3, &gates, Epilogue::Gelu));
            Ok(())
        });
    }
}
