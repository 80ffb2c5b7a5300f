//! From a checkpoint's tensors to the layout that the kernels read, a panel at a time: host
//! memory holds a panel and a few rows, never a tensor.

use std::ops::Range;

use super::runs::{Run, arranged, head_runs, interleaved, pad_heads, paired, panels};
use crate::checkpoint::{Checkpoint, Quantised, Tensor, WeightFormat, scheme};
use crate::config::{Config, Module};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::attention::Heads;
use crate::ops::matmul::PANEL;
use crate::ops::{Matrix, Storage, layer_norm, matmul};

/// Rows of a table that are read at once.
const TABLE_ROWS: usize = 512;

/// Whether a module has a bias. Only ModernBERT's may have none.
pub(super) fn has_bias(config: &Config, module: Module) -> bool {
    config.modernbert.as_ref().is_none_or(|of| of.has_bias(module))
}

/// Reads weights and counts their bytes.
pub(super) struct Loader<'a> {
    pub gpu: &'a Gpu,
    pub checkpoint: &'a Checkpoint,
    pub config: &'a Config,
    /// The format to hold matrices in, if not the one they are stored in.
    pub format: Option<WeightFormat>,
    /// Bytes read so far, by their size in the file.
    pub bytes: u64,
    /// Is called with them.
    pub loaded: &'a mut dyn FnMut(u64),
}

impl Loader<'_> {
    /// Reads rows of `tensor` and counts their bytes.
    async fn read(&mut self, tensor: &Tensor<'_>, rows: Range<usize>) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(rows.len() * tensor.row_len());
        tensor.read_rows(rows.clone(), &mut values).await?;
        self.count(tensor, rows.len());
        Ok(values)
    }

    /// Reports that so many rows were read.
    fn count(&mut self, tensor: &Tensor<'_>, rows: usize) {
        self.bytes += tensor.stored_bytes(rows);
        (self.loaded)(self.bytes);
    }

    async fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>> {
        let tensor = self.checkpoint.get(name, &[length])?;
        self.read(&tensor, 0..length).await
    }

    /// The bias of a module; zeros where it has none.
    async fn bias(&mut self, module: Module, length: usize) -> Result<Vec<f32>> {
        if has_bias(self.config, module) {
            let name = module.name(self.config.family);
            return self.vector(&format!("{name}.bias"), length).await;
        }
        Ok(vec![0.0; length])
    }

    /// The word table in parts of at most `part_bytes`.
    pub async fn words(&mut self, part_bytes: u64) -> Result<Vec<Matrix>> {
        let (words, hidden) = (self.config.vocab_size, self.config.hidden_size);
        let name = Module::Words.weight(self.config.family);
        let table = self.checkpoint.get(&name, &[words, hidden])?;
        let storage = match self.held_as(&table) {
            WeightFormat::Q8 => Storage::Q8,
            _ => Storage::F16,
        };
        let most = (part_bytes / storage.row_bytes(hidden) as u64).max(1) as usize;
        let mut parts = Vec::new();
        for first in (0..words).step_by(most) {
            let part = first..words.min(first.saturating_add(most));
            parts.push(self.table(Module::Words, words, part, storage).await?);
        }
        Ok(parts)
    }

    /// Some `rows` of a table that has `of` of them.
    pub async fn table(
        &mut self,
        module: Module,
        of: usize,
        rows: Range<usize>,
        storage: Storage,
    ) -> Result<Matrix> {
        let width = self.config.hidden_size;
        let name = module.weight(self.config.family);
        let tensor = self.checkpoint.get(&name, &[of, width])?;
        let matrix = Matrix::zeros(self.gpu, &name, rows.len(), width, storage)?;
        for first in rows.clone().step_by(TABLE_ROWS) {
            let run = first..rows.end.min(first + TABLE_ROWS);
            let to = first - rows.start;
            if storage == Storage::Q8 {
                self.count(&tensor, run.len());
                let values = tensor.read_as(WeightFormat::Q8, width, run).await?;
                matrix.write_quantised_rows(self.gpu, &name, to, &values).await?;
            } else {
                let values = self.read(&tensor, run).await?;
                matrix.write_rows(self.gpu, &name, to, &values).await?;
            }
        }
        Ok(matrix)
    }

    /// A LayerNorm.
    pub async fn norm(&mut self, module: Module) -> Result<layer_norm::Weights> {
        let (width, eps) = (self.config.hidden_size, self.config.layer_norm_eps);
        let name = module.name(self.config.family);
        let gamma = self.vector(&format!("{name}.weight"), width).await?;
        let beta = self.bias(module, width).await?;
        layer_norm::Weights::new(self.gpu, &name, &gamma, &beta, eps).await
    }

    /// The format to hold a matrix in. Weights that an adapter changes are no small integers any more.
    fn held_as(&self, tensor: &Tensor<'_>) -> WeightFormat {
        match self.format {
            _ if tensor.is_adapted() => WeightFormat::F16,
            Some(format) => scheme(tensor.name(), tensor.shape(), format).0,
            None => tensor.weight_format(),
        }
    }

    /// A dense layer. With `input_heads`, its inputs are heads that lie padded in memory.
    pub async fn dense(
        &mut self,
        module: Module,
        inputs: usize,
        outputs: usize,
        input_heads: Option<Heads>,
    ) -> Result<matmul::Weights> {
        let name = module.weight(self.config.family);
        let weight = self.checkpoint.get(&name, &[outputs, inputs])?;
        let bias = self.bias(module, outputs).await?;
        let runs = panels(outputs).map(|rows| Run::Read { part: 0, rows, paired: None });
        self.packed(&[weight], &runs.collect::<Vec<_>>(), &bias, input_heads).await
    }

    /// Query, key and value as one matrix whose output heads lie padded in memory.
    pub async fn qkv(&mut self, modules: &[Module; 3], heads: Heads) -> Result<matmul::Weights> {
        let (inputs, outputs) = (self.config.hidden_size, heads.count * heads.size);
        let mut parts = Vec::new();
        let mut biases = Vec::new();
        let mut runs = Vec::new();
        for (part, module) in modules.iter().enumerate() {
            let name = module.weight(self.config.family);
            parts.push(self.checkpoint.get(&name, &[outputs, inputs])?);
            biases.push(self.bias(*module, outputs).await?);
            runs.extend(head_runs(part, 0, heads, false));
        }
        let bias = arranged(&runs, &biases);
        self.packed(&parts, &runs, &bias, None).await
    }

    /// The dense layer of a module whose rows are `runs` of those in its only tensor of `outputs` rows.
    pub async fn rearranged(
        &mut self,
        module: Module,
        inputs: usize,
        outputs: usize,
        runs: &[Run],
    ) -> Result<matmul::Weights> {
        let name = module.weight(self.config.family);
        let weight = self.checkpoint.get(&name, &[outputs, inputs])?;
        let bias = self.bias(module, outputs).await?;
        self.packed(&[weight], runs, &arranged(runs, &[bias]), None).await
    }

    /// A dense layer whose rows are `runs` of the rows of `parts`. With `input_heads`, its inputs are
    /// heads that lie padded in memory.
    async fn packed(
        &mut self,
        parts: &[Tensor<'_>],
        runs: &[Run],
        bias: &[f32],
        input_heads: Option<Heads>,
    ) -> Result<matmul::Weights> {
        let (name, inputs) = (parts[0].name(), parts[0].row_len());
        let padded_heads = input_heads.filter(|heads| heads.padded_size() != heads.size);
        let padded_inputs = padded_heads.map_or(inputs, Heads::width);
        let format = self.held_as(&parts[0]);
        let alike = parts.iter().all(|part| self.held_as(part) == format);
        let format = if alike { format } else { WeightFormat::F16 };
        // Padding between heads would move the blocks of integers, so such weights are expanded.
        let held = if padded_heads.is_some() { WeightFormat::F16 } else { format };
        let packed = matmul::Weights::of(self.gpu, name, held, padded_inputs, bias).await?;
        let (width, last) = (PANEL as usize, runs.len() - 1);
        let blocks = inputs.div_ceil(format.block());
        let (mut panel, mut numbers, mut quantised) = (0, Vec::new(), Quantised::default());
        for (at, run) in runs.iter().enumerate() {
            if held == format && held != WeightFormat::F16 {
                quantised.append(self.quantised(parts, run, format).await?);
            } else {
                let values = self.expanded(parts, run, format).await?;
                numbers.extend(pad_heads(values, padded_heads));
            }
            // All whole panels, and with the last run what is left.
            let enough = if at == last { 1 } else { width };
            while numbers.len() >= enough * padded_inputs {
                let rows: Vec<f32> =
                    numbers.drain(..numbers.len().min(width * padded_inputs)).collect();
                packed.write_panel(self.gpu, name, panel, &rows).await?;
                panel += 1;
            }
            while quantised.scales.len() >= enough * blocks {
                let rows = (quantised.scales.len() / blocks).min(width);
                let taken = Quantised {
                    integers: quantised.integers.drain(..rows * inputs).collect(),
                    scales: quantised.scales.drain(..rows * blocks).collect(),
                };
                packed.write_quantised(self.gpu, name, panel, &taken).await?;
                panel += 1;
            }
        }
        Ok(packed)
    }

    /// A run as numbers, rounded to `format` first.
    async fn expanded(
        &mut self,
        parts: &[Tensor<'_>],
        run: &Run,
        format: WeightFormat,
    ) -> Result<Vec<f32>> {
        let inputs = parts[0].row_len();
        Ok(match run {
            Run::Read { part, rows, paired: by } => {
                paired(self.numbers(&parts[*part], rows.clone(), format).await?, inputs, *by)
            }
            Run::Gated { rows, gate } => {
                let gates = *gate..gate + rows.len();
                let gates = self.numbers(&parts[0], gates, format).await?;
                interleaved(self.numbers(&parts[0], rows.clone(), format).await?, gates, inputs)
            }
            Run::Zeros(rows) => vec![0.0; rows * inputs],
        })
    }

    /// Rows as numbers, rounded to `format` first.
    async fn numbers(
        &mut self,
        part: &Tensor<'_>,
        rows: Range<usize>,
        format: WeightFormat,
    ) -> Result<Vec<f32>> {
        if format == WeightFormat::F16 {
            return self.read(part, rows).await;
        }
        let rounded = self.integers(part, rows, format).await?;
        let mut values = Vec::new();
        rounded.expand(part.row_len(), format.block(), &mut values);
        Ok(values)
    }

    /// Rows as integers of `format`.
    async fn integers(
        &mut self,
        part: &Tensor<'_>,
        rows: Range<usize>,
        format: WeightFormat,
    ) -> Result<Quantised> {
        self.count(part, rows.len());
        part.read_as(format, format.block(), rows).await
    }

    /// A run as integers of `format`.
    async fn quantised(
        &mut self,
        parts: &[Tensor<'_>],
        run: &Run,
        format: WeightFormat,
    ) -> Result<Quantised> {
        let (inputs, block) = (parts[0].row_len(), format.block());
        let blocks = inputs.div_ceil(block);
        Ok(match run {
            Run::Read { part, rows, paired: by } => {
                let values = self.integers(&parts[*part], rows.clone(), format).await?;
                Quantised {
                    integers: paired(values.integers, inputs, *by),
                    scales: paired(values.scales, blocks, *by),
                }
            }
            Run::Gated { rows, gate } => {
                let gates = self.integers(&parts[0], *gate..gate + rows.len(), format).await?;
                let values = self.integers(&parts[0], rows.clone(), format).await?;
                Quantised {
                    integers: interleaved(values.integers, gates.integers, inputs),
                    scales: interleaved(values.scales, gates.scales, blocks),
                }
            }
            Run::Zeros(rows) => Quantised::zeros(*rows, inputs, block),
        })
    }
}
