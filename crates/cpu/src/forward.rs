//! The forward pass of an encoder with its classification head.

use super::attention::{Heads, attention};
use super::layers::{activate, relu, tanh};
use super::platform::pause::Pause;
use super::shares::by_rows;
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
    let width = config.hidden_size;
    let mut hidden = vec![0.0; batch.tokens() * width]; // [T, hidden]
    embed(config, w, batch, &mut hidden);
    let mut qkv = vec![0.0; 3 * hidden.len()]; // [T, 3 x hidden]
    let mut context = vec![0.0; hidden.len()];
    for (index, layer) in w.layers.iter().enumerate() {
        pause.now_and_then().await;
        if stop() {
            let why = "the caller stopped the work";
            return Err(Error::new(ErrorKind::Aborted, format!("layer {index}"), why));
        }
        by_rows(&mut qkv, 3 * width, |rows, out| {
            layer.qkv.apply_to(&hidden[rows.start * width..rows.end * width], out);
        });
        // The score hangs on the last layer's <s> alone: after its keys and values, only that row
        // of each pair goes on.
        let last = index + 1 == w.layers.len();
        if last {
            hidden = first_rows(&hidden, &lengths, width);
            context.truncate(hidden.len());
        }
        attention(&qkv, heads, &lengths, last, None, &mut context);
        after_attention(config.hidden_act, layer, &context, &mut hidden);
    }
    let mut head = w.dense.apply_shared(&hidden); // [P, hidden]
    activate_head(config, &mut head);
    let logits = w.project.apply(&head); // [P, labels]
    Ok(logits.chunks_exact(config.labels.len()).map(<[f32]>::to_vec).collect())
}

fn embed(config: &Config, w: &Weights, batch: &Batch, out: &mut [f32]) {
    by_rows(out, config.hidden_size, |rows, out| {
        out.fill(0.0);
        let out_rows = out.chunks_exact_mut(config.hidden_size);
        for (&[word, position, token_type], row) in batch.ids[rows].iter().zip(out_rows) {
            w.word.add_row(word, row);
            w.position.add_row(position, row);
            if let Some(table) = &w.token_type {
                table.add_row(token_type, row);
            }
        }
        w.embed_norm.apply(out, None);
    });
}

/// The rest of a layer, some rows at a time: what it makes of them stays in a cache.
fn after_attention(middle: Activation, layer: &Layer, context: &[f32], hidden: &mut [f32]) {
    let width = layer.out_norm.gamma.len();
    by_rows(hidden, width, |rows, hidden| {
        let context = &context[rows.start * width..rows.end * width];
        let mut attended = layer.out.apply(context); // [rows, hidden]
        layer.out_norm.apply(&mut attended, Some(hidden));
        let mut inner = layer.up.apply(&attended); // [rows, intermediate]
        activate(middle, &mut inner);
        layer.down.apply_to(&inner, hidden); // [rows, hidden]
        layer.down_norm.apply(hidden, Some(&attended));
    });
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
