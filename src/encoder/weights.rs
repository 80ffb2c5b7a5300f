//! From a checkpoint's tensors to the layout that the kernels read, a panel at a time: host
//! memory holds one panel, never a tensor.

use std::ops::Range;

use crate::checkpoint::{Checkpoint, Quantised, Tensor, WeightFormat, scheme};
use crate::config::{Config, Family, Module};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::attention::Heads;
use crate::ops::matmul::PANEL;
use crate::ops::{Matrix, Storage, embed, layer_norm, matmul};

/// Rows of a table that are read at once.
const TABLE_ROWS: usize = 512;

/// A model's weights as the kernels read them.
pub(super) struct Weights {
    pub tables: embed::Tables,
    pub embed_norm: layer_norm::Weights,
    pub layers: Vec<Layer>,
    pub dense: matmul::Weights,   // [hidden, hidden] of the head
    pub project: matmul::Weights, // [labels, hidden]
}

/// One encoder layer.
pub(super) struct Layer {
    pub qkv: matmul::Weights, // [3 x heads, hidden]: all heads of q, of k, of v
    pub out: matmul::Weights, // [hidden, heads]
    pub out_norm: layer_norm::Weights,
    pub up: matmul::Weights,   // [intermediate, hidden]
    pub down: matmul::Weights, // [hidden, intermediate]
    pub down_norm: layer_norm::Weights,
}

/// Streams the weights to the GPU; the word table in parts of at most `part_bytes`.
pub(super) async fn load(
    gpu: &Gpu,
    checkpoint: &Checkpoint,
    config: &Config,
    format: Option<WeightFormat>,
    part_bytes: u64,
    loaded: &mut dyn FnMut(u64),
) -> Result<Weights> {
    let (family, eps) = (config.family, config.layer_norm_eps);
    let mut loader = Loader { gpu, checkpoint, format, family, eps, bytes: 0, loaded };
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };

    let words = config.vocab_size;
    let table = checkpoint.get(&Module::Words.weight(family), &[words, hidden])?;
    let storage = match loader.held_as(&table) {
        WeightFormat::Q8 => Storage::Q8,
        _ => Storage::F16,
    };
    let most = (part_bytes / storage.row_bytes(hidden) as u64).max(1) as usize;
    let mut word = Vec::new();
    for first in (0..words).step_by(most) {
        let part = first..words.min(first.saturating_add(most));
        word.push(loader.table(Module::Words, words, part, hidden, storage).await?);
    }
    let tables = embed::Tables {
        word,
        position: {
            let rows = config.max_position_embeddings;
            loader.table(Module::Positions, rows, 0..rows, hidden, Storage::F16).await?
        },
        token_type: match config.type_vocab_size {
            0 => Matrix::zeros(gpu, "no token types", 1, hidden, Storage::F32)?,
            rows => {
                let used = 0..family.token_types().min(rows);
                loader.table(Module::TokenTypes, rows, used, hidden, Storage::F32).await?
            }
        },
    };
    let embed_norm = loader.norm(Module::EmbedNorm, hidden).await?;

    let mut layers = Vec::with_capacity(config.num_hidden_layers);
    for index in 0..config.num_hidden_layers {
        let qkv = [Module::Query(index), Module::Key(index), Module::Value(index)];
        let out = Module::AttentionOut(index);
        layers.push(Layer {
            qkv: loader.qkv(qkv, hidden, heads).await?,
            out: loader.dense(out, hidden, hidden, Some(heads)).await?,
            out_norm: loader.norm(Module::AttentionNorm(index), hidden).await?,
            up: loader.dense(Module::Up(index), hidden, inner, None).await?,
            down: loader.dense(Module::Down(index), inner, hidden, None).await?,
            down_norm: loader.norm(Module::FfnNorm(index), hidden).await?,
        });
    }
    let labels = config.labels.len();
    let dense = loader.dense(Module::Dense, hidden, hidden, None).await?;
    let project = loader.dense(Module::Project, hidden, labels, None).await?;
    gpu.finish().await?;
    Ok(Weights { tables, embed_norm, layers, dense, project })
}

struct Loader<'a> {
    gpu: &'a Gpu,
    checkpoint: &'a Checkpoint,
    /// The format to hold matrices in, if not the one they are stored in.
    format: Option<WeightFormat>,
    family: Family,
    eps: f32,
    bytes: u64,
    loaded: &'a mut dyn FnMut(u64),
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

    /// Some `rows` of a table that has `of` of them.
    async fn table(
        &mut self,
        module: Module,
        of: usize,
        rows: Range<usize>,
        width: usize,
        storage: Storage,
    ) -> Result<Matrix> {
        let name = module.weight(self.family);
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

    async fn norm(&mut self, module: Module, width: usize) -> Result<layer_norm::Weights> {
        let name = module.name(self.family);
        let gamma = self.vector(&format!("{name}.weight"), width).await?;
        let beta = self.vector(&format!("{name}.bias"), width).await?;
        layer_norm::Weights::new(self.gpu, &name, &gamma, &beta, self.eps).await
    }

    /// The format to hold a matrix in. Weights that an adapter changes are no small integers any more.
    fn held_as(&self, tensor: &Tensor<'_>) -> WeightFormat {
        match self.format {
            _ if tensor.is_adapted() => WeightFormat::F16,
            Some(format) => scheme(tensor.name(), tensor.shape(), format).0,
            None => tensor.weight_format(),
        }
    }

    /// Rows of `tensor`, rounded to `format`.
    async fn rounded(
        &mut self,
        tensor: &Tensor<'_>,
        format: WeightFormat,
        rows: Range<usize>,
    ) -> Result<Quantised> {
        self.count(tensor, rows.len());
        tensor.read_as(format, format.block(), rows).await
    }

    /// A dense layer. With `input_heads`, its inputs are heads that lie padded in memory.
    async fn dense(
        &mut self,
        module: Module,
        inputs: usize,
        outputs: usize,
        input_heads: Option<Heads>,
    ) -> Result<matmul::Weights> {
        let name = &module.name(self.family);
        let weight = self.checkpoint.get(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.vector(&format!("{name}.bias"), outputs).await?;
        let padded_heads = input_heads.filter(|heads| heads.padded_size() != heads.size);
        let padded_inputs = padded_heads.map_or(inputs, Heads::width);
        let format = self.held_as(&weight);
        // Padding between heads would move the blocks of integers, so such weights are expanded.
        let held = if padded_heads.is_some() { WeightFormat::F16 } else { format };
        let packed = matmul::Weights::of(self.gpu, name, held, padded_inputs, &bias).await?;
        for (panel, rows) in panels(outputs).enumerate() {
            if format == WeightFormat::F16 {
                let values = pad_heads(self.read(&weight, rows).await?, padded_heads);
                packed.write_panel(self.gpu, weight.name(), panel, &values).await?;
                continue;
            }
            let rounded = self.rounded(&weight, format, rows).await?;
            if held == format {
                packed.write_quantised(self.gpu, weight.name(), panel, &rounded).await?;
            } else {
                let mut values = Vec::new();
                rounded.expand(inputs, format.block(), &mut values);
                let values = pad_heads(values, padded_heads);
                packed.write_panel(self.gpu, weight.name(), panel, &values).await?;
            }
        }
        Ok(packed)
    }

    /// Query, key and value as one matrix whose output heads lie padded in memory.
    async fn qkv(
        &mut self,
        modules: [Module; 3],
        inputs: usize,
        heads: Heads,
    ) -> Result<matmul::Weights> {
        let outputs = heads.count * heads.size;
        let mut parts = Vec::new();
        let mut bias = Vec::new();
        let names = modules.map(|module| module.name(self.family));
        for name in &names {
            let weight = format!("{name}.weight");
            parts.push(self.checkpoint.get(&weight, &[outputs, inputs])?);
            let part_bias = self.vector(&format!("{name}.bias"), outputs).await?;
            bias.extend(pad_heads(part_bias, Some(heads)));
        }
        let name = &names[0];
        let format = self.held_as(&parts[0]);
        let alike = parts.iter().all(|part| self.held_as(part) == format);
        let format = if alike { format } else { WeightFormat::F16 };
        let packed = matmul::Weights::of(self.gpu, name, format, inputs, &bias).await?;
        for (panel, rows) in panels(bias.len()).enumerate() {
            let runs = (0..parts.len()).flat_map(|part| {
                part_rows(rows.clone(), part, heads).into_iter().map(move |run| (part, run))
            });
            if format == WeightFormat::F16 {
                let mut values = Vec::with_capacity(rows.len() * inputs);
                for (part, run) in runs {
                    match run {
                        Run::Read(rows) => values.extend(self.read(&parts[part], rows).await?),
                        Run::Zeros(rows) => values.resize(values.len() + rows * inputs, 0.0),
                    }
                }
                packed.write_panel(self.gpu, name, panel, &values).await?;
                continue;
            }
            let mut values = Quantised::default();
            for (part, run) in runs {
                match run {
                    Run::Read(rows) => {
                        values.append(self.rounded(&parts[part], format, rows).await?);
                    }
                    Run::Zeros(rows) => {
                        values.append(Quantised::zeros(rows, inputs, format.block()))
                    }
                }
            }
            packed.write_quantised(self.gpu, name, panel, &values).await?;
        }
        Ok(packed)
    }
}

/// The rows of each panel of a matrix with `outputs` rows.
fn panels(outputs: usize) -> impl Iterator<Item = Range<usize>> {
    let width = PANEL as usize;
    (0..outputs).step_by(width).map(move |first| first..outputs.min(first + width))
}

/// Pads each head of `values` with zeros to its padded size.
fn pad_heads(values: Vec<f32>, heads: Option<Heads>) -> Vec<f32> {
    let Some(heads) = heads else { return values };
    let fill = heads.padded_size() - heads.size;
    let mut padded = Vec::with_capacity(values.len() / heads.size * heads.padded_size());
    for head in values.chunks_exact(heads.size) {
        padded.extend_from_slice(head);
        padded.resize(padded.len() + fill, 0.0);
    }
    padded
}

/// Where rows of the packed matrix come from.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    Read(Range<usize>),
    Zeros(usize),
}

/// Which of `rows` (of the packed qkv matrix) belong to `part`, as runs of that part's own rows.
fn part_rows(rows: Range<usize>, part: usize, heads: Heads) -> Vec<Run> {
    let (size, padded) = (heads.size, heads.padded_size());
    let begin = rows.start.max(part * heads.width());
    let end = rows.end.min((part + 1) * heads.width());
    let mut runs = Vec::new();
    let mut row = begin;
    while row < end {
        let (head, within) = ((row - part * heads.width()) / padded, row % padded);
        let row_of = |within: usize| head * size + within;
        if within < size {
            let count = (size - within).min(end - row);
            match runs.last_mut() {
                Some(Run::Read(last)) if last.end == row_of(within) => last.end += count,
                _ => runs.push(Run::Read(row_of(within)..row_of(within) + count)),
            }
            row += count;
        } else {
            let count = (padded - within).min(end - row);
            runs.push(Run::Zeros(count));
            row += count;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_without_padding_are_one_run_a_part() {
        let heads = Heads { count: 12, size: 64 };
        assert_eq!(part_rows(64..128, 0, heads), [Run::Read(64..128)]);
        assert_eq!(part_rows(64..128, 1, heads), []);
        assert_eq!(part_rows(768..832, 1, heads), [Run::Read(0..64)]);
    }

    #[test]
    fn panels_cross_heads_and_parts() {
        // Heads of 25 padded to 28: q is rows 0..56, k rows 56..112.
        let heads = Heads { count: 2, size: 25 };
        assert_eq!(
            part_rows(0..64, 0, heads),
            [Run::Read(0..25), Run::Zeros(3), Run::Read(25..50), Run::Zeros(3)]
        );
        assert_eq!(part_rows(0..64, 1, heads), [Run::Read(0..8)]);
        assert_eq!(
            part_rows(64..128, 1, heads),
            [Run::Read(8..25), Run::Zeros(3), Run::Read(25..50), Run::Zeros(3)]
        );
    }

    #[test]
    fn heads_are_padded_one_by_one() {
        let heads = Heads { count: 2, size: 3 };
        let padded = pad_heads(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], Some(heads));
        assert_eq!(padded, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
    }
}
