//! A training run, one optimizer step at a time.

use serde::{Deserialize, Serialize};

use super::settings::{Depth, Plan, Settings, fit};
use super::{Example, Prepared};
use crate::batch::Batch;
use crate::checkpoint::{Checkpoint, Files, WeightFormat};
use crate::config::Config;
use crate::encoder::self_test;
use crate::encoder::training::{Features, Input, Tensor, Training, Update};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;
use crate::gpu_backend::{batch_tokens, open_proven};
use crate::ops::training::adamw::AdamW;
use crate::options::{LoadOptions, Progress};
use crate::source::{ModelSource, Opened, open};
use crate::tokenizer::{Encoded, Tokenizer};
use crate::tune::Tuned;

/// A pair as tokens, and the score that it ought to get.
struct Pair {
    encoded: Encoded,
    label: f32,
}

/// What one optimizer step told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its number, from 1.
    pub step: usize,
    /// The mean squared error of its examples, before it.
    pub loss: f32,
    /// The norm of its gradients, before it was limited.
    pub norm: f32,
    /// Its learning rate.
    pub learning_rate: f64,
    /// The mean squared error of the held-out part after it, where that was looked at.
    pub held_out: Option<f32>,
}

/// How a run went so far, or to its end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The held-out part's error before the first step; `None` without such a part.
    pub held_out_before: Option<f32>,
    /// Every step.
    pub steps: Vec<Step>,
    /// The step with the weights that count, where there is a held-out part; 0 is the model as it
    /// was.
    pub best: Option<usize>,
    /// Whether it ended early, since the held-out part got no better.
    pub stopped_early: bool,
}

/// A model that learns.
///
/// ```no_run
/// use cappy::adapt::{Adaptation, Depth, Recipe, Settings, examples};
/// # async fn adapt() -> cappy::Result<()> {
/// let lessons = examples::read("mine.jsonl", &std::fs::read("mine.jsonl").unwrap())?;
/// let set = Recipe::default().prepare(&lessons, &cappy::rouge::rouge_l);
/// let settings = Settings::new(Depth::Head);
/// let source = cappy::ModelSource::Embedded;
/// let mut adaptation =
///     Adaptation::load(source, &set, settings, Default::default(), &mut |_| {}).await?;
/// while let Some(step) = adaptation.step(&|| false).await? {
///     println!("step {}: loss {}", step.step, step.loss);
/// }
/// let mut file = Vec::new();
/// adaptation.write_adapter(&mut file).await?;
/// # Ok(())
/// # }
/// ```
pub struct Adaptation {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    pub(super) base: Checkpoint,
    /// Whether the model was adapted already, so that an adapter alone would lose that.
    pub(super) on_top: bool,
    pub(super) files: Option<Box<dyn Files>>,
    model: String,
    pub(super) training: Training,
    pub(super) settings: Settings,
    plan: Plan,
    train: Vec<Pair>,
    order: Vec<usize>,
    held_out: Vec<Pair>,
    /// With a frozen encoder: `<s>` of `train` and of `held_out`.
    features: Option<[Features; 2]>,
    pub(super) history: History,
    /// The weights of the best check, unless they are those of the model as it was.
    pub(super) best: Option<Vec<Vec<Tensor>>>,
    /// Checks since then.
    pub(super) stale: usize,
    /// Whether a step was broken off halfway.
    unclean: bool,
    ended: bool,
}

impl Adaptation {
    /// Loads the model of `source` and makes it ready to learn from `set`. `planned` is told what
    /// that will take, before it is taken. Of `options` all but `batch_tokens` mean what they mean
    /// for scoring; that one counts for training.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming a setting or the training set, [`ErrorKind::OutOfMemory`] where
    /// it would take more than the settings allow, and all that [`crate::Scorer::load`] gives.
    pub async fn load(
        source: ModelSource,
        set: &Prepared,
        settings: Settings,
        mut options: LoadOptions<'_>,
        planned: &mut dyn FnMut(&Plan),
    ) -> Result<Adaptation> {
        settings.check()?;
        if set.order.is_empty() {
            let what = "has no examples that are not held out";
            return Err(Error::new(ErrorKind::Input, "the training set", what));
        }
        let mut silent = |_: Progress| {};
        let progress: &mut dyn FnMut(Progress) = match options.progress.take() {
            Some(progress) => progress,
            None => &mut silent,
        };
        let model = source.describe();
        let Opened { config, tokenizer, checkpoint: mut base, files, .. } =
            open(source, progress).await?;
        let adaptation = options.adaptation.take();
        if let Some(files) = &adaptation {
            base = base.with_adapter(&**files, &config).await?;
        }
        let train = encode(&tokenizer, &set.train)?;
        let held_out = encode(&tokenizer, &set.held_out)?;
        let format = WeightFormat::F16;
        // Gradients are scaled to be nearly as large as f16 can hold: their sums have to be f32.
        let prove = async |gpu: &Gpu, tuned: &Tuned| {
            self_test(gpu, tuned.choice.in_f32(), format, &config).await
        };
        let (gpu, mut tuned, _) = open_proven(&options, WeightFormat::F16, prove).await?;
        tuned.choice = tuned.choice.in_f32();
        let longest = train.iter().chain(&held_out).map(|pair| pair.encoded.ids.len()).max();
        let longest = longest.unwrap_or(1);
        // There and back is three times as much work.
        let tokens = match options.batch_tokens {
            Some(tokens) => tokens,
            None => batch_tokens(&tuned, &config, None) / 3,
        };
        let tokens = tokens.max(longest);
        let (size, gpu_bytes) = fit(&config, &tuned.choice, &settings, longest, tokens)?;
        let plan = Plan {
            steps: set.order.len().div_ceil(settings.batch),
            examples: set.order.len(),
            held_out: held_out.len(),
            gpu_bytes,
            batch_tokens: size.tokens,
            recompute: size.recompute && size.through_encoder,
        };
        planned(&plan);
        let total = base.file_bytes();
        let mut loaded = |bytes: u64| progress(Progress::Load { bytes: bytes.min(total), total });
        let depth = settings.training_depth();
        let training =
            Training::load(&gpu, &base, &config, tuned.choice, depth, size, &mut loaded).await?;
        Ok(Adaptation {
            gpu,
            config,
            base,
            on_top: adaptation.is_some(),
            files,
            model,
            training,
            settings,
            plan,
            train,
            order: set.order.clone(),
            held_out,
            features: None,
            history: History::default(),
            best: None,
            stale: 0,
            unclean: false,
            ended: false,
        })
    }

    /// Where the model came from, as messages call it.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What it takes.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How it went so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The next optimizer step; `None` at the end, when the weights are those that count. `stop` is
    /// asked between submissions to the GPU. A step that was stopped or failed leaves the weights
    /// as they were before it, and can be taken again.
    ///
    /// # Errors
    /// [`ErrorKind::Aborted`] once `stop` has said so, [`ErrorKind::NotFinite`] where the learning
    /// rate was too high, and what the GPU says.
    pub async fn step(&mut self, stop: &dyn Fn() -> bool) -> Result<Option<Step>> {
        if self.ended {
            return Ok(None);
        }
        if self.unclean {
            self.training.forget_gradients(&self.gpu).await?;
        }
        self.unclean = true;
        self.prepare(stop).await?;
        if self.history.steps.len() == self.plan.steps || self.history.stopped_early {
            if self.history.best.is_some_and(|best| best < self.history.steps.len())
                && let Some(best) = &self.best
            {
                self.training.set_tensors(&self.gpu, best).await?;
            }
            self.ended = true;
            return Ok(None);
        }
        let index = self.history.steps.len();
        let batch = self.settings.batch;
        let places = &self.order[index * batch..self.order.len().min((index + 1) * batch)];
        self.accumulate(places, stop).await?;
        let learning_rate = self.settings.rate(index, self.plan.steps);
        let adamw = AdamW { weight_decay: self.settings.weight_decay, ..AdamW::default() };
        let update = Update { learning_rate, most_norm: self.settings.most_norm, adamw };
        let pairs = places.len();
        let (errors, norm) = self.training.update(&self.gpu, &update, pairs).await?;
        // From here on the step counts, whatever becomes of the check.
        self.unclean = false;
        let loss = mean(&errors);
        let mut step = Step { step: index + 1, loss, norm, learning_rate, held_out: None };
        self.history.steps.push(step);
        if self.is_check(index + 1) {
            let error = self.held_out_error(&|| false).await?;
            step.held_out = Some(error);
            self.history.steps[index].held_out = Some(error);
            self.judge(index + 1, error).await?;
        }
        Ok(Some(step))
    }

    /// What happens once, before the first step.
    async fn prepare(&mut self, stop: &dyn Fn() -> bool) -> Result<()> {
        if self.settings.depth == Depth::Head && self.features.is_none() {
            let train = self.features_of(&self.train, stop).await?;
            self.features = Some([train, self.features_of(&self.held_out, stop).await?]);
        }
        if !self.held_out.is_empty() && self.history.held_out_before.is_none() {
            self.history.held_out_before = Some(self.held_out_error(stop).await?);
            self.history.best = Some(0);
            self.best = Some(self.weights().await?);
        }
        Ok(())
    }

    fn is_check(&self, step: usize) -> bool {
        let every = match self.settings.check_every {
            0 => self.plan.steps.div_ceil(10),
            every => every,
        };
        !self.held_out.is_empty() && (step.is_multiple_of(every) || step == self.plan.steps)
    }

    /// Keeps the weights if the held-out part was never better.
    async fn judge(&mut self, step: usize, error: f32) -> Result<()> {
        let errors = self.history.steps.iter().filter(|past| past.step < step);
        let errors = errors.filter_map(|past| past.held_out).chain(self.history.held_out_before);
        if errors.fold(f32::INFINITY, f32::min) > error {
            self.history.best = Some(step);
            self.best = Some(self.weights().await?);
            self.stale = 0;
        } else {
            self.stale += 1;
            let enough = self.settings.patience.is_some_and(|patience| self.stale >= patience);
            self.history.stopped_early = enough && step < self.plan.steps;
        }
        Ok(())
    }

    /// Hands everything that examples are made of to `take`.
    pub(super) fn take_examples(&self, take: &mut dyn FnMut(&[u8])) {
        for Pair { encoded, label } in self.train.iter().chain(&self.held_out) {
            take(bytemuck::cast_slice(&encoded.ids));
            take(&label.to_le_bytes());
        }
        for place in &self.order {
            take(&(*place as u64).to_le_bytes());
        }
    }

    async fn weights(&self) -> Result<Vec<Vec<Tensor>>> {
        let mut all = Vec::new();
        for index in 0..self.training.groups() {
            all.push(self.training.tensors(&self.gpu, index).await?);
        }
        Ok(all)
    }

    /// The gradients of the pairs at `places`, each with the same share.
    async fn accumulate(&self, places: &[usize], stop: &dyn Fn() -> bool) -> Result<()> {
        let share = 1.0 / places.len() as f32;
        let mut done = 0;
        for run in self.runs(&self.train, places) {
            let labels: Vec<f32> = run.iter().map(|&at| self.train[at].label).collect();
            let (batch, features);
            let input = match &self.features {
                Some([train, _]) => {
                    features = train.pick(run);
                    Input::Features(&features)
                }
                None => {
                    batch = pack(&self.train, run);
                    Input::Batch(&batch)
                }
            };
            self.training.accumulate(&self.gpu, input, &labels, share, done, stop).await?;
            done += run.len();
        }
        Ok(())
    }

    /// The mean squared error of the held-out part.
    async fn held_out_error(&self, stop: &dyn Fn() -> bool) -> Result<f32> {
        let places: Vec<usize> = (0..self.held_out.len()).collect();
        let mut errors = Vec::new();
        for run in self.runs(&self.held_out, &places) {
            let (batch, features);
            let input = match &self.features {
                Some([_, held_out]) => {
                    features = held_out.pick(run);
                    Input::Features(&features)
                }
                None => {
                    batch = pack(&self.held_out, run);
                    Input::Batch(&batch)
                }
            };
            let logits = self.training.predict(&self.gpu, input, run.len(), stop).await?;
            let labels = run.iter().map(|&at| self.held_out[at].label);
            errors.extend(logits.iter().zip(labels).map(|(logit, label)| (logit - label).powi(2)));
        }
        Ok(mean(&errors))
    }

    async fn features_of(&self, pairs: &[Pair], stop: &dyn Fn() -> bool) -> Result<Features> {
        let places: Vec<usize> = (0..pairs.len()).collect();
        let mut features = Features::default();
        let size = self.training.size();
        for run in runs(pairs, &places, size.tokens, size.pairs) {
            features.append(self.training.features(&self.gpu, &pack(pairs, run), stop).await?);
        }
        Ok(features)
    }

    /// `places` cut where a batch is full. With a frozen encoder only pairs count.
    fn runs<'a>(&self, pairs: &[Pair], places: &'a [usize]) -> Vec<&'a [usize]> {
        let size = self.training.size();
        let tokens = if self.features.is_some() { usize::MAX } else { size.tokens };
        runs(pairs, places, tokens, size.pairs)
    }
}

/// Runs of `places` that are each `most_pairs` pairs of `most_tokens` tokens at the most; single
/// pairs may be longer.
fn runs<'a>(
    pairs: &[Pair],
    places: &'a [usize],
    most_tokens: usize,
    most_pairs: usize,
) -> Vec<&'a [usize]> {
    let mut runs = Vec::new();
    let (mut begin, mut tokens) = (0, 0);
    for (end, &at) in places.iter().enumerate() {
        let more = pairs[at].encoded.ids.len();
        if end > begin && (end - begin == most_pairs || tokens + more > most_tokens) {
            runs.push(&places[begin..end]);
            (begin, tokens) = (end, 0);
        }
        tokens += more;
    }
    if begin < places.len() {
        runs.push(&places[begin..]);
    }
    runs
}

fn pack(pairs: &[Pair], places: &[usize]) -> Batch {
    let encoded: Vec<Encoded> = places.iter().map(|&at| pairs[at].encoded.clone()).collect();
    Batch::new(&encoded)
}

fn mean(errors: &[f32]) -> f32 {
    let sum: f64 = errors.iter().map(|&error| f64::from(error)).sum();
    (sum / errors.len() as f64) as f32
}

fn encode(tokenizer: &Tokenizer, examples: &[Example]) -> Result<Vec<Pair>> {
    let pair = |Example { instruction, response, label }: &Example| {
        Ok(Pair { encoded: tokenizer.encode_pair(instruction, response)?, label: *label })
    };
    examples.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_tokens_or_pairs_do() {
        let pair = |tokens: usize| Pair {
            encoded: Encoded {
                ids: vec![0; tokens],
                position_ids: vec![0; tokens],
                type_ids: vec![0; tokens],
                truncated: 0,
            },
            label: 0.0,
        };
        let pairs: Vec<Pair> = [3, 4, 9, 1, 1, 1].into_iter().map(pair).collect();
        let places = [0, 1, 2, 3, 4, 5];
        let cut = |tokens, most| runs(&pairs, &places, tokens, most);
        assert_eq!(cut(8, 9), [&[0, 1][..], &[2], &[3, 4, 5]]);
        assert_eq!(cut(8, 2), [&[0, 1][..], &[2], &[3, 4], &[5]]);
        assert_eq!(cut(usize::MAX, 4), [&[0, 1, 2, 3][..], &[4, 5]]);
        assert!(runs(&pairs, &[], 8, 2).is_empty());
    }
}
