//! The buffers of training that only ModernBERT has. T is the most tokens of a batch, P the most pairs, R is T,
//! or P in the last layer where the head reads the first token alone.

use super::super::buffers::{Size, up_width};
use crate::config::Config;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::attention::Heads;
use crate::ops::{Matrix, Storage, stride};

/// What one layer's backward pass reads besides the layer's input.
pub(in super::super) struct Saved {
    pub hidden: Matrix,   // [T, hidden] the input after attention's LayerNorm
    pub rotated: Matrix,  // [T, 3 x heads] q and k rotated by their positions, v
    pub context: Matrix,  // [R, heads]
    pub other: Matrix,    // [R, hidden] f32, before the feed-forward network's LayerNorm
    pub attended: Matrix, // [R, hidden] after it
    pub up: Matrix, // [R, 2 x intermediate] inputs of the feed-forward network and their gates
    pub inner: Matrix, // [R, intermediate]
}

/// What only ModernBERT has.
pub(in super::super) struct Own {
    sums: Vec<Matrix>, // [T, hidden] f32: what each layer puts out, or the last two in turn
    saved: Vec<Saved>, // of each layer, or of one at a time
    pub first_sum: Matrix, // [P, hidden] f32: the first tokens' input of the last layer
    pub first_out: Matrix, // [P, hidden] f32: and what that puts out for them
    pub normal: Matrix, // [T, hidden] after the final LayerNorm, where the head reads a mean
    pub pre: Matrix,   // [P, hidden] the head before its activation
    pub active: Matrix, // [P, hidden] f32: and after it
    pub d_active: Matrix, // [P, hidden] f32
    pub d_first: Matrix, // [P, hidden] f32: the gradient of `first_out`
    /// [T, 2 x intermediate] f32: in the forward pass a layer's `up` before it is rounded to f16, in the backward pass
    /// the gradient of `up`.
    pub wide_up: Matrix,
}

impl Own {
    pub fn new(gpu: &Gpu, config: &Config, size: Size) -> Result<Own> {
        let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
        let (hidden, width) = (config.hidden_size, heads.width());
        let (up, inner) = (up_width(config), config.intermediate_size);
        let Size { tokens, pairs, .. } = size;
        let f16 = |label, rows, width| Matrix::zeros(gpu, label, rows, width, Storage::F16);
        let f32 = |label, rows, width| Matrix::zeros(gpu, label, rows, width, Storage::F32);
        let saved = |_| {
            Ok(Saved {
                hidden: f16("saved attention norm", tokens, hidden)?,
                rotated: f16("saved qkv", tokens, 3 * width)?,
                context: f16("saved context", tokens, width)?,
                other: f32("saved attention sum", tokens, hidden)?,
                attended: f16("saved ffn norm", tokens, hidden)?,
                up: f16("saved ffn up", tokens, up)?,
                inner: f16("saved gates", tokens, inner)?,
            })
        };
        let (sums, layers_saved) = counts(config, size);
        Ok(Own {
            sums: (0..sums).map(|_| f32("sums", tokens, hidden)).collect::<Result<_>>()?,
            saved: (0..layers_saved).map(saved).collect::<Result<_>>()?,
            first_sum: f32("first sum", pairs, hidden)?,
            first_out: f32("first out", pairs, hidden)?,
            normal: f16("final norm", tokens, hidden)?,
            pre: f16("head before activation", pairs, hidden)?,
            active: f32("head after activation", pairs, hidden)?,
            d_active: f32("gradient of the head's activation", pairs, hidden)?,
            d_first: f32("gradient of first tokens", pairs, hidden)?,
            wide_up: f32("ffn up and its gradient", tokens, up)?,
        })
    }

    /// Where layer `index` saves what its backward pass reads.
    pub fn saved(&self, index: usize) -> &Saved {
        &self.saved[index.min(self.saved.len() - 1)]
    }

    /// What layer `index` puts out for all tokens.
    pub fn sum(&self, index: usize) -> &Matrix {
        &self.sums[index % self.sums.len()]
    }

    /// Bytes of all of it.
    pub fn bytes(config: &Config, size: Size) -> usize {
        let (hidden, inner) = (stride(config.hidden_size), stride(config.intermediate_size));
        let (qkv, up) = (stride(3 * config.hidden_size), stride(up_width(config)));
        let (sums, layers_saved) = counts(config, size);
        let a_layer = 2 * qkv + 10 * hidden + 2 * up + 2 * inner;
        let a_token = 4 * hidden * sums + layers_saved * a_layer + 2 * hidden + 4 * up;
        size.tokens * a_token + size.pairs * 22 * hidden
    }
}

/// How many layers' sums are held, and what so many layers save.
fn counts(config: &Config, size: Size) -> (usize, usize) {
    let layers = config.num_hidden_layers;
    let sums = if size.through_encoder { layers } else { layers.min(2) };
    (sums, if size.recompute { 1 } else { layers })
}
