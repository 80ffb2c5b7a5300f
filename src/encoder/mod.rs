//! The forward pass of RoBERTa and its like, with their classification heads.

mod activations;
#[cfg(test)]
mod faults;
mod loader;
mod lock;
mod modernbert;
mod runs;
mod self_test;
pub mod training;
mod weights;

use std::cell::RefCell;
use std::rc::Rc;

use crate::batch::Batch;
use crate::checkpoint::{Checkpoint, WeightFormat};
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Gpu, Pace, Plan};
use crate::ops::Choice;
use crate::ops::attention::{Heads, attention, forward_tasks};
use crate::ops::embed::embed;
use crate::ops::gather_rows::gather_rows;
use crate::ops::layer_norm::layer_norm;
use crate::ops::matmul::{Epilogue, Method, matmul};
use activations::Activations;
use loader::Loader;
use lock::Lock;
use modernbert::ModernBertModel;
pub use self_test::self_test;
use weights::Weights;

/// A model on the GPU, with the activations of batches of up to `batch_tokens` tokens. A longer batch,
/// such as one pair that is longer than the batches of other pairs, gets larger ones until the next batch.
pub struct Encoder {
    config: Config,
    choice: Choice,
    model: Model,
    batch_tokens: usize,
    activations: RefCell<Rc<Activations>>,
    /// Held by the call that uses the activations.
    lock: Lock,
    pace: Pace,
}

/// A model's weights.
#[allow(
    clippy::large_enum_variant,
    reason = "boxed, a build without the family would have the variant"
)]
enum Model {
    /// RoBERTa and its like.
    Bert(Weights),
    ModernBert(ModernBertModel),
}

impl Encoder {
    /// Streams the weights of `checkpoint` to the GPU, where matrices are held in `format`, or as
    /// they are stored. `loaded` is called with the bytes of
    /// weights that were read so far, by their size in the file.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Checkpoint`] naming the tensor at fault, or what [`Gpu::buffer`] says.
    pub async fn load(
        gpu: &Gpu,
        checkpoint: &Checkpoint,
        config: &Config,
        choice: Choice,
        format: Option<WeightFormat>,
        batch_tokens: usize,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Encoder> {
        let part_bytes = gpu.max_binding_bytes();
        let loader = Loader { gpu, checkpoint, config, format, bytes: 0, loaded };
        Ok(Encoder {
            config: config.clone(),
            choice,
            model: match &config.modernbert {
                None => Model::Bert(weights::load(loader, part_bytes).await?),
                Some(of) => Model::ModernBert(ModernBertModel::load(loader, of, part_bytes).await?),
            },
            batch_tokens,
            activations: RefCell::new(Rc::new(Activations::new(
                gpu,
                config,
                &choice,
                batch_tokens,
            )?)),
            lock: Lock::default(),
            pace: Pace::new(choice.flops_per_second),
        })
    }

    /// Runs other variants from now on.
    fn choose(&mut self, choice: Choice) {
        self.choice = choice;
    }

    /// How fast the adapter gets through forward passes, as far as is known.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Bytes of activations that a batch of `tokens` tokens takes at most.
    pub fn activation_bytes(config: &Config, choice: &Choice, tokens: usize) -> u64 {
        activations::bytes(config, choice, tokens)
    }

    /// Multiplications and additions of the matmuls of a batch of `tokens` tokens, about.
    pub fn flops(config: &Config, tokens: usize) -> f64 {
        let (hidden, inner) = (config.hidden_size as f64, config.intermediate_size as f64);
        // A gated network has a third matrix.
        let matrices = if config.modernbert.is_some() { 3.0 } else { 2.0 };
        let a_layer = 2.0 * hidden * (4.0 * hidden + matrices * inner);
        a_layer * config.num_hidden_layers as f64 * tokens as f64
    }

    /// The raw logits of each pair of `batch`, in order: `[pairs][labels]`. `stop` is asked between
    /// submissions. Calls at the same time wait for each other.
    ///
    /// # Errors
    /// What [`Gpu::run`] and [`Gpu::read_f32`] say. Numbers that are not finite are none.
    pub async fn logits(
        &self,
        gpu: &Gpu,
        batch: &Batch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        let _guard = self.lock.lock().await;
        self.make_room(gpu, batch.tokens())?;
        let mut logits = self.run(gpu, batch, &self.choice, stop).await?;
        let is_finite = |logits: &Vec<f32>| logits.iter().all(|logit| logit.is_finite());
        if self.choice.has_f16_sums() && !logits.iter().all(is_finite) {
            // f16 cannot hold all sums that f32 can. The other pairs keep what they have, because a
            // score must not depend on the batch.
            let again = self.run(gpu, batch, &self.choice.in_f32(), stop).await?;
            let lost = logits.iter_mut().zip(again).filter(|(logits, _)| !is_finite(logits));
            lost.for_each(|(logits, again)| *logits = again);
        }
        Ok(logits)
    }

    /// The logits of `batch` by the variants of `choice`. The caller holds the lock, and there is room.
    async fn run(
        &self,
        gpu: &Gpu,
        batch: &Batch,
        choice: &Choice,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        self.upload(gpu, batch).await?;
        gpu.run_at(&self.plan_by(choice, batch)?, &self.pace, stop).await?;
        self.read(gpu, batch).await
    }

    /// The activations that there are.
    fn activations(&self) -> Rc<Activations> {
        self.activations.borrow().clone()
    }

    /// Makes activations for `tokens` tokens, where that is more than the usual, and makes the usual ones
    /// again for the next batch that is not.
    fn make_room(&self, gpu: &Gpu, tokens: usize) -> Result<()> {
        let wanted = tokens.max(self.batch_tokens);
        if self.activations().tokens() == wanted {
            return Ok(());
        }
        let of = |tokens| Activations::new(gpu, &self.config, &self.choice, tokens).map(Rc::new);
        // Not both at once: there may be no memory for them. Where there is none for the larger ones
        // either, few tokens have room, and the next batch tries anew.
        self.activations.replace(of(1)?).free(gpu);
        let few = self.activations.replace(of(wanted)?);
        few.free(gpu);
        Ok(())
    }

    /// The logits that a plan of `batch` has computed.
    async fn read(&self, gpu: &Gpu, batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let labels = self.config.labels.len();
        let stride = crate::ops::stride(labels);
        let rows = gpu.read_f32(&self.activations().logits.buffer, batch.pairs() * stride).await?;
        Ok(rows.chunks_exact(stride).map(|row| row[..labels].to_vec()).collect())
    }

    /// A description of where `batch` first leads to a number that is not finite, if it does.
    /// Runs the forward pass once more, step by step.
    ///
    /// # Errors
    /// As [`Encoder::logits`].
    pub async fn first_overflow(&self, gpu: &Gpu, batch: &Batch) -> Result<Option<String>> {
        let _guard = self.lock.lock().await;
        self.make_room(gpu, batch.tokens())?;
        self.upload(gpu, batch).await?;
        let row = crate::ops::stride(self.config.hidden_size) / 2;
        let x = self.activations();
        let firsts = [&x.first_hidden.buffer, &x.first_attended.buffer];
        let (mut layers, mut before) = (0, "");
        for step in self.plan_by(&self.choice.in_f32(), batch)?.steps {
            let (label, out) = (step.label, step.buffers.last().cloned());
            layers += usize::from(label == "qkv" && before != "qkv");
            before = label;
            gpu.run(&Plan { steps: vec![step] }, &|| false).await?;
            let (Some(out), Some(part)) = (out, self.normalised(label)) else { continue };
            let of_firsts = firsts.contains(&&out);
            let rows = if of_firsts { batch.pairs() } else { batch.tokens() };
            let words = gpu.read_f32(&out, rows * row).await?;
            let is_lost = |word: &f32| {
                let bits = word.to_bits();
                [bits, bits >> 16].iter().any(|bits| bits & 0x7c00 == 0x7c00)
            };
            if words.iter().any(is_lost) {
                return Ok(Some(match layers.checked_sub(1) {
                    Some(layer) => format!("the {part} of layer {layer} (the first is 0)"),
                    None => "the embeddings".into(),
                }));
            }
        }
        let finite = self.read(gpu, batch).await?.iter().flatten().all(|logit| logit.is_finite());
        Ok((!finite).then(|| "the head".into()))
    }

    /// Whose numbers the LayerNorm called `label` reads, if it is one of a layer: those of the part
    /// that it follows. Of ModernBERT that is the part before.
    fn normalised(&self, label: &'static str) -> Option<&'static str> {
        match (&self.model, label.strip_suffix(" norm")?) {
            (_, "head") => None,
            (Model::Bert(_), part) => Some(part),
            (Model::ModernBert(_), "ffn") => Some("attention"),
            (Model::ModernBert(_), _) => Some("ffn"),
        }
    }

    /// Writes what a plan of `batch` reads, and NaN where its logits will be.
    pub async fn upload(&self, gpu: &Gpu, batch: &Batch) -> Result<()> {
        let x = &*self.activations();
        gpu.write(&x.ids, 0, &batch.ids).await?;
        gpu.write(&x.first_rows, 0, &batch.cu_seqlens).await?;
        gpu.write(&x.tasks, 0, &forward_tasks(&batch.cu_seqlens, false)).await?;
        gpu.write(&x.first_tasks, 0, &forward_tasks(&batch.cu_seqlens, true)).await?;
        let nothing = vec![f32::NAN; batch.pairs() * crate::ops::stride(self.config.labels.len())];
        gpu.write(&x.logits.buffer, 0, &nothing).await
    }

    /// The forward pass of `batch`, written down.
    pub fn plan(&self, batch: &Batch) -> Result<Plan> {
        self.plan_by(&self.choice, batch)
    }

    /// The same by the variants of `choice`.
    fn plan_by(&self, choice: &Choice, batch: &Batch) -> Result<Plan> {
        let x = &*self.activations();
        let w = match (&self.model, &x.modernbert) {
            (Model::ModernBert(model), Some(own)) => {
                return modernbert::plan(&self.config, choice, model, x, own, batch);
            }
            (Model::Bert(w), _) => w,
            _ => unreachable!("both follow from the same config"),
        };
        let (tokens, pairs) = (batch.tokens(), batch.pairs());
        let heads = Heads { count: self.config.num_attention_heads, size: self.config.head_size() };
        let all = x.tasks(batch);
        let first = x.first_tasks(batch);

        let most = choice.most_flops;
        // Inputs as wide as `hidden` and the others alternate.
        let [narrow, wide] = &x.blocks;
        let by = |variant, blocks| Method { variant, most_flops: most, blocks: Some(blocks) };

        let mut steps = x.before(batch)?.to_vec();
        steps.extend(embed("embed", tokens, &x.ids, &w.tables, &x.sum)?);
        let norm = choice.layer_norm();
        steps.push(layer_norm("embed norm", norm, tokens, &x.sum, &w.embed_norm, &x.hidden)?);
        let middle = self.config.hidden_act.into();
        steps.push(x.spent(tokens, [&x.sum, &x.attended, &x.context, &x.inner])?);
        let variant = choice.tokens(tokens);
        for (index, layer) in w.layers.iter().enumerate() {
            let last = index + 1 == w.layers.len();
            let (method, store) = (by(variant, narrow), Epilogue::Store);
            steps.extend(matmul("qkv", method, tokens, &x.hidden, &layer.qkv, store, &x.qkv)?);
            // The score depends on the last layer's <s> alone: after its keys and values, only that
            // row of each pair is computed.
            let (rows, variant, tasks, hidden, attended, sum) = if last {
                let gather =
                    gather_rows("gather <s>", pairs, &x.first_rows, &x.hidden, &x.first_hidden)?;
                steps.push(gather);
                let (hidden, attended) = (&x.first_hidden, &x.first_attended);
                (pairs, choice.pairs, &first, hidden, attended, &x.first_sum)
            } else {
                (tokens, variant, &all, &x.hidden, &x.attended, &x.sum)
            };
            let dense = |label, blocks, a, w, epilogue, out| {
                matmul(label, by(variant, blocks), rows, a, w, epilogue, out)
            };
            let add = Epilogue::Residual;
            let attend = choice.attention;
            steps.extend(attention("attention", attend, most, heads, tasks, &x.qkv, &x.context)?);
            steps.extend(dense("attention out", wide, &x.context, &layer.out, add(hidden), sum)?);
            steps.push(layer_norm("attention norm", norm, rows, sum, &layer.out_norm, attended)?);
            steps.push(x.spent(rows, [sum, hidden, &x.qkv, &x.context])?);
            steps.extend(dense("ffn up", narrow, attended, &layer.up, middle, &x.inner)?);
            steps.extend(dense("ffn down", wide, &x.inner, &layer.down, add(attended), sum)?);
            steps.push(layer_norm("ffn norm", norm, rows, sum, &layer.down_norm, hidden)?);
            steps.push(x.spent(rows, [sum, attended, &x.context, &x.inner])?);
        }
        let head = |label, blocks, a, w, epilogue, out| {
            matmul(label, by(choice.pairs, blocks), pairs, a, w, epilogue, out)
        };
        let activation = match self.config.family.is_distilbert() {
            true => Epilogue::Relu,
            false => Epilogue::Tanh,
        };
        steps.extend(head("head dense", narrow, &x.first_hidden, &w.dense, activation, &x.head)?);
        steps.extend(head("head out", wide, &x.head, &w.project, Epilogue::Store, &x.logits)?);
        Ok(Plan { steps })
    }
}

#[cfg(test)]
mod tests;
