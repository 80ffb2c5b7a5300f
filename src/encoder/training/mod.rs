//! Training on the GPU: the forward pass with what it saves, the backward pass, and the optimizer.
//!
//! Matmuls, in both directions, are those that score. Activations are f16 in memory, gradients and
//! master weights f32. There is no dropout, and every sum has one order: a run is repeatable, bit
//! for bit, on one adapter.

mod buffers;
mod dense;
mod load;
mod modernbert;
mod parameters;
mod passes;
mod tables;
#[cfg(test)]
mod tests;

use super::weights::Weights;
use crate::batch::Batch;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, Pace, Plan, Step};
use crate::ops::training::attention_backward::Task;
use crate::ops::training::mse::mse;
use crate::ops::{Choice, stride};
pub use buffers::Size;
use buffers::TrainingBuffers;
use dense::Trained;
use modernbert::ModernBertTraining;
use parameters::Parameters;
pub use parameters::{Tensor, Update};
use passes::NormParameters;
use tables::{SharedRuns, Tables};

/// What of a model is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Depth {
    /// The classification head; the encoder stays as it is.
    Head,
    /// Adapters of low rank on every matrix of the encoder's layers, and the head.
    Lora {
        /// Rows of A and columns of B.
        rank: usize,
        /// Adapters count alpha / rank times.
        alpha: f64,
        /// Of the numbers that A begins with.
        seed: u64,
    },
    /// Everything.
    Full,
}

/// An encoder's weights, and what training needs of them besides.
#[allow(
    clippy::large_enum_variant,
    reason = "boxed, a build without the family would have the variant"
)]
enum Model {
    /// RoBERTa and its like.
    Bert(Bert),
    ModernBert(ModernBertTraining),
}

struct Bert {
    weights: Weights,
    layers: Vec<Layer>, // none where the encoder is frozen
    tables: Option<Tables>,
}

/// The backward pass of one encoder layer.
struct Layer {
    qkv: Trained,
    out: Trained,
    out_norm: NormParameters,
    up: Trained,
    down: Trained,
    down_norm: NormParameters,
}

/// A model in training.
pub struct Training {
    config: Config,
    choice: Choice,
    pace: Pace,
    size: Size,
    model: Model,
    dense: Trained,
    project: Trained,
    parameters: Parameters,
    buffers: TrainingBuffers,
}

/// What the head reads of some pairs: `<s>` after the last layer, or the mean of all tokens.
#[derive(Debug, Clone, Default)]
pub struct Features {
    /// Pairs of f16 in the bits of an f32, row by row.
    words: Vec<f32>,
    row: usize,
}

impl Features {
    /// Appends those of `other`.
    pub fn append(&mut self, other: Features) {
        self.row = other.row;
        self.words.extend(other.words);
    }

    /// Those at `places`, in that order.
    pub fn pick(&self, places: &[usize]) -> Features {
        let rows = places.iter().flat_map(|&at| &self.words[at * self.row..][..self.row]);
        Features { words: rows.copied().collect(), row: self.row }
    }
}

/// What goes through a model in training.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Pairs of texts.
    Batch(&'a Batch),
    /// Pairs that went through the frozen encoder before.
    Features(&'a Features),
}

impl Training {
    /// Bytes of GPU memory that training takes: weights, gradients, moments and activations.
    pub fn bytes(config: &Config, choice: &Choice, depth: Depth, size: Size) -> u64 {
        load::bytes(config, depth) + buffers::bytes(config, choice, size)
    }

    fn through_encoder(&self) -> bool {
        self.size.through_encoder
    }

    fn tables(&self) -> Option<&Tables> {
        match &self.model {
            Model::Bert(model) => model.tables.as_ref(),
            Model::ModernBert(model) => model.tables.as_ref(),
        }
    }

    /// From ids to what the head reads.
    fn encode(&self, batch: &Batch) -> Result<Vec<Step>> {
        match &self.model {
            Model::Bert(model) => self.encode_bert(model, batch),
            Model::ModernBert(model) => self.encode_modernbert(model, batch),
        }
    }

    /// From there to logits.
    fn head(&self, pairs: usize) -> Result<Vec<Step>> {
        match &self.model {
            Model::Bert(model) => self.bert_head(model, pairs),
            Model::ModernBert(model) => self.modernbert_head(model, pairs),
        }
    }

    /// From the gradient of logits to that of what the head reads.
    fn head_back(&self, pairs: usize) -> Result<Vec<Step>> {
        match &self.model {
            Model::Bert(_) => self.bert_head_back(pairs),
            Model::ModernBert(model) => self.modernbert_head_back(model, pairs),
        }
    }

    /// From the gradient of what the head reads to those of every layer and the tables.
    fn encoder_back(
        &self,
        batch: &Batch,
        tasks: &[Vec<Task>; 2],
        runs: &SharedRuns,
    ) -> Result<Vec<Step>> {
        match &self.model {
            Model::Bert(model) => self.bert_back(model, batch, tasks, runs),
            Model::ModernBert(model) => self.modernbert_back(model, batch, tasks, runs),
        }
    }

    /// Adds the gradients of `input` to those so far: of `weight` times each pair's squared error.
    /// The errors go to places from `first_error` on. `stop` is asked between submissions.
    ///
    /// # Errors
    /// What the GPU says, and [`ErrorKind::Aborted`] once `stop` has said so.
    pub async fn accumulate(
        &self,
        gpu: &Gpu,
        input: Input<'_>,
        labels: &[f32],
        weight: f32,
        first_error: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let x = &self.buffers;
        let pairs = labels.len();
        let (mut tasks, mut runs) = Default::default();
        let mut steps = Vec::new();
        match input {
            Input::Batch(batch) => {
                tasks = x.upload(gpu, batch).await?;
                if let Some(tables) = self.tables() {
                    runs = tables.upload(gpu, batch).await?;
                }
                steps.extend(self.encode(batch)?);
            }
            Input::Features(features) => gpu.write(&x.features.buffer, 0, &features.words).await?,
        }
        gpu.write(&x.labels, 0, labels).await?;
        x.poison(gpu, pairs).await?;
        gpu.write(&x.errors, 4 * first_error as u64, &vec![f32::NAN; pairs]).await?;
        steps.extend(self.head(pairs)?);
        let (logits, labels, errors) = (&x.logits, &x.labels, &x.errors);
        steps.push(mse("loss", pairs, logits, labels, errors, first_error, weight, &x.d_logits)?);
        steps.extend(self.head_back(pairs)?);
        if let (Input::Batch(batch), true) = (input, self.through_encoder()) {
            steps.extend(self.encoder_back(batch, &tasks, &runs)?);
        }
        gpu.run_at(&Plan { steps }, &self.pace, stop).await
    }

    /// An optimizer step with the gradients since the last one. Gives the squared errors of its
    /// first `pairs` pairs and the norm of the gradients.
    ///
    /// # Errors
    /// What the GPU says, and [`ErrorKind::NotFinite`] where the gradients are not.
    pub async fn update(
        &mut self,
        gpu: &Gpu,
        update: &Update,
        pairs: usize,
    ) -> Result<(Vec<f32>, f32)> {
        let mut steps = self.parameters.update(gpu, update)?;
        steps.extend(self.refresh()?);
        gpu.run(&Plan { steps }, &|| false).await?;
        let errors = gpu.read_f32(&self.buffers.errors, pairs).await?;
        let norm = self.parameters.norm(gpu).await?;
        if !norm.is_finite() || errors.iter().any(|error| !error.is_finite()) {
            let what = format!("the gradients of step {} came out as {norm}", self.steps());
            return Err(Error::new(ErrorKind::NotFinite, "training", what));
        }
        Ok((errors, norm))
    }

    /// Brings what kernels read up to date with the master weights.
    fn refresh(&self) -> Result<Vec<Step>> {
        let parameters = &self.parameters;
        let mut steps = Vec::new();
        let (dense, project) = match &self.model {
            Model::Bert(Bert { weights: w, layers, .. }) => {
                for (layer, weights) in layers.iter().zip(&w.layers) {
                    steps.extend(layer.qkv.refresh(parameters, &weights.qkv)?);
                    steps.extend(layer.out.refresh(parameters, &weights.out)?);
                    steps.extend(layer.up.refresh(parameters, &weights.up)?);
                    steps.extend(layer.down.refresh(parameters, &weights.down)?);
                }
                (&w.dense, &w.project)
            }
            Model::ModernBert(ModernBertTraining { weights: w, layers, .. }) => {
                for (layer, weights) in layers.iter().zip(&w.layers) {
                    steps.extend(layer.qkv.refresh(parameters, &weights.qkv)?);
                    steps.extend(layer.out.refresh(parameters, &weights.out)?);
                    steps.extend(layer.up.refresh(parameters, &weights.up)?);
                    steps.extend(layer.down.refresh(parameters, &weights.down)?);
                }
                (&w.dense, &w.project)
            }
        };
        steps.extend(self.dense.refresh(parameters, dense)?);
        steps.extend(self.project.refresh(parameters, project)?);
        if let Some(tables) = self.tables() {
            steps.extend(tables.refresh(parameters)?);
        }
        Ok(steps)
    }

    /// What the head reads of each pair: `<s>` after the last layer, or the mean of all tokens.
    ///
    /// # Errors
    /// As [`Training::accumulate`].
    pub async fn features(
        &self,
        gpu: &Gpu,
        batch: &Batch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Features> {
        self.buffers.upload(gpu, batch).await?;
        let row = stride(self.config.hidden_size) / 2;
        let nothing = vec![u32::MAX; batch.pairs() * row];
        gpu.write(&self.buffers.features.buffer, 0, &nothing).await?;
        gpu.run_at(&Plan { steps: self.encode(batch)? }, &self.pace, stop).await?;
        let words = gpu.read_f32(&self.buffers.features.buffer, batch.pairs() * row).await?;
        Ok(Features { words, row })
    }

    /// The logit of each of the `pairs` pairs of `input`, by the weights as they are now.
    ///
    /// # Errors
    /// As [`Training::accumulate`].
    pub async fn predict(
        &self,
        gpu: &Gpu,
        input: Input<'_>,
        pairs: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<f32>> {
        let mut steps = Vec::new();
        self.buffers.poison(gpu, pairs).await?;
        match input {
            Input::Batch(batch) => {
                self.buffers.upload(gpu, batch).await?;
                steps.extend(self.encode(batch)?);
            }
            Input::Features(features) => {
                gpu.write(&self.buffers.features.buffer, 0, &features.words).await?;
            }
        }
        steps.extend(self.head(pairs)?);
        gpu.run_at(&Plan { steps }, &self.pace, stop).await?;
        let rows = gpu.read_f32(&self.buffers.logits.buffer, pairs * stride(1)).await?;
        Ok(rows.into_iter().step_by(stride(1)).collect())
    }

    /// Optimizer steps so far.
    pub fn steps(&self) -> u32 {
        self.parameters.steps
    }

    /// How many groups of tensors are trained; they come out one at a time.
    pub fn groups(&self) -> usize {
        self.parameters.list.len()
    }

    /// The tensors of group `index` as they are now, by their names in a checkpoint. Those of an
    /// adapter are called like their matrix, with `lora_A.weight` or `lora_B.weight` at the end.
    ///
    /// # Errors
    /// What the GPU says.
    pub async fn tensors(&self, gpu: &Gpu, index: usize) -> Result<Vec<Tensor>> {
        self.parameters.tensors(gpu, index).await
    }

    /// Names and shapes of what [`Training::state`] gives of group `index`.
    pub fn state_shapes(&self, index: usize) -> [(String, Vec<usize>); 3] {
        self.parameters.state_shapes(index)
    }

    /// What going on from here needs of group `index`, besides [`Training::steps`].
    ///
    /// # Errors
    /// What the GPU says.
    pub async fn state(&self, gpu: &Gpu, index: usize) -> Result<Vec<Tensor>> {
        self.parameters.state(gpu, index).await
    }

    /// Goes back to a state: `steps`, and what [`Training::state`] gave, as `state` holds it.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`] naming the tensor that is missing or of another shape, or what the
    /// GPU says.
    pub async fn restore(&mut self, gpu: &Gpu, steps: u32, state: &Checkpoint) -> Result<()> {
        self.parameters.restore(gpu, state).await?;
        self.parameters.steps = steps;
        gpu.run(&Plan { steps: self.refresh()? }, &|| false).await
    }

    /// Goes back to weights that [`Training::tensors`] gave of each group, but not to what the
    /// optimizer knew then.
    ///
    /// # Errors
    /// What the GPU says.
    pub async fn set_tensors(&self, gpu: &Gpu, all: &[Vec<Tensor>]) -> Result<()> {
        self.parameters.set(gpu, all).await?;
        gpu.run(&Plan { steps: self.refresh()? }, &|| false).await
    }

    /// Forgets what [`Training::accumulate`] has summed up since the last update, after one of its
    /// calls failed or was stopped.
    ///
    /// # Errors
    /// What the GPU says.
    pub async fn forget_gradients(&self, gpu: &Gpu) -> Result<()> {
        self.parameters.forget_gradients(gpu).await
    }

    /// The names of the tensors of group `index`. Those of a large table come in several groups of
    /// one name, which hold its rows one after the other.
    pub fn names(&self, index: usize) -> impl Iterator<Item = &str> {
        self.parameters.list[index].parts.iter().map(|part| &*part.name)
    }

    /// How much goes through it at once.
    pub fn size(&self) -> Size {
        self.size
    }
}
