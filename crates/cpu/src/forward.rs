//! The forward pass of an encoder with its classification head.

use super::attention::{Heads, attention};
use super::layers::{activate, relu, tanh};
use super::weights::{Layer, Weights};
use crate::batch::Batch;
use crate::config::{Activation, Config};
use crate::error::{Error, ErrorKind, Result};
use crate::tokenizer::Encoded;

pub(super) async fn logits(
    config: &Config,
    w: &Weights,
    pairs: &[Encoded],
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Vec<f32>>> {
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
    let lengths: Vec<usize> = pairs.iter().map(|pair| pair.ids.len()).collect();
    let mut pause = Pause::new();
    let mut hidden = embed(config, w, pairs); // [T, hidden]
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
        let context = attention(&qkv, heads, &lengths, last);
        hidden = after_attention(config.hidden_act, layer, &context, &hidden);
    }
    let mut head = w.dense.apply(&hidden); // [P, hidden]
    activate_head(config, &mut head);
    let logits = w.project.apply(&head); // [P, labels]
    Ok(logits.chunks_exact(config.labels.len()).map(<[f32]>::to_vec).collect())
}

fn embed(config: &Config, w: &Weights, pairs: &[Encoded]) -> Vec<f32> {
    let tokens: usize = pairs.iter().map(|pair| pair.ids.len()).sum();
    let mut out = vec![0.0; tokens * config.hidden_size];
    let ids = Batch::new(pairs).ids;
    for ([word, position, token_type], row) in
        ids.into_iter().zip(out.chunks_exact_mut(config.hidden_size))
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

/// In a browser the thread's other events, an abort among them, have their turn now and then.
/// Natively other threads go on anyway.
struct Pause {
    #[cfg(target_arch = "wasm32")]
    last: web_time::Instant,
}

impl Pause {
    fn new() -> Pause {
        Pause {
            #[cfg(target_arch = "wasm32")]
            last: web_time::Instant::now(),
        }
    }

    async fn now_and_then(&mut self) {
        #[cfg(target_arch = "wasm32")]
        if self.last.elapsed().as_millis() >= 50 {
            gloo_timers::future::TimeoutFuture::new(0).await;
            self.last = web_time::Instant::now();
        }
    }
}
