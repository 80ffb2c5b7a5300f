//! From a checkpoint's tensors to the layout that the kernels read, a panel at a time: host
//! memory holds one panel, never a tensor.

use std::ops::Range;

use crate::checkpoint::{Checkpoint, Tensor};
use crate::config::Config;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::attention::Heads;
use crate::ops::matmul::PANEL;
use crate::ops::{Matrix, Storage, embed, layer_norm, matmul, padded_vector};

/// Rows of a table that are read at once.
const TABLE_ROWS: usize = 512;

/// A model's weights as the kernels read them.
pub(super) struct Weights {
    pub tables: embed::Tables,
    pub embed_norm: layer_norm::Weights,
    pub layers: Vec<Layer>,
    pub dense: matmul::Weights,   // [hidden, hidden]
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

pub(super) async fn load(
    gpu: &Gpu,
    checkpoint: &Checkpoint,
    config: &Config,
    loaded: &mut dyn FnMut(u64),
) -> Result<Weights> {
    let mut loader = Loader { gpu, checkpoint, eps: config.layer_norm_eps, bytes: 0, loaded };
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };

    let embeddings = "roberta.embeddings";
    let word = format!("{embeddings}.word_embeddings.weight");
    let position = format!("{embeddings}.position_embeddings.weight");
    let token_type = format!("{embeddings}.token_type_embeddings.weight");
    let tables = embed::Tables {
        word: loader.table(&word, config.vocab_size, hidden).await?,
        position: loader.table(&position, config.max_position_embeddings, hidden).await?,
        token_type: {
            let tensor = checkpoint.get(&token_type, &[config.type_vocab_size, hidden])?;
            let row = loader.read(&tensor, 0..1).await?;
            padded_vector(gpu, &token_type, &row).await?
        },
    };
    let embed_norm = loader.norm(&format!("{embeddings}.LayerNorm"), hidden).await?;

    let mut layers = Vec::with_capacity(config.num_hidden_layers);
    for index in 0..config.num_hidden_layers {
        let layer = format!("roberta.encoder.layer.{index}");
        layers.push(Layer {
            qkv: loader.qkv(&format!("{layer}.attention.self"), hidden, heads).await?,
            out: loader
                .dense(&format!("{layer}.attention.output.dense"), hidden, hidden, Some(heads))
                .await?,
            out_norm: loader.norm(&format!("{layer}.attention.output.LayerNorm"), hidden).await?,
            up: loader.dense(&format!("{layer}.intermediate.dense"), hidden, inner, None).await?,
            down: loader.dense(&format!("{layer}.output.dense"), inner, hidden, None).await?,
            down_norm: loader.norm(&format!("{layer}.output.LayerNorm"), hidden).await?,
        });
    }
    let labels = config.labels.len();
    let dense = loader.dense("classifier.dense", hidden, hidden, None).await?;
    let project = loader.dense("classifier.out_proj", hidden, labels, None).await?;
    gpu.finish().await?;
    Ok(Weights { tables, embed_norm, layers, dense, project })
}

struct Loader<'a> {
    gpu: &'a Gpu,
    checkpoint: &'a Checkpoint,
    eps: f32,
    bytes: u64,
    loaded: &'a mut dyn FnMut(u64),
}

impl Loader<'_> {
    /// Reads rows of `tensor` and counts their bytes.
    async fn read(&mut self, tensor: &Tensor<'_>, rows: Range<usize>) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(rows.len() * tensor.row_len());
        tensor.read_rows(rows, &mut values).await?;
        self.bytes += (values.len() * tensor.dtype().size()) as u64;
        (self.loaded)(self.bytes);
        Ok(values)
    }

    async fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>> {
        let tensor = self.checkpoint.get(name, &[length])?;
        self.read(&tensor, 0..length).await
    }

    async fn table(&mut self, name: &str, rows: usize, width: usize) -> Result<Matrix> {
        let tensor = self.checkpoint.get(name, &[rows, width])?;
        let matrix = Matrix::zeros(self.gpu, name, rows, width, Storage::F16)?;
        for first in (0..rows).step_by(TABLE_ROWS) {
            let values = self.read(&tensor, first..rows.min(first + TABLE_ROWS)).await?;
            matrix.write_rows(self.gpu, name, first, &values).await?;
        }
        Ok(matrix)
    }

    async fn norm(&mut self, name: &str, width: usize) -> Result<layer_norm::Weights> {
        let gamma = self.vector(&format!("{name}.weight"), width).await?;
        let beta = self.vector(&format!("{name}.bias"), width).await?;
        layer_norm::Weights::new(self.gpu, name, &gamma, &beta, self.eps).await
    }

    /// A dense layer. With `input_heads`, its inputs are heads that lie padded in memory.
    async fn dense(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
        input_heads: Option<Heads>,
    ) -> Result<matmul::Weights> {
        let weight = self.checkpoint.get(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.vector(&format!("{name}.bias"), outputs).await?;
        let padded_inputs = input_heads.map_or(inputs, Heads::width);
        let packed = matmul::Weights::zeros(self.gpu, name, padded_inputs, &bias).await?;
        for (panel, rows) in panels(outputs).enumerate() {
            let mut values = self.read(&weight, rows).await?;
            if let Some(heads) = input_heads {
                values = pad_heads(&values, heads);
            }
            packed.write_panel(self.gpu, weight.name(), panel, &values).await?;
        }
        Ok(packed)
    }

    /// Query, key and value as one matrix whose output heads lie padded in memory.
    async fn qkv(&mut self, name: &str, inputs: usize, heads: Heads) -> Result<matmul::Weights> {
        let outputs = heads.count * heads.size;
        let mut parts = Vec::new();
        let mut bias = Vec::new();
        for part in ["query", "key", "value"] {
            let weight = format!("{name}.{part}.weight");
            parts.push(self.checkpoint.get(&weight, &[outputs, inputs])?);
            let part_bias = self.vector(&format!("{name}.{part}.bias"), outputs).await?;
            bias.extend(pad_heads(&part_bias, heads));
        }
        let packed = matmul::Weights::zeros(self.gpu, name, inputs, &bias).await?;
        for (panel, rows) in panels(bias.len()).enumerate() {
            let mut values = Vec::with_capacity(rows.len() * inputs);
            for (part, weight) in parts.iter().enumerate() {
                for run in part_rows(rows.clone(), part, heads) {
                    match run {
                        Run::Read(rows) => values.extend(self.read(weight, rows).await?),
                        Run::Zeros(rows) => values.resize(values.len() + rows * inputs, 0.0),
                    }
                }
            }
            packed.write_panel(self.gpu, name, panel, &values).await?;
        }
        Ok(packed)
    }
}

/// The rows of each panel of a matrix with `outputs` rows.
fn panels(outputs: usize) -> impl Iterator<Item = Range<usize>> {
    let width = PANEL as usize;
    (0..outputs).step_by(width).map(move |first| first..outputs.min(first + width))
}

/// Puts the zeros behind each head of `values` that fill it up to its padded size.
fn pad_heads(values: &[f32], heads: Heads) -> Vec<f32> {
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

/// What of `rows` (of the packed qkv matrix) belongs to `part`, as runs of that part's own rows.
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
        let padded = pad_heads(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], heads);
        assert_eq!(padded, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
    }
}
