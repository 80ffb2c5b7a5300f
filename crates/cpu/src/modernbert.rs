//! ModernBERT: LayerNorm before each part of a layer, rotary positions, attention to neighbours in most
//! layers, and a gated feed-forward network.

use super::Numbers;
use super::attention::{Heads, attention};
use super::buffers::Buffer;
use super::dense::Dense;
use super::forward::first_rows;
use super::layers::{Norm, activate, add};
use super::platform::pause::Pause;
use super::shares::by_rows;
use super::weights::{Loader, Table};
use cappy::checkpoint::Checkpoint;
use cappy::{Activation, Batch, Config, Error, ErrorKind, ModernBert, Pooling, Result};

/// A model's weights.
pub(super) struct Weights {
    word: Table,
    embed_norm: Norm,
    layers: Vec<Layer>,
    final_norm: Norm,
    dense: Dense, // [hidden, hidden]
    head_norm: Norm,
    project: Dense, // [labels, hidden]
}

/// One encoder layer.
struct Layer {
    attention_norm: Option<Norm>, // the first layer has none
    qkv: Dense,                   // [3 x hidden, hidden]
    out: Dense,                   // [hidden, hidden]
    ffn_norm: Norm,
    up: Dense,   // [2 x intermediate, hidden]: inputs, and what gates them
    down: Dense, // [hidden, intermediate]
}

impl Weights {
    pub async fn load(
        checkpoint: &Checkpoint,
        config: &Config,
        of: &ModernBert,
        numbers: Numbers,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Weights> {
        let mut loader = Loader::new(checkpoint, config, numbers, loaded);
        let word = loader.table().await?;
        let embed_norm = loader.norm(of.norm_bias).await?;
        let mut layers = Vec::with_capacity(of.layers.len());
        for index in 0..of.layers.len() {
            let attention_norm = match index {
                0 => None,
                _ => Some(loader.norm(of.norm_bias).await?),
            };
            layers.push(Layer {
                attention_norm,
                qkv: loader.dense(1, of.attention_bias).await?,
                out: loader.dense(1, of.attention_bias).await?,
                ffn_norm: loader.norm(of.norm_bias).await?,
                up: loader.dense(1, of.mlp_bias).await?,
                down: loader.dense(1, of.mlp_bias).await?,
            });
        }
        let final_norm = loader.norm(of.norm_bias).await?;
        let dense = loader.dense(1, of.head_bias).await?;
        let head_norm = loader.norm(of.head_norm_bias).await?;
        let project = loader.dense(1, of.project_bias).await?;
        Ok(Weights { word, embed_norm, layers, final_norm, dense, head_norm, project })
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        let layers = self.layers.iter().map(|layer| {
            let norm = layer.attention_norm.as_ref().map_or(0, Norm::bytes);
            [&layer.qkv, &layer.out, &layer.up, &layer.down].map(Dense::bytes).iter().sum::<usize>()
                + norm
                + layer.ffn_norm.bytes()
        });
        let norms = [&self.embed_norm, &self.final_norm, &self.head_norm].map(Norm::bytes);
        let dense = [&self.dense, &self.project].map(Dense::bytes);
        let rest = norms.iter().chain(&dense).sum::<usize>();
        (self.word.bytes() + layers.sum::<usize>() + rest) as u64
    }
}

/// The raw logits of each pair of `batch`.
pub(super) async fn logits(
    config: &Config,
    of: &ModernBert,
    w: &Weights,
    batch: &Batch,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Vec<f32>>> {
    let (width, heads) =
        (config.hidden_size, Heads { count: config.num_attention_heads, size: config.head_size() });
    let lengths: Vec<usize> = batch.lengths().collect();
    let positions: Vec<usize> = lengths.iter().flat_map(|&length| 0..length).collect();
    let longest = lengths.iter().copied().max().unwrap_or_default();
    let mut tables: Vec<(f32, Vec<[f32; 2]>)> = Vec::new(); // of each base of rotary positions
    let mut pause = Pause::new();
    let mut hidden = vec![0.0; batch.tokens() * width]; // [T, hidden]
    by_rows(&mut hidden, width, |rows, out| {
        for (&[word, ..], row) in batch.ids[rows].iter().zip(out.chunks_exact_mut(width)) {
            w.word.add_row(word, row);
        }
        w.embed_norm.apply(out, None);
    });
    let mut qkv = vec![0.0; 3 * hidden.len()]; // [T, 3 x hidden]
    let mut context = vec![0.0; hidden.len()];
    for (index, (layer, reach)) in w.layers.iter().zip(&of.layers).enumerate() {
        pause.now_and_then().await;
        if stop() {
            let why = "the caller stopped the work";
            return Err(Error::new(ErrorKind::Aborted, format!("layer {index}"), why));
        }
        let of_layer = tables.iter().position(|(theta, _)| *theta == reach.theta);
        let of_layer = of_layer.unwrap_or_else(|| {
            tables.push((reach.theta, rotary_table(reach.theta, longest, heads.size)));
            tables.len() - 1
        });
        let table = &tables[of_layer].1;
        by_rows(&mut qkv, 3 * width, |rows, out| {
            let mut normal = Buffer::with(&hidden[rows.start * width..rows.end * width]);
            if let Some(norm) = &layer.attention_norm {
                norm.apply(&mut normal, None);
            }
            layer.qkv.apply_to(&normal, out);
            rotate(out, heads, &positions[rows], table);
        });
        // Where the head reads the first token alone, only that row of each pair goes on.
        let first_only = index + 1 == w.layers.len() && of.pooling == Pooling::Cls;
        if first_only {
            hidden = first_rows(&hidden, &lengths, width);
            context.truncate(hidden.len());
        }
        attention(&qkv, heads, &lengths, first_only, reach.window, &mut context);
        by_rows(&mut hidden, width, |rows, hidden| {
            let context = &context[rows.start * width..rows.end * width];
            let mut attended = layer.out.apply(context); // [rows, hidden]
            add(&mut attended, hidden);
            let mut normal = Buffer::with(&attended);
            layer.ffn_norm.apply(&mut normal, None);
            let up = layer.up.apply(&normal); // [rows, 2 x intermediate]
            let inner = gated(config.hidden_act, &up, config.intermediate_size);
            layer.down.apply_to(&inner, hidden);
            add(hidden, &attended);
        });
    }
    w.final_norm.apply(&mut hidden, None);
    if of.pooling == Pooling::Mean {
        hidden = means(&hidden, &lengths, width);
    }
    let mut head = w.dense.apply_shared(&hidden); // [P, hidden]
    activate(of.head_act, &mut head);
    w.head_norm.apply(&mut head, None);
    let logits = w.project.apply(&head); // [P, labels]
    Ok(logits.chunks_exact(config.labels.len()).map(<[f32]>::to_vec).collect())
}

/// The cosine and sine by which each pair of a head is rotated at each position, `[positions, size / 2]`.
fn rotary_table(theta: f32, positions: usize, size: usize) -> Vec<[f32; 2]> {
    let frequency = |i: usize| 1.0 / theta.powf(2.0 * i as f32 / size as f32);
    let frequencies: Vec<f32> = (0..size / 2).map(frequency).collect();
    let cos_sin = |position: usize, frequency: f32| {
        // In f32 up to the angle, as PyTorch computes it.
        let (sin, cos) = f64::from(position as f32 * frequency).sin_cos();
        [cos as f32, sin as f32]
    };
    let of =
        |position: usize| frequencies.iter().map(move |&frequency| cos_sin(position, frequency));
    (0..positions).flat_map(of).collect()
}

/// Rotates each head of the queries and keys of each row by its position: number i of the first half and
/// number i of the second one are the two coordinates (Su et al., 2021).
fn rotate(qkv: &mut [f32], heads: Heads, positions: &[usize], table: &[[f32; 2]]) {
    let (row, size) = (3 * heads.count * heads.size, heads.size);
    for (row, &position) in qkv.chunks_exact_mut(row).zip(positions) {
        let table = &table[position * (size / 2)..][..size / 2];
        for head in row[..2 * heads.count * size].chunks_exact_mut(size) {
            let (first, second) = head.split_at_mut(size / 2);
            for ((x, y), [cos, sin]) in first.iter_mut().zip(second).zip(table) {
                (*x, *y) = (*x * cos - *y * sin, *y * cos + *x * sin);
            }
        }
    }
}

/// `activation(x) * gate` of rows that are x and then gate, each of `width` numbers.
fn gated(by: Activation, rows: &[f32], width: usize) -> Buffer {
    let mut out = Buffer::of(rows.len() / 2);
    let rows = rows.chunks_exact(2 * width);
    for (out, row) in out.chunks_exact_mut(width).zip(rows) {
        out.copy_from_slice(&row[..width]);
        activate(by, out);
        out.iter_mut().zip(&row[width..]).for_each(|(out, gate)| *out *= gate);
    }
    out
}

/// The mean row of each sequence.
fn means(hidden: &[f32], lengths: &[usize], width: usize) -> Vec<f32> {
    let mut out = vec![0.0; lengths.len() * width];
    let mut rows = hidden.chunks_exact(width);
    for (out, &length) in out.chunks_exact_mut(width).zip(lengths) {
        for row in rows.by_ref().take(length) {
            add(out, row);
        }
        out.iter_mut().for_each(|sum| *sum /= length as f32);
    }
    out
}
