//! The forward pass of an encoder with its classification head.

use super::attention::{Heads, attention};
use super::layers::{activate, relu, tanh};
use super::platform::pause::Pause;
use super::weights::{Layer, Weights};
use cappy::Batch;
use cappy::{Activation, Config};
use cappy::{Error, ErrorKind, Result};

pub(super) async fn logits(
    config: &Config,
    w: &Weights,
    batch: &Batch,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Vec<f32>>> {
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
    let lengths: Vec<usize> = batch.lengths().collect();
    let mut pause = Pause::new();
    let mut hidden = embed(config, w, batch); // [T, hidden]
    for (index, layer) in w.layers.iter().enumerate() {
        pause.now_and_then().await;
        if stop() {
            let why = "the caller stopped the work";
            return Err(Error::new(ErrorKind::Aborted, format!("layer {index}"), why));
        }
        let qkv = layer.qkv.apply(&hidden); // [T, 3 x hidden]
        // The score hangs on the last layer's <s> alone: after its keys and values, only that row
        // of each pair goes on.
        let last = index + 1 == w.layers.len();
        if last {
            hidden = first_rows(&hidden, &lengths, config.hidden_size);
        }
        let context = attention(&qkv, heads, &lengths, last, None);
        hidden = after_attention(config.hidden_act, layer, &context, &hidden);
    }
    let mut head = w.dense.apply(&hidden); // [P, hidden]
    activate_head(config, &mut head);
    let logits = w.project.apply(&head); // [P, labels]
    Ok(logits.chunks_exact(config.labels.len()).map(<[f32]>::to_vec).collect())
}

fn embed(config: &Config, w: &Weights, batch: &Batch) -> Vec<f32> {
    let mut out = vec![0.0; batch.tokens() * config.hidden_size];
    for (&[word, position, token_type], row) in
        batch.ids.iter().zip(out.chunks_exact_mut(config.hidden_size))
    {
        w.word.add_row(word, row);
        w.position.add_row(position, row);
        if let Some(table) = &w.token_type {
            table.add_row(token_type, row);
        }
    }
    w.embed_norm.apply(&mut out, None);
    out
}

/// The rest of a layer, row by row.
fn after_attention(middle: Activation, layer: &Layer, context: &[f32], hidden: &[f32]) -> Vec<f32> {
    let mut attended = layer.out.apply(context); // [rows, hidden]
    layer.out_norm.apply(&mut attended, Some(hidden));
    let mut inner = layer.up.apply(&attended); // [rows, intermediate]
    activate(middle, &mut inner);
    let mut out = layer.down.apply(&inner); // [rows, hidden]
    layer.down_norm.apply(&mut out, Some(&attended));
    out
}

/// What stands between the head's two layers.
pub(super) fn activate_head(config: &Config, head: &mut [f32]) {
    match config.family.is_distilbert() {
        true => relu(head),
        false => tanh(head),
    }
}

/// The row of each sequence's <s>.
pub(super) fn first_rows(hidden: &[f32], lengths: &[usize], width: usize) -> Vec<f32> {
    let mut first = 0;
    let mut rows = Vec::with_capacity(lengths.len() * width);
    for length in lengths {
        rows.extend_from_slice(&hidden[first * width..][..width]);
        first += length;
    }
    rows
}
