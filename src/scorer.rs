//! Load a model, score pairs with it.

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::Serialize;

use crate::batch::Batch;
#[cfg(not(target_arch = "wasm32"))]
use crate::checkpoint::MemoryFiles;
use crate::checkpoint::{Checkpoint, Files, RandomProfile, WeightFormat, read_all, tensor_shapes};
use crate::config::Config;
use crate::encoder::Encoder;
#[cfg(feature = "cpu")]
use crate::engine::Device;
use crate::engine::{Engine, Started};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{AdapterSummary, Dtype, Gpu};
use crate::ops::Choice;
use crate::tokenizer::{CrossEncoder, Encoded, Tokenizer};
use crate::tune::{Tuned, tune};

/// Tokens of a batch at the most, unless the caller says more. Larger ones are no faster.
const MOST_DEFAULT_TOKENS: usize = 4096;

/// A batch should take about this long, or several pairs on a slow adapter would come at once and
/// late.
const BATCH_SECONDS: f64 = 1.0;

/// The most tokens of a batch: kernels number their rows by workgroup, 65,535 at the most.
const MAX_BATCH_TOKENS: usize = 32_768;

/// Activations of the default batch take at most this many bytes of GPU memory.
const MAX_ACTIVATION_BYTES: u64 = 104 << 20;

/// A config larger than this is no config.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// Where a model comes from.
#[non_exhaustive]
pub enum ModelSource {
    /// The small model inside this library. The npm package has it as files beside the code.
    #[cfg(not(target_arch = "wasm32"))]
    Embedded,
    /// A folder with `config.json`, weights and tokenizer.
    Directory(PathBuf),
    /// `owner/name` or `owner/name@revision` on the hub, kept in the usual cache folder.
    Hub(String),
    /// Files by name from anywhere else.
    Files(Box<dyn Files>),
    /// Random weights of a shape, for tests and benchmarks.
    Random {
        /// The shape.
        config: Config,
        /// Its tokenizer.
        tokenizer: Tokenizer,
        /// Weights of one seed are always the same.
        seed: u32,
        /// How the weights are spread.
        profile: RandomProfile,
    },
}

impl ModelSource {
    /// A folder if `model` is one or is written as a path (`./m`, `/m`), else a hub id.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn parse(model: &str) -> ModelSource {
        let path = PathBuf::from(model);
        if path.is_dir() || path.is_absolute() || model.starts_with('.') {
            ModelSource::Directory(path)
        } else {
            ModelSource::Hub(model.into())
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            #[cfg(not(target_arch = "wasm32"))]
            ModelSource::Embedded => "cappy-mini (embedded)".into(),
            ModelSource::Directory(path) => path.display().to_string(),
            ModelSource::Hub(id) => id.clone(),
            ModelSource::Files(files) => files.describe(),
            ModelSource::Random { seed, .. } => format!("random weights of seed {seed}"),
        }
    }
}

/// How to load a model.
#[derive(Default)]
pub struct LoadOptions<'a> {
    /// Where to compute.
    #[cfg(feature = "cpu")]
    pub device: Device,
    /// What the CPU multiplies, where it computes; by default the fastest that keeps the weights
    /// as they are.
    #[cfg(feature = "cpu")]
    pub numbers: Option<crate::cpu::Numbers>,
    /// How kernels read f16 numbers.
    pub dtype: Dtype,
    /// How matrices are held on the GPU; those that are stored otherwise are rounded to it while
    /// they stream. By default as they are stored. The CPU takes q8 and q4 for q8, and everything
    /// else, also where it is stored in fewer bits, for f16.
    pub weights: Option<WeightFormat>,
    /// The most tokens computed at once. More needs more memory and is faster up to a point.
    /// Raised to the longest pair, lowered to 32,768. Scores do not depend on it.
    pub batch_tokens: Option<usize>,
    /// The name of a matmul variant that is to run everything, instead of the ones that measuring
    /// on the adapter finds fastest; see [`crate::ops::matmul::VARIANTS`].
    pub kernel: Option<&'a str>,
    /// [`Info::tuning`] of an earlier load. Where adapter, driver and version are the same, its
    /// choice of kernels, and of GPU or CPU, is taken and nothing is measured.
    pub tuning: Option<&'a str>,
    /// What adaptation changes of the model, in the files of a `peft` adapter; see
    /// [`Checkpoint::with_adapter`].
    pub adaptation: Option<Box<dyn Files>>,
    /// The least invocations of a subgroup, where the page has asked for subgroups: wgpu cannot.
    #[cfg(target_arch = "wasm32")]
    pub subgroup_size: u32,
    /// Told how far loading is.
    pub progress: Option<&'a mut dyn FnMut(Progress)>,
}

/// How far loading is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A file comes from the hub.
    Download {
        /// Its name.
        file: String,
        /// Bytes of it that are here.
        bytes: u64,
        /// Its size.
        total: u64,
    },
    /// Weights go to the GPU.
    Load {
        /// Bytes of weights that are there.
        bytes: u64,
        /// Bytes of all weights.
        total: u64,
    },
}

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
    #[cfg(feature = "cpu")]
    pub cpu_bytes: u64,
    /// The adapter it runs on. Its backend is `cpu` where that is none.
    pub adapter: AdapterSummary,
    /// How kernels read f16 numbers there. The CPU's are `f32`, whatever the weights are.
    pub dtype: Dtype,
    /// How its matrices are held. The CPU holds them in f16 or finer, or in q8.
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
    engine: Engine,
    tokenizer: Tokenizer,
    info: Info,
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
        let model = source.describe();
        let Opened { config, cross_encoder, tokenizer, mut checkpoint, .. } =
            open(source, progress).await?;
        let adaptation = options.adaptation.take();
        if let Some(files) = &adaptation {
            checkpoint = checkpoint.with_adapter(&**files, &config).await?;
        }
        let total = checkpoint.file_bytes();
        let mut loaded = |bytes: u64| progress(Progress::Load { bytes: bytes.min(total), total });
        #[cfg(feature = "cpu")]
        let started = Started::new(&options, &checkpoint, &config, &mut loaded).await?;
        #[cfg(not(feature = "cpu"))]
        let started =
            Started::on_gpu(&options, &checkpoint, &config, &mut loaded, async |_, _| Ok(()))
                .await?;
        loaded(total);

        let shapes = tensor_shapes(&config);
        let info = Info {
            model,
            adaptation: adaptation.map(|files| files.describe()),
            format: checkpoint.format().to_owned(),
            parameters: shapes.iter().map(|(_, s)| s.iter().product::<usize>() as u64).sum(),
            file_bytes: total,
            gpu_bytes: started.gpu_bytes,
            #[cfg(feature = "cpu")]
            cpu_bytes: started.cpu_bytes,
            adapter: started.adapter,
            dtype: started.dtype,
            weights: started.weights,
            note: started.note,
            batch_tokens: started.batch_tokens,
            kernels: started.kernels,
            tuning_seconds: started.tuning_seconds,
            tuning: started.tuning,
            output: cross_encoder.output(&config),
            max_tokens: tokenizer.max_tokens(),
            config,
        };
        Ok(Scorer { engine: started.engine, tokenizer, info })
    }

    /// What was loaded and how it runs.
    pub fn info(&self) -> &Info {
        &self.info
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
        let logits = self.engine.logits(&batch, stop).await?;
        let finite = |logits: &Vec<f32>| logits.iter().all(|logit| logit.is_finite());
        if !finite(&logits[0]) {
            let at_fault = format!("pair {first}");
            return Err(match self.engine.why_not_finite(&batch[0]).await? {
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
        for (instruction, response) in pairs {
            let pair = match self.tokenizer.encode_pair(instruction, response) {
                Err(_) if !batch.is_empty() => break,
                pair => pair?,
            };
            tokens += pair.ids.len();
            if Batch::is_full(batch.len(), tokens, self.info.batch_tokens) {
                break;
            }
            batch.push(pair);
        }
        Ok(batch)
    }
}

/// Opens the GPU, chooses kernels, and proves that they compute a small known model right. Where
/// they do not, and the caller leaves the choice, the plainest kernels are taken in f32, and the
/// reason given.
pub(crate) async fn open_proven(
    options: &LoadOptions<'_>,
    format: WeightFormat,
    prove: impl AsyncFn(&Gpu, &Tuned) -> Result<()>,
) -> Result<(Gpu, Tuned, Option<String>)> {
    #[cfg_attr(not(target_arch = "wasm32"), expect(unused_mut))]
    let mut gpu = Gpu::open(options.dtype).await?;
    #[cfg(target_arch = "wasm32")]
    gpu.grant_subgroups(options.subgroup_size);
    // The line after it says which of GPU and CPU is faster.
    let tuning = options.tuning.and_then(|text| text.split('\n').next());
    let tried = async {
        let tuned = tune(&gpu, format, options.kernel, tuning).await?;
        prove(&gpu, &tuned).await?;
        Ok::<_, Error>(tuned)
    };
    match tried.await {
        Ok(tuned) => Ok((gpu, tuned, None)),
        // A shader that does not compile, or computes something else.
        Err(why) if options.dtype == Dtype::Auto && why.kind() == ErrorKind::Gpu => {
            drop(gpu);
            let gpu = Gpu::open(Dtype::F32).await?;
            let tuned = tune(&gpu, format, Some(Choice::safe().many.name), None).await?;
            prove(&gpu, &tuned).await?;
            let note = format!("faster kernels were given up for plain ones in f32: {why}");
            Ok((gpu, tuned, Some(note)))
        }
        Err(why) => Err(why),
    }
}

/// Tokens of a batch: what the caller asks for, else what the adapter gets through in about
/// [`BATCH_SECONDS`], as far as memory allows.
pub(crate) fn batch_tokens(tuned: &Tuned, config: &Config, asked: Option<usize>) -> usize {
    let longest = config.max_tokens();
    let tokens = asked.unwrap_or_else(|| {
        let mut tokens = MOST_DEFAULT_TOKENS;
        let seconds = |tokens| Encoder::flops(config, tokens) / tuned.flops_per_second;
        while tokens > longest
            && (seconds(tokens) > BATCH_SECONDS
                || Encoder::activation_bytes(config, &tuned.choice, tokens) > MAX_ACTIVATION_BYTES)
        {
            tokens /= 2;
        }
        tokens
    });
    tokens.clamp(longest, MAX_BATCH_TOKENS)
}

/// A model whose small files were read.
pub(crate) struct Opened {
    pub config: Config,
    pub cross_encoder: CrossEncoder,
    pub tokenizer: Tokenizer,
    pub checkpoint: Checkpoint,
    /// Where it came from, unless it is random.
    #[cfg_attr(not(feature = "adapt"), expect(dead_code))]
    pub files: Option<Box<dyn Files>>,
}

pub(crate) async fn open(
    source: ModelSource,
    progress: &mut dyn FnMut(Progress),
) -> Result<Opened> {
    let files: Box<dyn Files> = match source {
        ModelSource::Random { config, tokenizer, seed, profile } => {
            let checkpoint = Checkpoint::random(&config, seed, profile);
            let cross_encoder = CrossEncoder::default();
            return Ok(Opened { config, cross_encoder, tokenizer, checkpoint, files: None });
        }
        ModelSource::Files(files) => files,
        #[cfg(not(target_arch = "wasm32"))]
        ModelSource::Embedded => Box::new(embedded()),
        ModelSource::Directory(path) => directory(path)?,
        ModelSource::Hub(id) => directory(download(&id, progress)?)?,
    };
    let json = read_all(&*files, "config.json", MAX_CONFIG_BYTES)
        .await?
        .ok_or_else(|| Error::new(ErrorKind::NotFound, files.describe(), "has no config.json"))?;
    let config = Config::from_json("config.json", &json)?;
    let cross_encoder = CrossEncoder::read(&*files, &json, &config).await?;
    let tokenizer = Tokenizer::load(&*files, &config).await?;
    let tokenizer = tokenizer.for_cross_encoder(&cross_encoder, &config)?;
    let checkpoint = Checkpoint::open(&*files).await?;
    Ok(Opened { config, cross_encoder, tokenizer, checkpoint, files: Some(files) })
}

/// The model inside this library; `models/cappy-mini/README.md` tells what it is good for.
#[cfg(not(target_arch = "wasm32"))]
fn embedded() -> MemoryFiles {
    MemoryFiles::new("cappy-mini")
        .with("config.json", &include_bytes!("../models/cappy-mini/config.json")[..])
        .with("tokenizer.json", &include_bytes!("../models/cappy-mini/tokenizer.json")[..])
        .with("model.safetensors", &include_bytes!("../models/cappy-mini/model.safetensors")[..])
}

#[cfg(not(target_arch = "wasm32"))]
fn directory(path: PathBuf) -> Result<Box<dyn Files>> {
    if !path.is_dir() {
        let why = "is no folder";
        return Err(Error::new(ErrorKind::NotFound, path.display().to_string(), why));
    }
    Ok(Box::new(crate::checkpoint::Directory::new(path)))
}

#[cfg(target_arch = "wasm32")]
fn directory(path: PathBuf) -> Result<Box<dyn Files>> {
    let why = "a browser has no folders; give files";
    Err(Error::new(ErrorKind::Input, path.display().to_string(), why))
}

#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
fn download(id: &str, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf> {
    use crate::checkpoint::hub;
    hub::download(id, &hub::HubOptions::from_env()?, &mut |download| {
        progress(Progress::Download {
            file: download.file.to_owned(),
            bytes: download.bytes,
            total: download.total,
        });
    })
}

#[cfg(not(all(feature = "hub", not(target_arch = "wasm32"))))]
fn download(id: &str, _: &mut dyn FnMut(Progress)) -> Result<PathBuf> {
    let why = "is no folder, and this build has no hub (feature \"hub\")";
    Err(Error::new(ErrorKind::NotFound, id, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_state_allocates_nothing() {
        pollster::block_on(async {
            let options = LoadOptions { device: Device::Gpu, ..LoadOptions::default() };
            let scorer = Scorer::load(ModelSource::Embedded, options).await.unwrap();
            let long = "Name the animal that barks. ".repeat(40);
            let pairs = [("Name an animal.", "dog"), (long.as_str(), "cat"), ("", "")];
            // The longest first: it decides how many parameters there is room for.
            scorer.score(&pairs).await.unwrap();
            scorer.score(&pairs[..1]).await.unwrap();
            let Engine::Gpu { gpu, .. } = &scorer.engine else { panic!("is not on the GPU") };
            let made = gpu.made();
            for count in [1, 3, 2, 1] {
                scorer.score(&pairs[..count]).await.unwrap();
            }
            assert_eq!(gpu.made(), made);
        });
    }

    #[test]
    fn f16_that_computes_wrongly_is_given_up_for_f32() {
        let wrong = |_: &Gpu| Err(Error::new(ErrorKind::Gpu, "self-test", "wrong"));
        let open = |dtype, fails: fn(Dtype) -> bool| {
            let options = LoadOptions { dtype, ..LoadOptions::default() };
            pollster::block_on(open_proven(&options, WeightFormat::F16, async |gpu: &Gpu, _| {
                if fails(gpu.dtype()) { wrong(gpu) } else { Ok(()) }
            }))
        };
        let (gpu, _, note) = open(Dtype::Auto, |_| false).unwrap();
        assert_eq!((gpu.dtype(), note), (Dtype::F16, None));
        let (gpu, _, note) = open(Dtype::Auto, |dtype| dtype == Dtype::F16).unwrap();
        assert_eq!(gpu.dtype(), Dtype::F32);
        assert_eq!(
            note.unwrap(),
            "faster kernels were given up for plain ones in f32: self-test: wrong"
        );
        // Who asks for f16 gets f16 or nothing, and nobody gets what fails both ways.
        assert!(open(Dtype::F16, |dtype| dtype == Dtype::F16).is_err());
        assert!(open(Dtype::Auto, |_| true).is_err());
    }
}
