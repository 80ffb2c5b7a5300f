//! Load a model, score pairs with it.

use std::cell::RefCell;
use std::ops::ControlFlow;

use serde::Serialize;

use crate::adapter::{AdapterSummary, Dtype};
use crate::backend::{Backend, LoadedModel};
use crate::batch::Batch;
use crate::checkpoint::{WeightFormat, tensor_shapes};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{LoadOptions, Progress};
use crate::rendering::Rendering;
use crate::source::{ModelSource, Opened, open};
use crate::tokenizer::{Encoded, Tokenizer};

/// The score of one pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The raw logit of each label; one for a regression model such as Cappy.
    pub logits: Vec<f32>,
    /// Tokens of the pair as it was scored, special tokens included.
    pub tokens: usize,
    /// Tokens that were cut because the pair was too long.
    pub truncated: usize,
}

/// What was loaded and how it runs.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// Where the model came from.
    pub model: String,
    /// Where what adaptation changes of it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptation: Option<String>,
    /// The format of its weights.
    pub format: String,
    /// Its shape.
    pub config: Config,
    /// What its output means, for people: see [`Config::output`]. Where the files say so, also which
    /// function sentence-transformers applies to it.
    pub output: String,
    /// The longest pair in tokens, special tokens included: [`Config::max_tokens`], or less where the
    /// files beside `config.json` say so.
    pub max_tokens: usize,
    /// How many numbers its weights are.
    pub parameters: u64,
    /// Bytes of its weights where they came from.
    pub file_bytes: u64,
    /// Bytes of GPU memory in use, weights and activations.
    pub gpu_bytes: u64,
    /// Bytes of weights in the host's memory, where the CPU computes.
    pub cpu_bytes: u64,
    /// The adapter it runs on. Its backend is `cpu` where that is none.
    pub adapter: AdapterSummary,
    /// How kernels read f16 numbers there. The CPU's are `f32`, whatever the weights are.
    pub dtype: Dtype,
    /// How its matrices are held. The CPU holds them in f16 or finer, or rounded to q8.
    pub weights: WeightFormat,
    /// Why it runs there and in this way: what was measured of GPU and CPU, that the adapter failed
    /// a self-test, or that there is none.
    pub note: Option<String>,
    /// The most tokens computed at once.
    pub batch_tokens: usize,
    /// The variants of matmul that run, by name, for people.
    pub kernels: String,
    /// Seconds that it took to find them by measuring; 0 where they were remembered.
    pub tuning_seconds: f64,
    /// The same for [`LoadOptions::tuning`] of the next load.
    pub tuning: String,
}

/// A loaded model.
///
/// ```
/// use cappy::{LoadOptions, ModelSource, Scorer};
/// # fn main() -> cappy::Result<()> { pollster::block_on(async {
/// let scorer = Scorer::load(ModelSource::Embedded, LoadOptions::default()).await?;
/// let question = "Is the sentiment of this review positive or negative?\nReview: I loved it.";
/// let scores = scorer.score(&[(question, "positive"), (question, "negative")]).await?;
/// assert_eq!(scores.len(), 2);
/// assert_eq!(scores[0].logits.len(), 1);
/// # Ok(()) }) }
/// ```
pub struct Scorer {
    model: Box<dyn LoadedModel>,
    tokenizer: Tokenizer,
    info: Info,
    rendering: Rendering,
    /// The pair that did not fit the last batch, tokenized: it begins the next one.
    next: RefCell<Option<Tokenized>>,
}

/// A pair and its tokens.
struct Tokenized {
    instruction: String,
    response: String,
    pair: Encoded,
}

impl Scorer {
    /// Loads a model and opens what it is computed on. Downloads from the hub block the calling thread.
    ///
    /// # Errors
    /// Names the file, tensor, adapter limit or hub answer at fault; see [`ErrorKind`].
    pub async fn load(source: ModelSource, mut options: LoadOptions<'_>) -> Result<Scorer> {
        let mut silent = |_: Progress| {};
        let progress: &mut dyn FnMut(Progress) = match options.progress.take() {
            Some(progress) => progress,
            None => &mut silent,
        };
        let name = source.describe();
        let Opened { config, cross_encoder, rendering, tokenizer, mut checkpoint, .. } =
            open(source, progress).await?;
        let adaptation = options.adaptation.take();
        if let Some(files) = &adaptation {
            checkpoint = checkpoint.with_adapter(&**files, &config).await?;
        }
        let total = checkpoint.file_bytes();
        let mut loaded = |bytes: u64| progress(Progress::Load { bytes: bytes.min(total), total });
        let backend = match options.backend {
            Some(backend) => backend,
            None => default_backend()?,
        };
        let model = backend.load(&checkpoint, &config, &options, &mut loaded).await?;
        loaded(total);

        let shapes = tensor_shapes(&config);
        let running = model.describe().clone();
        let info = Info {
            model: name,
            adaptation: adaptation.map(|files| files.describe()),
            format: checkpoint.format().to_owned(),
            parameters: shapes.iter().map(|(_, s)| s.iter().product::<usize>() as u64).sum(),
            file_bytes: total,
            gpu_bytes: running.gpu_bytes,
            cpu_bytes: running.cpu_bytes,
            adapter: running.adapter,
            dtype: running.dtype,
            weights: running.weights,
            note: running.note,
            batch_tokens: running.batch_tokens,
            kernels: running.kernels,
            tuning_seconds: running.tuning_seconds,
            tuning: running.tuning,
            output: cross_encoder.output(&config),
            max_tokens: tokenizer.max_tokens(),
            config,
        };
        Ok(Scorer { model, tokenizer, info, rendering, next: RefCell::default() })
    }

    /// What was loaded and how it runs.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// How the model is asked for decisions: by its own file, or else by default.
    pub fn rendering(&self) -> &Rendering {
        &self.rendering
    }

    /// Bytes of GPU memory in use now: the weights, and activations for the largest batch.
    pub fn gpu_bytes(&self) -> u64 {
        self.info.gpu_bytes
    }

    /// The score of each (instruction, response), in order. A pair's score does not depend on the
    /// others, to the bit.
    ///
    /// # Errors
    /// [`ErrorKind::NotFinite`] naming the pair, or what the GPU says.
    pub async fn score(&self, pairs: &[(&str, &str)]) -> Result<Vec<Score>> {
        let mut scores = Vec::with_capacity(pairs.len());
        let mut collect = |_: usize, score: &Score| {
            scores.push(score.clone());
            ControlFlow::Continue(())
        };
        self.score_each(pairs, &mut collect).await?;
        Ok(scores)
    }

    /// As [`Scorer::score`], and calls `done` with each pair's index and score as soon as its
    /// batch is finished, in order. Memory is bounded by the batch, not by the number of pairs.
    ///
    /// # Errors
    /// As [`Scorer::score`], and [`ErrorKind::Aborted`] once `done` has returned
    /// [`ControlFlow::Break`].
    pub async fn score_each(
        &self,
        pairs: &[(&str, &str)],
        done: &mut dyn FnMut(usize, &Score) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut index = 0;
        while index < pairs.len() {
            for score in self.score_batch(pairs, index, &|| false).await? {
                if done(index, &score).is_break() {
                    let why = "the caller stopped the work";
                    return Err(Error::new(ErrorKind::Aborted, format!("pair {index}"), why));
                }
                index += 1;
            }
        }
        Ok(())
    }

    /// Scores pairs from the one at `first` on, as many as one batch holds, at least one if
    /// there is one. `stop` is asked between submissions to the GPU. For callers that take turns between several lists.
    ///
    /// # Errors
    /// As [`Scorer::score`], and [`ErrorKind::Aborted`] once `stop` has said so. What is wrong with
    /// a pair is an error when that pair is the first; a batch ends before it otherwise.
    pub async fn score_batch(
        &self,
        pairs: &[(&str, &str)],
        first: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Score>> {
        let batch = self.next_batch(pairs.get(first..).unwrap_or_default())?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let packed = Batch::new(&batch);
        let logits = self.model.run(&packed, stop).await?;
        let finite = |logits: &Vec<f32>| logits.iter().all(|logit| logit.is_finite());
        if !finite(&logits[0]) {
            let at_fault = format!("pair {first}");
            return Err(match self.model.why_not_finite(&Batch::new(&batch[..1])).await? {
                Some(why) => {
                    let what = format!("its score came out as {:?}: {why}", logits[0]);
                    Error::new(ErrorKind::NotFinite, at_fault, what)
                }
                None => Error::new(ErrorKind::Gpu, at_fault, "the driver lost a part of its work"),
            });
        }
        let scores = logits.into_iter().take_while(finite).zip(&batch).map(|(logits, pair)| {
            Score { logits, tokens: pair.ids.len(), truncated: pair.truncated }
        });
        Ok(scores.collect())
    }

    /// The first of `pairs` that fit into a batch together; at least one if there is one.
    fn next_batch(&self, pairs: &[(&str, &str)]) -> Result<Vec<Encoded>> {
        let mut batch: Vec<Encoded> = Vec::new();
        let mut tokens = 0;
        for &(instruction, response) in pairs {
            let pair = match self.encode(instruction, response) {
                Err(_) if !batch.is_empty() => break,
                pair => pair?,
            };
            tokens += pair.ids.len();
            if Batch::is_full(batch.len(), tokens, self.info.batch_tokens) {
                let (instruction, response) = (instruction.to_owned(), response.to_owned());
                self.next.replace(Some(Tokenized { instruction, response, pair }));
                break;
            }
            batch.push(pair);
        }
        Ok(batch)
    }

    /// The tokens of a pair, which may be the one that did not fit the last batch.
    fn encode(&self, instruction: &str, response: &str) -> Result<Encoded> {
        match self.next.take() {
            Some(next) if next.instruction == instruction && next.response == response => {
                Ok(next.pair)
            }
            _ => self.tokenizer.encode_pair(instruction, response),
        }
    }
}

#[cfg(feature = "gpu")]
fn default_backend() -> Result<&'static dyn Backend> {
    Ok(&crate::GpuBackend)
}

#[cfg(not(feature = "gpu"))]
fn default_backend() -> Result<&'static dyn Backend> {
    let what = "is not given, and this build has no GPU (feature \"gpu\")";
    Err(Error::new(ErrorKind::Input, "backend", what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_that_does_not_fit_a_batch_is_tokenized_once() {
        pollster::block_on(async {
            let options = LoadOptions { batch_tokens: Some(1), ..LoadOptions::default() };
            let scorer = Scorer::load(ModelSource::Embedded, options).await.unwrap();
            let long = "Name the animal that barks. ".repeat(60);
            let pairs = [(long.as_str(), "dog"), (long.as_str(), "cat"), ("Name an animal.", "ox")];
            let expected = scorer.score(&pairs).await.unwrap();
            let first = scorer.score_batch(&pairs, 0, &|| false).await.unwrap();
            assert_eq!(first, expected[..1]);
            // What is kept of the second pair is taken when its turn comes, whatever it is by then.
            let other = scorer.tokenizer.encode_pair(pairs[2].0, pairs[2].1).unwrap();
            scorer.next.borrow_mut().as_mut().unwrap().pair = other;
            let second = scorer.score_batch(&pairs, 1, &|| false).await.unwrap();
            assert_eq!(second[0], expected[2]);
            // Another pair than the one that is kept is tokenized.
            scorer.score_batch(&pairs, 0, &|| false).await.unwrap();
            let third = scorer.score_batch(&pairs, 2, &|| false).await.unwrap();
            assert_eq!(third, expected[2..]);
        });
    }
}
