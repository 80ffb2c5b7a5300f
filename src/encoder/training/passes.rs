//! The forward pass that saves what the backward pass needs, and the backward pass.

use super::buffers::Saved;
use super::dense::{Backward, Trained};
use super::tables::SharedRuns;
use super::{Bert, Training};
use crate::batch::Batch;
use crate::config;
use crate::error::Result;
use crate::gpu::Step;
use crate::ops::Matrix;
use crate::ops::attention::{Heads, attention};
use crate::ops::embed::embed;
use crate::ops::gather_rows::gather_rows;
use crate::ops::layer_norm::{self, layer_norm};
use crate::ops::matmul::{Epilogue, Method, Weights, matmul};
use crate::ops::training::activation_backward::{Activation, activation_backward};
use crate::ops::training::add_rows::add_rows;
use crate::ops::training::attention_backward::{self, attention_backward};
use crate::ops::training::gelu::gelu;
use crate::ops::training::layer_norm_backward::layer_norm_backward;
use crate::ops::training::layer_norm_weights_backward::layer_norm_weights_backward;

/// What lies between the dense layers of every encoder that is trained but ModernBERT's.
const GELU: Activation = Activation::Of(config::Activation::Gelu);

/// Which parameters scale and shift of a LayerNorm are, if they are trained and there is a shift.
pub(super) type NormParameters = Option<(usize, Option<usize>)>;

impl Training {
    pub(super) fn heads(&self) -> Heads {
        Heads { count: self.config.num_attention_heads, size: self.config.head_size() }
    }

    pub(super) fn is_last(&self, index: usize) -> bool {
        index + 1 == self.config.num_hidden_layers
    }

    pub(super) fn dense(
        &self,
        label: &'static str,
        rows: usize,
        a: &Matrix,
        w: &Weights,
        epilogue: Epilogue<'_>,
        out: &Matrix,
    ) -> Result<Vec<Step>> {
        let Training { choice, buffers, .. } = self;
        let method = Method {
            variant: choice.tokens(rows),
            most_flops: choice.most_flops,
            blocks: buffers.scratch.blocks.as_ref(),
        };
        matmul(label, method, rows, a, w, epilogue, out)
    }

    /// From ids to `<s>` after the last layer.
    pub(super) fn encode_bert(&self, model: &Bert, batch: &Batch) -> Result<Vec<Step>> {
        let (w, x, tokens) = (&model.weights, &self.buffers, batch.tokens());
        let mut steps = embed("embed", tokens, &x.ids, &w.tables, &x.embed_sum)?;
        let norm = self.choice.layer_norm();
        steps.push(layer_norm(
            "embed norm",
            norm,
            tokens,
            &x.embed_sum,
            &w.embed_norm,
            &x.hidden[0],
        )?);
        for index in 0..w.layers.len() {
            steps.extend(self.layer(model, batch, index)?);
        }
        Ok(steps)
    }

    fn layer(&self, model: &Bert, batch: &Batch, index: usize) -> Result<Vec<Step>> {
        let (w, x) = (&model.weights.layers[index], &self.buffers);
        let (tokens, pairs, last) = (batch.tokens(), batch.pairs(), self.is_last(index));
        let Saved { qkv, context, out_sum, attended, pre, inner, down_sum } = x.saved(index);
        let hidden = &x.hidden[index];
        let mut steps = self.dense("qkv", tokens, hidden, &w.qkv, Epilogue::Store, qkv)?;
        let (rows, residual, out) = if last {
            let (first, to) = (&x.first_rows, &x.first_hidden);
            steps.push(gather_rows("gather <s>", pairs, first, hidden, to)?);
            (pairs, to, &x.features)
        } else {
            (tokens, hidden, &x.hidden[index + 1])
        };
        let (variant, most) = (self.choice.attention, self.choice.most_flops);
        let norm = self.choice.layer_norm();
        let tasks = x.forward_tasks(batch, last);
        steps.extend(attention("attention", variant, most, self.heads(), &tasks, qkv, context)?);
        let add = |to| Epilogue::Residual(to);
        steps.extend(self.dense("attention out", rows, context, &w.out, add(residual), out_sum)?);
        steps.push(layer_norm("attention norm", norm, rows, out_sum, &w.out_norm, attended)?);
        steps.extend(self.dense("ffn up", rows, attended, &w.up, Epilogue::Store, pre)?);
        steps.push(gelu("gelu", rows, pre, inner)?);
        steps.extend(self.dense("ffn down", rows, inner, &w.down, add(attended), down_sum)?);
        steps.push(layer_norm("ffn norm", norm, rows, down_sum, &w.down_norm, out)?);
        Ok(steps)
    }

    /// From `<s>` to logits.
    pub(super) fn bert_head(&self, model: &Bert, pairs: usize) -> Result<Vec<Step>> {
        let (w, x) = (&model.weights, &self.buffers);
        let out = &x.logits;
        let mut steps =
            self.dense("head dense", pairs, &x.features, &w.dense, Epilogue::Tanh, &x.head)?;
        steps.extend(self.dense("head out", pairs, &x.head, &w.project, Epilogue::Store, out)?);
        Ok(steps)
    }

    pub(super) fn dense_back(&self, trained: &Trained, pass: Backward<'_>) -> Result<Vec<Step>> {
        trained.backward(&self.choice, &self.parameters, &self.buffers.scratch, pass)
    }

    /// From the gradient of logits to that of `<s>`.
    pub(super) fn bert_head_back(&self, pairs: usize) -> Result<Vec<Step>> {
        let x = &self.buffers;
        let mut steps = self.dense_back(
            &self.project,
            Backward {
                label: "head out back",
                rows: pairs,
                x: &x.head,
                d_y: &x.d_logits,
                d_x: Some((&x.d_head, false)),
            },
        )?;
        let tanh = Activation::Tanh;
        steps.push(activation_backward("tanh back", tanh, pairs, &x.head, &x.d_head)?);
        steps.extend(self.dense_back(
            &self.dense,
            Backward {
                label: "head dense back",
                rows: pairs,
                x: &x.features,
                d_y: &x.d_head,
                d_x: self.through_encoder().then_some((&x.d_features, false)),
            },
        )?);
        Ok(steps)
    }

    /// From the gradient of `<s>` to those of every layer and the tables.
    pub(super) fn bert_back(
        &self,
        model: &Bert,
        batch: &Batch,
        tasks: &[Vec<attention_backward::Task>; 2],
        runs: &SharedRuns,
    ) -> Result<Vec<Step>> {
        let (x, tokens) = (&self.buffers, batch.tokens());
        let mut steps = Vec::new();
        for index in (0..model.layers.len()).rev() {
            if self.size.recompute && !self.is_last(index) {
                steps.extend(self.layer(model, batch, index)?);
            }
            steps.extend(self.layer_back(model, batch, index, tasks)?);
        }
        let Some(tables) = &model.tables else { return Ok(steps) };
        let norm = &model.weights.embed_norm;
        let (sum, d_y, d_x) = (&x.embed_sum, &x.d_hidden, &x.d_sum);
        steps.extend(self.norm_back(
            "embed norm back",
            tokens,
            sum,
            norm,
            tables.norm,
            d_y,
            d_x,
        )?);
        steps.extend(tables.backward(&self.parameters, runs, tokens, d_x)?);
        Ok(steps)
    }

    fn layer_back(
        &self,
        model: &Bert,
        batch: &Batch,
        index: usize,
        [all_tasks, first_tasks]: &[Vec<attention_backward::Task>; 2],
    ) -> Result<Vec<Step>> {
        let (w, back, x) = (&model.weights.layers[index], &model.layers[index], &self.buffers);
        let (tokens, last) = (batch.tokens(), self.is_last(index));
        let Saved { qkv, context, out_sum, attended, pre, inner, down_sum } = x.saved(index);
        // `d` is the gradient of the layer's output, and later that of its first residual sum.
        let (rows, d) = if last { (batch.pairs(), &x.d_features) } else { (tokens, &x.d_hidden) };
        let d_sum = &x.d_sum;
        let (norm, trained) = (&w.down_norm, back.down_norm);
        let mut steps = self.norm_back("ffn norm back", rows, down_sum, norm, trained, d, d_sum)?;
        let (label, d_x) = ("ffn down back", Some((&x.d_inner, false)));
        let pass = Backward { label, rows, x: inner, d_y: d_sum, d_x };
        steps.extend(self.dense_back(&back.down, pass)?);
        steps.push(activation_backward("gelu back", GELU, rows, pre, &x.d_inner)?);
        // The gradient along the residual path is in d_sum already.
        let (label, d_x) = ("ffn up back", Some((d_sum, true)));
        let pass = Backward { label, rows, x: attended, d_y: &x.d_inner, d_x };
        steps.extend(self.dense_back(&back.up, pass)?);
        let (norm, trained) = (&w.out_norm, back.out_norm);
        steps.extend(self.norm_back(
            "attention norm back",
            rows,
            out_sum,
            norm,
            trained,
            d_sum,
            d,
        )?);
        let (label, d_x) = ("attention out back", Some((&x.d_context, false)));
        let pass = Backward { label, rows, x: context, d_y: d, d_x };
        steps.extend(self.dense_back(&back.out, pass)?);
        let (buffer, tasks) =
            if last { (&x.first_tasks_back, first_tasks) } else { (&x.tasks_back, all_tasks) };
        steps.extend(attention_backward(
            "attention back",
            self.choice.most_flops,
            self.heads(),
            &attention_backward::Tasks::of(buffer, tasks),
            qkv,
            context,
            &x.d_context,
            &x.scratch.stats,
            &x.d_qkv,
        )?);
        // Below the first layer that is trained, no gradients are needed.
        let wanted = index > 0 || model.tables.is_some();
        let d_x = wanted.then_some((&x.d_hidden, !last));
        let (label, hidden) = ("qkv back", &x.hidden[index]);
        let pass = Backward { label, rows: tokens, x: hidden, d_y: &x.d_qkv, d_x };
        steps.extend(self.dense_back(&back.qkv, pass)?);
        if last && wanted {
            let (label, pairs) = ("residual back", batch.pairs());
            steps.push(add_rows(label, pairs, Some(&x.first_rows), d, &x.d_hidden)?);
        }
        Ok(steps)
    }

    #[expect(clippy::too_many_arguments, reason = "what goes in and out, as in a plan")]
    pub(super) fn norm_back(
        &self,
        label: &'static str,
        rows: usize,
        x: &Matrix,
        w: &layer_norm::Weights,
        trained: NormParameters,
        d_y: &Matrix,
        d_x: &Matrix,
    ) -> Result<Vec<Step>> {
        let scratch = &self.buffers.scratch;
        let stats = &scratch.stats;
        let mut steps = vec![layer_norm_backward(label, rows, x, w, d_y, stats, d_x)?];
        if let Some((gamma, beta)) = trained {
            let gradient = |index: usize| &self.parameters.list[index].moments.gradient;
            let (gamma, beta) = (gradient(gamma), beta.map_or(&scratch.no_bias, gradient));
            steps.push(layer_norm_weights_backward(label, rows, x, stats, d_y, gamma, beta)?);
        }
        Ok(steps)
    }
}
