//! The buffers of training: what a forward pass saves, and gradients. T is the most tokens of a batch,
//! P the most pairs, R is T, or P in the last layer.

use super::modernbert::Own;
use crate::batch::Batch;
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu};
use crate::ops::attention::{Heads, QUERIES, Task, Tasks, forward_tasks};
use crate::ops::matmul::gated_width;
use crate::ops::training::{attention_backward, layer_norm_backward};
use crate::ops::{Choice, Matrix, Storage, blocks, embed, padded_vector, stride};

/// What one layer's backward pass reads.
pub(super) struct Saved {
    pub qkv: Matrix,      // [T, 3 x heads]
    pub context: Matrix,  // [R, heads]
    pub out_sum: Matrix,  // [R, hidden] f32, before attention's LayerNorm
    pub attended: Matrix, // [R, hidden] after it
    pub pre: Matrix,      // [R, intermediate] before GELU
    pub inner: Matrix,    // [R, intermediate] after it
    pub down_sum: Matrix, // [R, hidden] f32, before the layer's LayerNorm
}

/// Buffers for the intermediate results of the backward pass.
pub(super) struct Scratch {
    /// A gradient scaled to f16, by rows or by columns.
    pub scaled: Buffer,
    /// The scales, f32.
    pub scales: Buffer,
    /// Activations as weights of a matmul.
    pub panels: Buffer,
    /// The result of a matmul with them, f32.
    pub product: Buffer,
    /// Zeros for matmuls without a bias, f32.
    pub zeros: Buffer,
    /// Where the gradient of a LayerNorm's shift goes, if it has none.
    pub no_bias: Buffer,
    /// Statistics for the backward pass of LayerNorm or attention.
    pub stats: Buffer,
    /// Inputs of a matmul in blocks, where its variant reads them so.
    pub blocks: Option<Buffer>,
}

pub(super) struct TrainingBuffers {
    pub ids: Buffer,
    pub first_rows: Buffer,
    pub tasks: Buffer,
    pub first_tasks: Buffer,
    pub tasks_back: Buffer,
    pub first_tasks_back: Buffer,
    pub embed_sum: Matrix,   // [T, hidden] f32
    pub hidden: Vec<Matrix>, // [T, hidden], the input of each layer; none of ModernBERT's
    pub saved: Vec<Saved>,   // of each layer, or of one at a time; none of ModernBERT's
    pub modernbert: Option<Own>,
    pub first_hidden: Matrix, // [P, hidden] <s> before the last layer's residual sum
    pub features: Matrix,     // [P, hidden] what the head reads
    pub head: Matrix,         // [P, hidden]
    pub logits: Matrix,       // [P, 1] f32
    pub labels: Buffer,       // [P] f32
    pub errors: Buffer,       // f32, one for each pair of an optimizer step
    // Gradients, f32.
    pub d_logits: Matrix,   // [P, 1]
    pub d_head: Matrix,     // [P, hidden]
    pub d_features: Matrix, // [P, hidden]
    pub d_hidden: Matrix,   // [T, hidden]
    pub d_sum: Matrix,      // [T, hidden]
    pub d_context: Matrix,  // [T, heads]
    pub d_qkv: Matrix,      // [T, 3 x heads]
    pub d_inner: Matrix,    // [T, intermediate]
    pub scratch: Scratch,
}

/// How large they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Tokens of a batch at the most.
    pub tokens: usize,
    /// Pairs of a batch at the most.
    pub pairs: usize,
    /// Pairs of an optimizer step at the most.
    pub step_pairs: usize,
    /// Whether the backward pass computes each layer's forward pass again, instead of saving it.
    pub recompute: bool,
    /// Whether gradients go through the encoder, or stop before it.
    pub through_encoder: bool,
}

impl Size {
    /// Tokens whose gradients are computed.
    pub(super) fn tokens_back(&self) -> usize {
        if self.through_encoder { self.tokens } else { 1 }
    }
}

/// Bytes of everything in [`TrainingBuffers`] that grows with a batch.
pub(super) fn bytes(config: &Config, choice: &Choice, size: Size) -> u64 {
    let (hidden, inner) = (stride(config.hidden_size), stride(config.intermediate_size));
    let qkv = stride(3 * config.hidden_size);
    let gradients = 12 * hidden + 4 * qkv + 4 * inner;
    let a_pair = 18 * hidden + 8 * stride(1) + 12;
    let Extent { scaled, panels, product, blocks, .. } = extent(config, choice, size);
    let own = match config.modernbert {
        Some(_) => Own::bytes(config, size),
        None => {
            let layers = config.num_hidden_layers;
            let layers_saved = if size.recompute { 1 } else { layers };
            let a_layer = 2 * qkv + 12 * hidden + 4 * inner;
            size.tokens * (2 * hidden * layers + layers_saved * a_layer)
        }
    };
    let rows =
        size.tokens * 4 * hidden + size.tokens_back() * gradients + size.pairs * a_pair + own;
    rows as u64 + scaled + panels + product + blocks
}

/// Bytes of the large ones of [`Scratch`].
struct Extent {
    scaled: u64,
    panels: u64,
    product: u64,
    blocks: u64,
    /// Numbers of the longest row or column.
    longest: usize,
}

/// Outputs of the first dense layer of a feed-forward network.
pub(super) fn up_width(config: &Config) -> usize {
    match config.modernbert {
        Some(_) => gated_width(config.intermediate_size),
        None => config.intermediate_size,
    }
}

fn extent(config: &Config, choice: &Choice, size: Size) -> Extent {
    let hidden = stride(config.hidden_size);
    let rows = size.tokens_back().max(size.pairs);
    // Gradients of outputs, each [rows, outputs], times weights or activations of [inputs].
    let (outputs, inputs) = if size.through_encoder {
        let (up, inner) = (up_width(config), stride(config.intermediate_size));
        (stride(up).max(stride(3 * config.hidden_size)), inner.max(hidden))
    } else {
        (hidden, hidden)
    };
    let most = |a: usize, b: usize| a.max(b) as u64;
    Extent {
        scaled: 2 * most(rows * outputs, outputs * stride(rows)),
        panels: (2 * inputs * stride(rows)) as u64,
        product: 4 * most(rows * inputs, outputs * hidden).max((hidden * inputs) as u64),
        blocks: if choice.reads_blocks() {
            let widest = stride(3 * config.hidden_size).max(stride(up_width(config)));
            blocks::bytes(rows.max(size.tokens), widest).max(blocks::bytes(outputs, stride(rows)))
        } else {
            0
        },
        longest: outputs.max(inputs).max(rows),
    }
}

impl TrainingBuffers {
    pub async fn new(
        gpu: &Gpu,
        config: &Config,
        choice: &Choice,
        size: Size,
    ) -> Result<TrainingBuffers> {
        let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
        let (hidden, inner, width) = (config.hidden_size, config.intermediate_size, heads.width());
        let Size { tokens, pairs, .. } = size;
        let f16 = |label, rows, width| Matrix::zeros(gpu, label, rows, width, Storage::F16);
        let f32 = |label, rows, width| Matrix::zeros(gpu, label, rows, width, Storage::F32);
        let of = |label, count: usize, bytes: usize| gpu.buffer(label, (count * bytes) as u64);
        let tiles = |tile: usize| tokens / tile + pairs;
        let back = size.tokens_back();
        let modernbert = match config.modernbert {
            Some(_) => Some(Own::new(gpu, config, size)?),
            None => None,
        };
        let (layers, layers_saved) = match (&modernbert, config.num_hidden_layers) {
            (Some(_), _) => (0, 0),
            (None, layers) if size.recompute => (layers, 1),
            (None, layers) => (layers, layers),
        };
        let saved = |_| {
            Ok(Saved {
                qkv: f16("saved qkv", tokens, 3 * width)?,
                context: f16("saved context", tokens, width)?,
                out_sum: f32("saved attention sum", tokens, hidden)?,
                attended: f16("saved attention norm", tokens, hidden)?,
                pre: f16("saved ffn up", tokens, inner)?,
                inner: f16("saved gelu", tokens, inner)?,
                down_sum: f32("saved ffn sum", tokens, hidden)?,
            })
        };
        let Extent { scaled, panels, product, blocks, longest } = extent(config, choice, size);
        let task_back = size_of::<attention_backward::Task>();
        let tiles_back = tiles(attention_backward::TILE as usize);
        // A head with a LayerNorm needs a row for each pair even where no gradient goes through the encoder.
        let stats = attention_backward::stats_bytes(back, heads)
            .max(layer_norm_backward::stats_bytes(back.max(pairs)));
        Ok(TrainingBuffers {
            ids: of("ids", tokens, embed::ID_BYTES as usize)?,
            first_rows: of("first rows", pairs + 1, 4)?,
            tasks: of("tasks", tiles(QUERIES as usize), size_of::<Task>())?,
            first_tasks: of("first tasks", pairs, size_of::<Task>())?,
            tasks_back: of("tasks back", tiles_back, task_back)?,
            first_tasks_back: of("first tasks back", tiles_back, task_back)?,
            embed_sum: f32("embed sum", tokens, hidden)?,
            hidden: (0..layers).map(|_| f16("hidden", tokens, hidden)).collect::<Result<_>>()?,
            saved: (0..layers_saved).map(saved).collect::<Result<_>>()?,
            modernbert,
            first_hidden: f16("first hidden", pairs, hidden)?,
            features: f16("features", pairs, hidden)?,
            head: f16("head", pairs, hidden)?,
            logits: f32("logits", pairs, 1)?,
            labels: of("labels", pairs, 4)?,
            errors: of("errors", size.step_pairs, 4)?,
            d_logits: f32("gradient of logits", pairs, 1)?,
            d_head: f32("gradient of head", pairs, hidden)?,
            d_features: f32("gradient of features", pairs, hidden)?,
            d_hidden: f32("gradient of hidden", back, hidden)?,
            d_sum: f32("gradient of sums", back, hidden)?,
            d_context: f32("gradient of context", back, width)?,
            d_qkv: f32("gradient of qkv", back, 3 * width)?,
            d_inner: f32("gradient of ffn", back, inner)?,
            scratch: Scratch {
                scaled: gpu.buffer("scaled gradient", scaled)?,
                scales: of("scales", stride(longest), 4)?,
                panels: gpu.buffer("activations as weights", panels)?,
                product: gpu.buffer("product", product)?,
                zeros: padded_vector(gpu, "zeros", &vec![0.0; stride(longest)]).await?,
                no_bias: of("no bias", stride(hidden), 4)?,
                stats: gpu.buffer("statistics", stats.max(16))?,
                blocks: (blocks > 0).then(|| gpu.buffer("blocks", blocks)).transpose()?,
            },
        })
    }

    /// Where layer `index` saves what its backward pass reads.
    pub fn saved(&self, index: usize) -> &Saved {
        &self.saved[index.min(self.saved.len() - 1)]
    }

    /// Writes what the plans of `batch` read.
    pub async fn upload(
        &self,
        gpu: &Gpu,
        batch: &Batch,
    ) -> Result<[Vec<attention_backward::Task>; 2]> {
        gpu.write(&self.ids, 0, &batch.ids).await?;
        gpu.write(&self.first_rows, 0, &batch.cu_seqlens).await?;
        gpu.write(&self.tasks, 0, &forward_tasks(&batch.cu_seqlens, false)).await?;
        gpu.write(&self.first_tasks, 0, &forward_tasks(&batch.cu_seqlens, true)).await?;
        let all = attention_backward::backward_tasks(&batch.cu_seqlens, false);
        let first = attention_backward::backward_tasks(&batch.cu_seqlens, true);
        gpu.write(&self.tasks_back, 0, &all).await?;
        gpu.write(&self.first_tasks_back, 0, &first).await?;
        Ok([all, first])
    }

    /// Writes NaN where the logits of `pairs` pairs will be, so that a dispatch that never ran is
    /// noticed.
    pub async fn poison(&self, gpu: &Gpu, pairs: usize) -> Result<()> {
        gpu.write(&self.logits.buffer, 0, &vec![f32::NAN; pairs * stride(1)]).await
    }

    /// Counts the work of the tasks of a forward pass, of every token or of `<s>` alone.
    pub fn forward_tasks(&self, batch: &Batch, first: bool) -> Tasks {
        let buffer = if first { &self.first_tasks } else { &self.tasks };
        super::super::activations::tasks(buffer, &forward_tasks(&batch.cu_seqlens, first))
    }
}
