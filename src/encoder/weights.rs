//! The weights of RoBERTa and its like, as the kernels read them.

use super::loader::Loader;
use crate::config::Module;
use crate::error::Result;
use crate::ops::attention::Heads;
use crate::ops::{Matrix, Storage, embed, layer_norm, matmul};

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
pub(super) async fn load(mut loader: Loader<'_>, part_bytes: u64) -> Result<Weights> {
    let config = loader.config;
    let hidden = config.hidden_size;
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
    let tables = embed::Tables {
        word: loader.words(part_bytes).await?,
        position: {
            let rows = config.max_position_embeddings;
            loader.table(Module::Positions, rows, 0..rows, Storage::F16).await?
        },
        token_type: match config.type_vocab_size {
            0 => Matrix::zeros(loader.gpu, "no token types", 1, hidden, Storage::F32)?,
            rows => {
                let used = 0..config.family.token_types().min(rows);
                loader.table(Module::TokenTypes, rows, used, Storage::F32).await?
            }
        },
    };
    let embed_norm = loader.norm(Module::EmbedNorm).await?;

    let mut layers = Vec::with_capacity(config.num_hidden_layers);
    for index in 0..config.num_hidden_layers {
        let qkv = [Module::Query(index), Module::Key(index), Module::Value(index)];
        let inner = config.intermediate_size;
        layers.push(Layer {
            qkv: loader.qkv(&qkv, heads).await?,
            out: loader.dense(Module::AttentionOut(index), hidden, hidden, Some(heads)).await?,
            out_norm: loader.norm(Module::AttentionNorm(index)).await?,
            up: loader.dense(Module::Up(index), hidden, inner, None).await?,
            down: loader.dense(Module::Down(index), inner, hidden, None).await?,
            down_norm: loader.norm(Module::FfnNorm(index)).await?,
        });
    }
    let dense = loader.dense(Module::Dense, hidden, hidden, None).await?;
    let project = loader.dense(Module::Project, hidden, config.labels.len(), None).await?;
    loader.gpu.finish().await?;
    Ok(Weights { tables, embed_norm, layers, dense, project })
}
