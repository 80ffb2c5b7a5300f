//! The forward pass of ModernBERT: LayerNorm before each part of a layer, rotary positions, attention to
//! neighbours in most layers, and a gated feed-forward network.

#[cfg(test)]
mod tests;
pub(in crate::encoder) mod weights;

use super::activations::Activations;
use super::loader::Loader;
use crate::batch::Batch;
use crate::checkpoint::LocalFuture;
use crate::config::{Config, ModernBert, Pooling};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Plan, Step};
use crate::ops::attention::{Heads, Tasks, attention};
use crate::ops::embed::embed;
use crate::ops::gather_rows::gather_rows;
use crate::ops::layer_norm::layer_norm;
use crate::ops::matmul::{Epilogue, Method, Rotary, matmul};
use crate::ops::mean_rows::mean_rows;
use crate::ops::poison::{MATRICES, Words, poison};
use crate::ops::{Choice, Matrix, Storage, stride};
use weights::{Gates, Weights};

/// What a ModernBERT has on the GPU besides the activations that every family has.
pub(super) struct ModernBertModel {
    of: ModernBert,
    weights: Weights,
}

impl ModernBertModel {
    /// Streams the weights to the GPU; the word table in parts of at most `part_bytes`. It is boxed, so
    /// that a build without this family holds none of it: the arm that waits for it stays.
    pub fn load<'a>(
        mut loader: Loader<'a>,
        of: &'a ModernBert,
        part_bytes: u64,
    ) -> LocalFuture<'a, Result<ModernBertModel>> {
        Box::pin(async move {
            let weights = weights::load(&mut loader, of, part_bytes, Gates::Interleaved).await?;
            Ok(ModernBertModel { of: of.clone(), weights })
        })
    }
}

/// The activations that only ModernBERT has. T is the most tokens of a batch, P the most pairs.
pub(super) struct Own {
    other: Matrix,       // [T, hidden] f32: the residual stream in turn with `sum`
    first_other: Matrix, // [P, hidden] f32
    /// Buffers of a word a token, where poisoning takes more matrices than there are.
    fill: [Buffer; MATRICES - 1],
}

impl Own {
    pub fn new(gpu: &Gpu, config: &Config, tokens: usize, pairs: usize) -> Result<Own> {
        let hidden = config.hidden_size;
        let word = || gpu.buffer("fill", 4 * tokens as u64);
        Ok(Own {
            other: Matrix::zeros(gpu, "other sum", tokens, hidden, Storage::F32)?,
            first_other: Matrix::zeros(gpu, "first other sum", pairs, hidden, Storage::F32)?,
            fill: [word()?, word()?, word()?, word()?, word()?],
        })
    }

    /// All buffers.
    pub fn buffers(&self) -> Vec<&Buffer> {
        let matrices = [&self.other, &self.first_other];
        self.fill.iter().chain(matrices.map(|matrix| &matrix.buffer)).collect()
    }

    /// Bytes of them for `tokens` tokens.
    pub fn bytes(config: &Config, tokens: usize, pairs: usize) -> usize {
        let hidden = 4 * stride(config.hidden_size);
        tokens * (hidden + 4 * (MATRICES - 1)) + pairs * hidden
    }
}

/// The rows that a layer goes on with: those of all tokens or, after the keys and values of the last
/// layer, of each pair's first one.
struct Rows<'a> {
    count: usize,
    tasks: &'a Tasks,
    residual: &'a Matrix,
    other: &'a Matrix,
    normal: &'a Matrix,
    sum: &'a Matrix,
}

/// The forward pass of `batch`, written down.
pub(super) fn plan(
    config: &Config,
    choice: &Choice,
    model: &ModernBertModel,
    x: &Activations,
    own: &Own,
    batch: &Batch,
) -> Result<Plan> {
    let ModernBertModel { of, weights: w } = model;
    let (tokens, pairs) = (batch.tokens(), batch.pairs());
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
    let (all, first) = (x.tasks(batch), x.first_tasks(batch));
    let (most, norm) = (choice.most_flops, choice.layer_norm());
    // Inputs as wide as `hidden` and the others alternate.
    let [narrow, wide] = &x.blocks;
    let by = |variant, blocks| Method { variant, most_flops: most, blocks: Some(blocks) };

    let spent = [&x.hidden, &x.qkv, &x.context, &x.inner];
    let mut steps =
        spoil(x, own, tokens, &[&spent[..], &[&x.sum, &own.other, &x.attended]].concat())?;
    let firsts = [&x.first_sum, &own.first_other, &x.first_hidden, &x.first_attended, &x.head];
    steps.extend(spoil(x, own, pairs, &firsts)?);

    steps.extend(embed("embed", tokens, &x.ids, &w.tables, &x.sum)?);
    steps.push(layer_norm("embed norm", norm, tokens, &x.sum, &w.embed_norm, &x.hidden)?);
    let variant = choice.tokens(tokens);
    for (index, (layer, reach)) in w.layers.iter().zip(&of.layers).enumerate() {
        // The first layer has no LayerNorm before attention: what it reads is the residual, too.
        let residual = match &layer.attention_norm {
            None => &x.hidden,
            Some(weights) => {
                let step = layer_norm("attention norm", norm, tokens, &x.sum, weights, &x.hidden)?;
                steps.push(step);
                &x.sum
            }
        };
        let rotate = Epilogue::Rotate(Rotary {
            ids: &x.ids,
            table: &w.rotary_tables[layer.rotary_table],
            heads,
        });
        let method = by(variant, narrow);
        steps.extend(matmul("qkv", method, tokens, &x.hidden, &layer.qkv, rotate, &x.qkv)?);

        // Where the head reads the first token alone, only that row of each pair goes on.
        let first_only = index + 1 == w.layers.len() && of.pooling == Pooling::Cls;
        let (rows, variant) = if first_only {
            let to = if layer.attention_norm.is_none() { &x.first_hidden } else { &x.first_sum };
            steps.push(gather_rows("gather first", pairs, &x.first_rows, residual, to)?);
            let (other, normal) = (&own.first_other, &x.first_attended);
            let (count, tasks, sum) = (pairs, &first, &x.first_sum);
            (Rows { count, tasks, residual: to, other, normal, sum }, choice.pairs)
        } else {
            let (other, normal) = (&own.other, &x.attended);
            let (count, tasks, sum) = (tokens, &all, &x.sum);
            (Rows { count, tasks, residual, other, normal, sum }, variant)
        };
        let dense = |label, blocks, a, w, epilogue, out| {
            matmul(label, by(variant, blocks), rows.count, a, w, epilogue, out)
        };
        let tasks =
            Tasks { window: reach.window.map(|window| window as u32), ..rows.tasks.clone() };
        let attend = choice.attention;
        let (qkv, context) = (&x.qkv, &x.context);
        steps.extend(attention("attention", attend, most, heads, &tasks, qkv, context)?);
        let add = Epilogue::Residual(rows.residual);
        steps.extend(dense("attention out", wide, context, &layer.out, add, rows.other)?);
        steps.extend(spoil(x, own, rows.count, &[&spent[..], &[rows.sum]].concat())?);
        let (other, normal) = (rows.other, rows.normal);
        steps.push(layer_norm("ffn norm", norm, rows.count, other, &layer.ffn_norm, normal)?);
        let gated = Epilogue::Gated(config.hidden_act);
        steps.extend(dense("ffn up", narrow, normal, &layer.up, gated, &x.inner)?);
        let add = Epilogue::Residual(other);
        steps.extend(dense("ffn down", wide, &x.inner, &layer.down, add, rows.sum)?);
        steps.extend(spoil(x, own, rows.count, &[other, normal])?);
    }

    match of.pooling {
        Pooling::Cls => {
            let (sum, out) = (&x.first_sum, &x.first_hidden);
            // With one layer, it was read as the residual.
            steps.extend(spoil(x, own, pairs, &[out])?);
            steps.push(layer_norm("final norm", norm, pairs, sum, &w.final_norm, out)?);
        }
        Pooling::Mean => {
            let step = layer_norm("final norm", norm, tokens, &x.sum, &w.final_norm, &x.hidden)?;
            steps.push(step);
            steps.push(mean_rows("mean", pairs, &x.first_rows, &x.hidden, &x.first_hidden)?);
        }
    }
    let head = |label, blocks, a, w, epilogue, out| {
        matmul(label, by(choice.pairs, blocks), pairs, a, w, epilogue, out)
    };
    let other = &own.first_other;
    steps.extend(head("head dense", narrow, &x.first_hidden, &w.dense, of.head_act.into(), other)?);
    steps.push(layer_norm("head norm", norm, pairs, other, &w.head_norm, &x.head)?);
    steps.extend(head("head out", wide, &x.head, &w.project, Epilogue::Store, &x.logits)?);
    Ok(Plan { steps })
}

/// Overwrites `rows` rows of matrices that were read for the last time, and the inputs in blocks, with
/// NaN: the next layer or batch must not read numbers that an earlier one has left.
fn spoil(x: &Activations, own: &Own, rows: usize, matrices: &[&Matrix]) -> Result<Vec<Step>> {
    let blocks = x.blocks.each_ref().map(|buffer| Words { buffer, first: 0, stride: 1 });
    let words: Vec<Words<'_>> =
        matrices.iter().map(|matrix| word(x, matrix)).chain(blocks).collect();
    let step = |words: &[Words<'_>]| {
        let mut fill = own.fill.iter().map(|buffer| Words { buffer, first: 0, stride: 1 });
        let mut all = words.iter().copied();
        let word = |_| all.next().or_else(|| fill.next());
        let words = [0; MATRICES].map(word);
        poison(rows, words.map(|words| words.expect("there is one for each but the first")))
    };
    words.chunks(MATRICES).map(step).collect()
}

/// The word of each row that is spoiled: its first one, and of q, k and v that of k, since the last
/// layer reads no q but those of first tokens.
fn word<'a>(x: &Activations, matrix: &'a Matrix) -> Words<'a> {
    let has_keys = matrix.buffer == x.qkv.buffer;
    Words::of(matrix, if has_keys { matrix.width / 3 } else { 0 })
}
