//! The weights of ModernBERT, as the kernels read them.

use super::super::loader::Loader;
use super::super::runs::{Run, gated_runs, head_runs, panels};
use crate::config::{ModernBert, Module};
use crate::error::Result;
use crate::ops::attention::Heads;
use crate::ops::rotary::RotaryTable;
use crate::ops::{Matrix, Storage, embed, layer_norm, matmul};

/// A model's weights as the kernels read them.
pub(in crate::encoder) struct Weights {
    pub tables: embed::Tables,
    pub embed_norm: layer_norm::Weights,
    pub layers: Vec<Layer>,
    pub final_norm: layer_norm::Weights,
    pub dense: matmul::Weights, // [hidden, hidden] of the head
    pub head_norm: layer_norm::Weights,
    pub project: matmul::Weights,        // [labels, hidden]
    pub rotary_tables: Vec<RotaryTable>, // for each base of rotary positions
}

/// One encoder layer.
pub(in crate::encoder) struct Layer {
    pub attention_norm: Option<layer_norm::Weights>, // the first layer has none
    pub qkv: matmul::Weights, // [3 x heads, hidden]; halves of the heads of q and k side by side
    pub rotary_table: usize,  // which of the tables
    pub out: matmul::Weights, // [hidden, heads]
    pub ffn_norm: layer_norm::Weights,
    pub up: matmul::Weights, // [2 x intermediate, hidden]: inputs, and what gates them, as [`Gates`] says
    pub down: matmul::Weights, // [hidden, intermediate]
}

/// Where the gates of a feed-forward network lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encoder) enum Gates {
    /// Interleaved with their inputs, as a matmul reads them that gates.
    Interleaved,
    /// After all inputs, as in the checkpoint.
    After,
}

/// Streams the weights to the GPU; the word table in parts of at most `part_bytes`.
pub(in crate::encoder) async fn load(
    loader: &mut Loader<'_>,
    of: &ModernBert,
    part_bytes: u64,
    gates: Gates,
) -> Result<Weights> {
    let (config, gpu) = (loader.config, loader.gpu);
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
    let tables = embed::Tables {
        word: loader.words(part_bytes).await?,
        position: Matrix::zeros(gpu, "no positions", 1, hidden, Storage::F16)?,
        token_type: Matrix::zeros(gpu, "no token types", 1, hidden, Storage::F32)?,
    };
    let embed_norm = loader.norm(Module::EmbedNorm).await?;
    let (mut bases, mut rotary_tables) = (Vec::new(), Vec::new());
    let mut layers = Vec::with_capacity(of.layers.len());
    for (index, reach) in of.layers.iter().enumerate() {
        let known = bases.iter().position(|base| *base == reach.theta);
        let of_layer = known.unwrap_or(bases.len());
        if known.is_none() {
            bases.push(reach.theta);
            rotary_tables
                .push(RotaryTable::new(gpu, config.max_tokens(), heads.size, reach.theta).await?);
        }
        layers.push(Layer {
            attention_norm: match index {
                0 => None,
                _ => Some(loader.norm(Module::AttentionNorm(index)).await?),
            },
            qkv: {
                let part = |part: usize| head_runs(0, part * hidden, heads, part < 2);
                let runs: Vec<Run> = (0..3).flat_map(part).collect();
                loader.rearranged(Module::Query(index), hidden, 3 * hidden, &runs).await?
            },
            rotary_table: of_layer,
            out: loader.dense(Module::AttentionOut(index), hidden, hidden, Some(heads)).await?,
            ffn_norm: loader.norm(Module::FfnNorm(index)).await?,
            up: {
                let runs = match gates {
                    Gates::Interleaved => gated_runs(inner),
                    Gates::After => [0, inner].into_iter().flat_map(|at| half(at, inner)).collect(),
                };
                loader.rearranged(Module::Up(index), hidden, 2 * inner, &runs).await?
            },
            down: loader.dense(Module::Down(index), inner, hidden, None).await?,
        });
    }
    let final_norm = loader.norm(Module::FinalNorm).await?;
    let dense = loader.dense(Module::Dense, hidden, hidden, None).await?;
    let head_norm = loader.norm(Module::HeadNorm).await?;
    let project = loader.dense(Module::Project, hidden, config.labels.len(), None).await?;
    gpu.finish().await?;
    Ok(Weights { tables, embed_norm, layers, final_norm, dense, head_norm, project, rotary_tables })
}

/// The `inner` rows from `first` on, and zeros up to the width of that half in training.
fn half(first: usize, inner: usize) -> Vec<Run> {
    let read = |rows: std::ops::Range<usize>| Run::Read {
        part: 0,
        rows: first + rows.start..first + rows.end,
        paired: None,
    };
    let padding = matmul::gated_width(inner) / 2 - inner;
    let zeros = (padding > 0).then_some(Run::Zeros(padding));
    panels(inner).map(read).chain(zeros).collect()
}
