//! ModernBERT's forward pass that saves what its backward pass needs, and the backward pass.

use super::super::Training;
use super::super::buffers::TrainingBuffers;
use super::super::dense::Backward;
use super::super::tables::SharedRuns;
use super::ModernBertTraining;
use super::buffers::{Own, Saved};
use crate::batch::Batch;
use crate::config::Pooling;
use crate::error::Result;
use crate::gpu::Step;
use crate::ops::Matrix;
use crate::ops::attention::{Tasks, attention};
use crate::ops::embed::embed;
use crate::ops::gather_rows::gather_rows;
use crate::ops::layer_norm::layer_norm;
use crate::ops::matmul::{Epilogue, Rotary};
use crate::ops::mean_rows::mean_rows;
use crate::ops::training::activation_backward::{self, activation_backward};
use crate::ops::training::add_rows::add_rows;
use crate::ops::training::attention_backward::{self, Task, attention_backward};
use crate::ops::training::gated::gated;
use crate::ops::training::gated_backward::gated_backward;
use crate::ops::training::mean_rows_backward::mean_rows_backward;
use crate::ops::training::rotary_backward::rotary_backward;

impl TrainingBuffers {
    fn own(&self) -> &Own {
        self.modernbert.as_ref().expect("they were made for this family")
    }
}

impl Training {
    /// Whether layer `index` computes each pair's first token alone, after its keys and values.
    fn first_only(&self, model: &ModernBertTraining, index: usize) -> bool {
        self.is_last(index) && model.of.pooling == Pooling::Cls
    }

    /// From ids to what the head reads.
    pub(in super::super) fn encode_modernbert(
        &self,
        model: &ModernBertTraining,
        batch: &Batch,
    ) -> Result<Vec<Step>> {
        let (w, x, own) = (&model.weights, &self.buffers, self.buffers.own());
        let (tokens, pairs) = (batch.tokens(), batch.pairs());
        let mut steps = embed("embed", tokens, &x.ids, &w.tables, &x.embed_sum)?;
        for index in 0..w.layers.len() {
            steps.extend(self.modernbert_layer(model, batch, index)?);
        }
        let (norm, weights) = (self.choice.layer_norm(), &w.final_norm);
        match model.of.pooling {
            Pooling::Cls => {
                let (sum, out) = (&own.first_out, &x.features);
                steps.push(layer_norm("final norm", norm, pairs, sum, weights, out)?);
            }
            Pooling::Mean => {
                let sum = own.sum(w.layers.len() - 1);
                steps.push(layer_norm("final norm", norm, tokens, sum, weights, &own.normal)?);
                steps.push(mean_rows("mean", pairs, &x.first_rows, &own.normal, &x.features)?);
            }
        }
        Ok(steps)
    }

    /// What goes into layer `index`: the embeddings, whose LayerNorm is that of the first layer's attention, too,
    /// or what the layer before put out.
    fn layer_input(&self, index: usize) -> &Matrix {
        match index.checked_sub(1) {
            None => &self.buffers.embed_sum,
            Some(before) => self.buffers.own().sum(before),
        }
    }

    fn modernbert_layer(
        &self,
        model: &ModernBertTraining,
        batch: &Batch,
        index: usize,
    ) -> Result<Vec<Step>> {
        let (w, x, own) = (&model.weights.layers[index], &self.buffers, self.buffers.own());
        let (tokens, pairs) = (batch.tokens(), batch.pairs());
        let first_only = self.first_only(model, index);
        let Saved { hidden, rotated, context, other, attended, up, inner } = own.saved(index);
        let norm = self.choice.layer_norm();
        let input = self.layer_input(index);
        // The first layer has no LayerNorm before attention: what attention reads is the residual, too.
        let (weights, residual) = match &w.attention_norm {
            Some(weights) => (weights, input),
            None => (&model.weights.embed_norm, hidden),
        };
        let mut steps = vec![layer_norm("attention norm", norm, tokens, input, weights, hidden)?];
        let (heads, table) = (self.heads(), &model.weights.rotary_tables[w.rotary_table]);
        let rotate = Epilogue::Rotate(Rotary { ids: &x.ids, table, heads });
        steps.extend(self.dense("qkv", tokens, hidden, &w.qkv, rotate, rotated)?);
        let (rows, residual, out) = if first_only {
            let to = if w.attention_norm.is_none() { &x.first_hidden } else { &own.first_sum };
            steps.push(gather_rows("gather first", pairs, &x.first_rows, residual, to)?);
            (pairs, to, &own.first_out)
        } else {
            (tokens, residual, own.sum(index))
        };
        let (variant, most) = (self.choice.attention, self.choice.most_flops);
        let window = model.of.layers[index].window.map(|window| window as u32);
        let tasks = Tasks { window, ..x.forward_tasks(batch, first_only) };
        steps.extend(attention("attention", variant, most, heads, &tasks, rotated, context)?);
        let add = |to| Epilogue::Residual(to);
        steps.extend(self.dense("attention out", rows, context, &w.out, add(residual), other)?);
        steps.push(layer_norm("ffn norm", norm, rows, other, &w.ffn_norm, attended)?);
        steps.extend(self.dense("ffn up", rows, attended, &w.up, Epilogue::Store, &own.wide_up)?);
        steps.push(gated("gated", self.config.hidden_act, rows, &own.wide_up, up, inner)?);
        steps.extend(self.dense("ffn down", rows, inner, &w.down, add(other), out)?);
        Ok(steps)
    }

    /// From what the head reads to logits.
    pub(in super::super) fn modernbert_head(
        &self,
        model: &ModernBertTraining,
        pairs: usize,
    ) -> Result<Vec<Step>> {
        let (w, x, own) = (&model.weights, &self.buffers, self.buffers.own());
        let (features, norm) = (&x.features, self.choice.layer_norm());
        // Once more without the activation, whose backward pass reads what went into it.
        let mut steps =
            self.dense("head dense", pairs, features, &w.dense, Epilogue::Store, &own.pre)?;
        steps.extend(self.dense(
            "head dense",
            pairs,
            features,
            &w.dense,
            model.of.head_act.into(),
            &own.active,
        )?);
        steps.push(layer_norm("head norm", norm, pairs, &own.active, &w.head_norm, &x.head)?);
        let (out, store) = (&x.logits, Epilogue::Store);
        steps.extend(self.dense("head out", pairs, &x.head, &w.project, store, out)?);
        Ok(steps)
    }

    /// From the gradient of logits to that of what the head reads.
    pub(in super::super) fn modernbert_head_back(
        &self,
        model: &ModernBertTraining,
        pairs: usize,
    ) -> Result<Vec<Step>> {
        let (x, own) = (&self.buffers, self.buffers.own());
        let (label, d_x) = ("head out back", Some((&x.d_head, false)));
        let pass = Backward { label, rows: pairs, x: &x.head, d_y: &x.d_logits, d_x };
        let mut steps = self.dense_back(&self.project, pass)?;
        let (norm, trained) = (&model.weights.head_norm, model.head_norm);
        let (active, d_active) = (&own.active, &own.d_active);
        let label = "head norm back";
        steps.extend(self.norm_back(label, pairs, active, norm, trained, &x.d_head, d_active)?);
        let of = activation_backward::Activation::Of(model.of.head_act);
        steps.push(activation_backward("activation back", of, pairs, &own.pre, d_active)?);
        let d_x = self.through_encoder().then_some((&x.d_features, false));
        let label = "head dense back";
        let pass = Backward { label, rows: pairs, x: &x.features, d_y: d_active, d_x };
        steps.extend(self.dense_back(&self.dense, pass)?);
        Ok(steps)
    }

    /// From the gradient of what the head reads to those of every layer and the tables.
    pub(in super::super) fn modernbert_back(
        &self,
        model: &ModernBertTraining,
        batch: &Batch,
        tasks: &[Vec<Task>; 2],
        runs: &SharedRuns,
    ) -> Result<Vec<Step>> {
        let (x, own) = (&self.buffers, self.buffers.own());
        let (tokens, pairs) = (batch.tokens(), batch.pairs());
        let (norm, trained) = (&model.weights.final_norm, model.final_norm);
        let label = "final norm back";
        let last = model.layers.len() - 1;
        let mut steps = match model.of.pooling {
            Pooling::Cls => {
                let (sum, d) = (&own.first_out, &own.d_first);
                self.norm_back(label, pairs, sum, norm, trained, &x.d_features, d)?
            }
            Pooling::Mean => {
                let d_y = &x.d_sum;
                let step =
                    mean_rows_backward("mean back", pairs, &x.first_rows, &x.d_features, d_y)?;
                let sum = own.sum(last);
                let back = self.norm_back(label, tokens, sum, norm, trained, d_y, &x.d_hidden)?;
                [vec![step], back].concat()
            }
        };
        for index in (0..model.layers.len()).rev() {
            if self.size.recompute && index < last {
                steps.extend(self.modernbert_layer(model, batch, index)?);
            }
            steps.extend(self.modernbert_layer_back(model, batch, index, tasks)?);
        }
        let Some(tables) = &model.tables else { return Ok(steps) };
        let (norm, d_x) = (&model.weights.embed_norm, &x.d_sum);
        let label = "embed norm back";
        let (sum, d_y) = (&x.embed_sum, &x.d_hidden);
        steps.extend(self.norm_back(label, tokens, sum, norm, tables.norm, d_y, d_x)?);
        steps.extend(tables.backward(&self.parameters, runs, tokens, d_x)?);
        Ok(steps)
    }

    fn modernbert_layer_back(
        &self,
        model: &ModernBertTraining,
        batch: &Batch,
        index: usize,
        [all_tasks, first_tasks]: &[Vec<Task>; 2],
    ) -> Result<Vec<Step>> {
        let (w, back) = (&model.weights.layers[index], &model.layers[index]);
        let (x, own) = (&self.buffers, self.buffers.own());
        let (tokens, first_only) = (batch.tokens(), self.first_only(model, index));
        let Saved { hidden, rotated, context, other, attended, up, inner } = own.saved(index);
        // `d` is the gradient of the layer's output, and later that of its first residual sum.
        let (rows, d) =
            if first_only { (batch.pairs(), &own.d_first) } else { (tokens, &x.d_hidden) };
        // Heads have no padding here, so that this is as wide as `hidden`; attention needs it later.
        let (d_normal, d_branch) = (&x.d_sum, &x.d_context);
        let (label, d_x) = ("ffn down back", Some((&x.d_inner, false)));
        let pass = Backward { label, rows, x: inner, d_y: d, d_x };
        let mut steps = self.dense_back(&back.down, pass)?;
        let act = self.config.hidden_act;
        steps.push(gated_backward("gated back", act, rows, up, &x.d_inner, &own.wide_up)?);
        let (label, d_x) = ("ffn up back", Some((d_normal, false)));
        let pass = Backward { label, rows, x: attended, d_y: &own.wide_up, d_x };
        steps.extend(self.dense_back(&back.up, pass)?);
        let (label, norm, trained) = ("ffn norm back", &w.ffn_norm, back.ffn_norm);
        steps.extend(self.norm_back(label, rows, other, norm, trained, d_normal, d_branch)?);
        steps.push(add_rows("residual back", rows, None, d_branch, d)?);

        let (label, d_x) = ("attention out back", Some((&x.d_context, false)));
        let pass = Backward { label, rows, x: context, d_y: d, d_x };
        steps.extend(self.dense_back(&back.out, pass)?);
        let (buffer, tasks) = if first_only {
            (&x.first_tasks_back, first_tasks)
        } else {
            (&x.tasks_back, all_tasks)
        };
        let window = model.of.layers[index].window.map(|window| window as u32);
        let tasks =
            attention_backward::Tasks { window, ..attention_backward::Tasks::of(buffer, tasks) };
        steps.extend(attention_backward(
            "attention back",
            self.choice.most_flops,
            self.heads(),
            &tasks,
            rotated,
            context,
            &x.d_context,
            &x.scratch.stats,
            &x.d_qkv,
        )?);
        let table = &model.weights.rotary_tables[w.rotary_table];
        let heads = self.heads();
        steps.push(rotary_backward("rotary back", tokens, heads, &x.ids, table, &x.d_qkv)?);
        // Below the first layer that is trained, no gradients are needed.
        let wanted = index > 0 || model.tables.is_some();
        // What the branch gives is added to the gradient of the residual, or that of some rows to it.
        let to = if first_only { &x.d_hidden } else { d_branch };
        let d_normal = if w.attention_norm.is_some() { d_normal } else { to };
        let d_x = wanted.then_some((d_normal, false));
        let pass = Backward { label: "qkv back", rows: tokens, x: hidden, d_y: &x.d_qkv, d_x };
        steps.extend(self.dense_back(&back.qkv, pass)?);
        if !wanted {
            return Ok(steps);
        }
        if let Some(norm) = &w.attention_norm {
            let (label, trained) = ("attention norm back", back.attention_norm);
            let input = self.layer_input(index);
            steps.extend(self.norm_back(label, tokens, input, norm, trained, d_normal, to)?);
        }
        let (from, at, to) = match first_only {
            true => (d, Some(&x.first_rows), to),
            false => (to, None, d),
        };
        steps.push(add_rows("residual back", rows, at, from, to)?);
        Ok(steps)
    }
}
