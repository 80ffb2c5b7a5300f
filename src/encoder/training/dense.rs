//! The backward pass of a dense layer, y = x W^T + b.

use super::buffers::Scratch;
use super::parameters::{Parameter, Parameters};
use crate::error::Result;
use crate::gpu::Step;
use crate::ops::matmul::{Epilogue, Method, Weights, matmul};
use crate::ops::training::column_sums::column_sums;
use crate::ops::training::lora_a_backward::lora_a_backward;
use crate::ops::training::lora_b_backward::lora_b_backward;
use crate::ops::training::merge_lora::{Lora, merge_lora};
use crate::ops::training::pack_columns::pack_columns;
use crate::ops::training::pack_weights::pack_weights;
use crate::ops::training::round_rows::round_rows;
use crate::ops::training::scale_rows::scale_rows;
use crate::ops::training::transpose_panels::transpose_panels;
use crate::ops::training::transpose_rows::transpose_rows;
use crate::ops::{Choice, Matrix, Storage, stride};

/// What training needs of a dense layer besides its weights.
pub(super) struct Trained {
    /// W^T, with which the gradient of the layer's input is computed.
    pub transposed: Weights,
    pub weight: Weight,
    /// Which parameter the bias is, if it is trained.
    pub bias: Option<usize>,
}

/// How W is trained.
pub(super) enum Weight {
    /// All of it is this parameter.
    Full(usize),
    /// By adapters of runs of its outputs, added to what it was before.
    Lora { before: Weights, adapters: Vec<Adapter> },
}

pub(super) struct Adapter {
    pub lora: Lora,
    /// Which parameters its A and B are.
    pub a: usize,
    pub b: usize,
}

/// The gradients of one dense layer.
pub(super) struct Backward<'a> {
    pub label: &'static str,
    pub rows: usize,
    /// The input, f16 `[rows, inputs]`.
    pub x: &'a Matrix,
    /// The gradient of the output, f32 `[rows, outputs]`.
    pub d_y: &'a Matrix,
    /// Where the gradient of x goes, and whether it is added to what is there.
    pub d_x: Option<(&'a Matrix, bool)>,
}

impl Trained {
    /// The gradients of weight and bias are added to those of their parameters.
    pub fn backward(
        &self,
        choice: &Choice,
        parameters: &Parameters,
        scratch: &Scratch,
        pass: Backward<'_>,
    ) -> Result<Vec<Step>> {
        let Backward { label, rows, x, d_y, d_x } = pass;
        let method = |rows| Method {
            variant: choice.tokens(rows),
            most_flops: choice.most_flops,
            blocks: scratch.blocks.as_ref(),
        };
        let view = |buffer: &crate::gpu::Buffer, rows, width, storage| Matrix {
            buffer: buffer.clone(),
            rows,
            width,
            storage,
        };
        let (outputs, inputs) = (d_y.width, x.width);
        let mut steps = Vec::new();
        if let Some((d_x, add)) = d_x {
            let scaled = view(&scratch.scaled, rows, outputs, Storage::F16);
            let product = view(&scratch.product, rows, inputs, Storage::F32);
            steps.push(round_rows(label, rows, d_y, &scratch.scales, &scaled)?);
            let by = (method(rows), &self.transposed, Epilogue::Store);
            steps.extend(matmul(label, by.0, rows, &scaled, by.1, by.2, &product)?);
            steps.push(scale_rows(label, rows, &product, &scratch.scales, d_x, add)?);
        }
        let scaled = view(&scratch.scaled, stride(outputs), rows, Storage::F16);
        let product = view(&scratch.product, outputs, inputs, Storage::F32);
        let scales = &scratch.scales;
        steps.push(transpose_rows(label, rows, d_y, scales, &scaled)?);
        let (pack, x) = pack_columns(label, rows, x, &scratch.panels, &scratch.zeros)?;
        steps.push(pack);
        let epilogue = Epilogue::Store;
        steps.extend(matmul(label, method(outputs), outputs, &scaled, &x, epilogue, &product)?);
        let gradient = |index: usize| parameters.list[index].gradient();
        match &self.weight {
            Weight::Full(index) => {
                let to = gradient(*index);
                steps.push(scale_rows(label, outputs, &product, scales, &to, true)?);
            }
            Weight::Lora { adapters, .. } => {
                for Adapter { lora, a, b } in adapters {
                    steps.push(lora_a_backward(label, &product, scales, lora, &gradient(*a))?);
                    steps.push(lora_b_backward(label, &product, scales, lora, &gradient(*b))?);
                }
            }
        }
        if let Some(bias) = self.bias {
            let Parameter { moments, .. } = &parameters.list[bias];
            steps.push(column_sums(label, rows, d_y, &moments.gradient)?);
        }
        Ok(steps)
    }

    /// Brings `weights`, which the forward pass reads, and their transpose up to date.
    pub fn refresh(&self, parameters: &Parameters, weights: &Weights) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        match &self.weight {
            Weight::Full(index) => {
                steps.push(pack_weights("pack", &parameters.list[*index].master, weights)?);
            }
            Weight::Lora { before, adapters } => {
                for adapter in adapters {
                    steps.push(merge_lora("merge", before, &adapter.lora, weights)?);
                }
            }
        }
        steps.push(transpose_panels("transpose", weights, &self.transposed)?);
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters::{Part, row};
    use super::*;
    use crate::gpu::{Gpu, Plan};
    use crate::ops::matmul::PANEL;
    use crate::ops::testing::{self, Case};
    use crate::ops::{blocks, padded_vector};
    use crate::reference;

    async fn weights(gpu: &Gpu, w: &[f32], inputs: usize) -> Result<Weights> {
        let zeros = vec![0.0; w.len() / inputs];
        let weights = Weights::zeros(gpu, "w", inputs, &zeros).await?;
        for (panel, rows) in w.chunks(PANEL as usize * inputs).enumerate() {
            weights.write_panel(gpu, "w", panel, rows).await?;
        }
        Ok(weights)
    }

    /// Gradients by x (on top of ones), W and b, as the GPU has them.
    async fn gradients(
        gpu: &Gpu,
        (rows, inputs, outputs): (usize, usize, usize),
        x: &[f32],
        w: &[f32],
        d_y: &[f32],
    ) -> Result<[Vec<f32>; 3]> {
        let mut parameters = Parameters::new(gpu)?;
        let part = |rows| vec![Part { name: "w".into(), rows }];
        let master = testing::matrix(gpu, w, inputs, Storage::F32).await?;
        let weight = parameters.add(Parameter::new(gpu, part(outputs), false, master)?);
        let bias = row(&padded_vector(gpu, "b", &vec![0.0; outputs]).await?, outputs);
        let bias = parameters.add(Parameter::new(gpu, part(outputs), true, bias)?);
        let live = weights(gpu, w, inputs).await?;
        let transposed = Weights::zeros(gpu, "wt", outputs, &vec![0.0; inputs]).await?;
        let trained = Trained { transposed, weight: Weight::Full(weight), bias: Some(bias) };
        let most = stride(rows.max(inputs).max(outputs));
        let buffer = |bytes: usize| gpu.buffer("scratch", bytes as u64);
        let scratch = Scratch {
            scaled: buffer(2 * most * most)?,
            scales: buffer(4 * most)?,
            panels: buffer(2 * most * most)?,
            product: buffer(4 * most * most)?,
            zeros: buffer(4 * most)?,
            no_bias: buffer(4 * most)?,
            stats: buffer(16)?,
            blocks: Some(gpu.buffer("blocks", blocks::bytes(most, most))?),
        };
        let x = testing::matrix(gpu, x, inputs, Storage::F16).await?;
        let d_y = testing::matrix(gpu, d_y, outputs, Storage::F32).await?;
        let d_x = testing::matrix(gpu, &vec![1.0; rows * inputs], inputs, Storage::F32).await?;
        let pass = Backward { label: "test", rows, x: &x, d_y: &d_y, d_x: Some((&d_x, true)) };
        let mut steps = trained.refresh(&parameters, &live)?;
        steps.extend(trained.backward(&Choice::safe(), &parameters, &scratch, pass)?);
        gpu.run(&Plan { steps }, &|| false).await?;
        let numbers = async |matrix: &Matrix| testing::run(gpu, vec![], matrix, matrix.rows).await;
        let gradient = |index: usize| parameters.list[index].gradient();
        Ok([
            numbers(&d_x).await?,
            numbers(&gradient(weight)).await?,
            numbers(&gradient(bias)).await?,
        ])
    }

    #[test]
    fn all_three_gradients_equal_the_reference_whatever_their_size() {
        for gpu in testing::gpus() {
            for (shape, size) in [((1, 1, 1), 1.0), ((7, 70, 65), 1e-9), ((33, 130, 20), 3e4)] {
                let (rows, inputs, outputs) = shape;
                let mut case = Case::new(rows);
                let x = case.f16_values(rows * inputs, 1.0);
                let w = case.f16_values(outputs * inputs, 1.0);
                let d_y = case.values(rows * outputs, size);
                let expected = reference::backward::linear_backward(&x, &w, &d_y, inputs);
                let [d_x, d_w, d_b] = testing::block_on(gradients(&gpu, shape, &x, &w, &d_y));
                let d_x: Vec<f32> = d_x.iter().map(|d| d - 1.0).collect();
                // f16 keeps 11 digits of each factor; sums of n of them are off by less than that
                // times their root. What was added to, 1, takes the digits of what is tiny.
                for (got, expected, n) in [
                    (d_w, &expected[1], rows),
                    (d_b, &expected[2], rows),
                    (d_x, &expected[0], outputs),
                ] {
                    let bound = size * (n as f32).sqrt() * 1e-3;
                    assert_eq!(got.len(), expected.len());
                    for (got, expected) in got.iter().zip(expected) {
                        let error = (got - expected).abs();
                        let bound = if n == outputs { bound + 1e-6 } else { bound };
                        assert!(error <= bound, "{shape:?}: {got}, expected {expected}");
                    }
                }
            }
        }
    }
}
