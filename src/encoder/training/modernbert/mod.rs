//! ModernBERT in training.

mod buffers;
mod passes;

use super::Depth;
use super::buffers::Size;
use super::dense::Trained;
use super::load::Builder;
use super::passes::NormParameters;
use super::tables::Tables;
use crate::config::{ModernBert, Module};
use crate::encoder::loader::Loader;
use crate::encoder::modernbert::weights::{self, Gates, Weights};
use crate::error::Result;
pub(super) use buffers::Own;

/// Its weights, and what training needs of them besides.
pub(super) struct ModernBertTraining {
    of: ModernBert,
    pub weights: Weights,
    pub layers: Vec<Layer>, // none where the encoder is frozen
    final_norm: NormParameters,
    head_norm: NormParameters,
    pub tables: Option<Tables>,
}

/// The backward pass of one encoder layer.
pub(super) struct Layer {
    attention_norm: NormParameters,
    pub qkv: Trained,
    pub out: Trained,
    ffn_norm: NormParameters,
    pub up: Trained,
    pub down: Trained,
}

impl ModernBertTraining {
    /// Streams the weights to the GPU; the word table in parts of at most `part_bytes`. The head's dense layers
    /// are the caller's, to whom `builder` goes back.
    pub async fn load(
        mut loader: Loader<'_>,
        builder: &mut Builder<'_>,
        of: &ModernBert,
        part_bytes: u64,
        size: Size,
    ) -> Result<ModernBertTraining> {
        let mut weights = weights::load(&mut loader, of, part_bytes, Gates::After).await?;
        let config = builder.config;
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let mut layers = Vec::new();
        if size.through_encoder {
            for (index, w) in weights.layers.iter_mut().enumerate() {
                layers.push(Layer {
                    attention_norm: match &w.attention_norm {
                        Some(norm) => builder.norm(norm, Module::AttentionNorm(index))?,
                        None => None,
                    },
                    qkv: builder.dense(&mut w.qkv, &[(Module::Query(index), 3 * hidden)]).await?,
                    out: builder
                        .dense(&mut w.out, &[(Module::AttentionOut(index), hidden)])
                        .await?,
                    ffn_norm: builder.norm(&w.ffn_norm, Module::FfnNorm(index))?,
                    up: builder.dense(&mut w.up, &[(Module::Up(index), 2 * inner)]).await?,
                    down: builder.dense(&mut w.down, &[(Module::Down(index), hidden)]).await?,
                });
            }
        }
        let final_norm = builder.norm(&weights.final_norm, Module::FinalNorm)?;
        let tables = match builder.depth {
            Depth::Full => {
                let norm = builder.norm(&weights.embed_norm, Module::EmbedNorm)?;
                Some(Tables::new(builder, &weights.tables, norm, size.tokens).await?)
            }
            _ => None,
        };
        builder.depth = Depth::Full;
        let head_norm = builder.norm(&weights.head_norm, Module::HeadNorm)?;
        Ok(ModernBertTraining { of: of.clone(), weights, layers, final_norm, head_norm, tables })
    }
}
