//! How fast a shape runs on the adapter at hand, held against the peaks that the same run measures.

mod compare;
mod kernels;
mod lengths;
mod peaks;
mod report;
mod scaling;
mod shape;
mod table;

use std::ops::ControlFlow;

use web_time::Instant;

use crate::batch::Batch;
use crate::checkpoint::{Checkpoint, RandomProfile, WeightFormat, tensor_shapes};
use crate::config::Config;
use crate::encoder::Encoder;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Dtype, Gpu};
use crate::gpu_backend::batch_tokens;
use crate::tokenizer::Encoded;
use crate::tune::tune;

pub use compare::{Baseline, Change, Comparison};
pub use kernels::{Bound, KernelTime, KernelTimer};
pub use lengths::LengthTime;
pub use peaks::{Peak, Peaks};
pub use report::{Report, Workload};
pub use scaling::{Scaling, SetTime};
pub use shape::Shape;

/// Tokens of each pair in the batch: an instruction and an answer of a few sentences.
const PAIR_TOKENS: usize = 128;

/// Runs of the batch at the least and at the most, and seconds after which no further one is
/// begun; the median counts.
const LEAST_RUNS: usize = 3;
const MOST_RUNS: usize = 9;
const MOST_SECONDS: f64 = 20.0;

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The shape.
    pub shape: Shape,
    /// How kernels read f16 numbers.
    pub dtype: Dtype,
    /// How matrices are held.
    pub weights: WeightFormat,
    /// Tokens of the batch, rounded up to whole pairs of 128; by default 4,096 on a GPU and 256
    /// on a software adapter.
    pub tokens: Option<usize>,
    /// Whether to measure how the time grows with the number of candidates, too.
    pub scaling: bool,
    /// Whether to measure how the time grows with the length of one pair, too.
    pub lengths: bool,
    /// Whether the adapter is a CPU that runs shaders. Native adapters say so themselves.
    pub software: bool,
    /// The matmul kernel that is to run everything; by default those that measuring finds.
    pub kernel: Option<&'a str>,
}

/// Tells the caller how far it is, and gives up when the caller says so.
struct Teller<'a>(&'a mut dyn FnMut(&str, f64) -> ControlFlow<()>);

impl Teller<'_> {
    fn say(&mut self, what: &str, share: f64) -> Result<()> {
        if (self.0)(what, share).is_continue() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Aborted, "the measurement", "the caller stopped the work"))
    }
}

/// Measures. `progress` is told what is being done and which share of the whole is done, from 0 to
/// 1, and ends the work by [`ControlFlow::Break`].
///
/// # Errors
/// As [`crate::Scorer::load`], and [`ErrorKind::Aborted`] once `progress` has said so.
pub async fn run(
    options: Options<'_>,
    progress: &mut dyn FnMut(&str, f64) -> ControlFlow<()>,
) -> Result<Report> {
    let mut tell = Teller(progress);
    tell.say("opening the adapter", 0.0)?;
    let gpu = Gpu::open(options.dtype).await?;
    let config = options.shape.config()?;
    tell.say("choosing kernels", 0.0)?;
    let tuned = tune(&gpu, options.weights, options.kernel, None).await?;
    let software = options.software || tuned.choice.is_software();
    let tokens = tokens(&gpu, &options);
    let budget = batch_tokens(&tuned, &config, None);
    let room = if options.scaling { tokens.max(budget) } else { tokens };

    let clock = peaks::Clock::new(&gpu, tuned.flops_per_second).await?;
    let peaks = peaks::measure(&gpu, software, &clock, &mut tell).await?;

    tell.say("making random weights", 0.1)?;
    let before = gpu.allocated_bytes();
    let start = Instant::now();
    let checkpoint = Checkpoint::random(&config, 1, RandomProfile::Plain);
    let total = checkpoint.file_bytes().max(1) as f64;
    let mut stopped = Ok(());
    let mut loaded = |bytes: u64| {
        if stopped.is_ok() {
            let share = (bytes as f64 / total).min(1.0);
            stopped = tell.say("making random weights", 0.1 + 0.3 * share);
        }
    };
    let (choice, weights) = (tuned.choice, Some(options.weights));
    let encoder =
        Encoder::load(&gpu, &checkpoint, &config, choice, weights, room, &mut loaded).await?;
    stopped?;
    gpu.finish().await?;
    let load_seconds = start.elapsed().as_secs_f64();
    let gpu_bytes = gpu.allocated_bytes() - before;

    tell.say("compiling and running the first batch", 0.4)?;
    let batch = Batch::new(&pairs(&config, &vec![PAIR_TOKENS; tokens / PAIR_TOKENS]));
    let single = Batch::new(&pairs(&config, &[PAIR_TOKENS]));
    let first_seconds = time(&gpu, &encoder, &batch).await?;
    let (mut seconds, mut one_pair) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while seconds.len() < LEAST_RUNS
        || (seconds.len() < MOST_RUNS && start.elapsed().as_secs_f64() < MOST_SECONDS)
    {
        let share = seconds.len() as f64 / MOST_RUNS as f64;
        tell.say("running the batch", 0.45 + 0.2 * share)?;
        seconds.push(time(&gpu, &encoder, &batch).await?);
        one_pair.push(time(&gpu, &encoder, &single).await?);
    }

    let meter = kernels::Meter { gpu: &gpu, encoder: &encoder, clock: &clock, peaks: &peaks };
    let mut workloads = Vec::new();
    for (name, batch, samples, share) in
        [("batch", &batch, seconds, 0.65), ("one pair", &single, one_pair, 0.8)]
    {
        let kernels = meter.kernels(batch, share, &mut tell).await?;
        let flops = encoder.plan(batch)?.work().flops;
        workloads.push(Workload::new(name, batch, flops, samples, kernels, &peaks));
    }
    let scaling = if options.scaling {
        Some(scaling::measure(&gpu, &encoder, &config, budget, &mut tell).await?)
    } else {
        None
    };
    let lengths = if options.lengths {
        Some(lengths::measure(&gpu, &encoder, &config, before, &mut tell).await?)
    } else {
        None
    };
    tell.say("done", 1.0)?;

    let numbers = |wanted: fn(&str) -> bool| -> u64 {
        let shapes = tensor_shapes(&config);
        let wanted = shapes.iter().filter(|(name, _)| wanted(name));
        wanted.map(|(_, shape)| shape.iter().product::<usize>() as u64).sum()
    };
    let weight_bytes =
        numbers(|name| !name.contains("embeddings")) * options.weights.bits() as u64 / 8;
    Ok(Report {
        cappy_bench: report::FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        shape: options.shape,
        parameters: numbers(|_| true),
        weight_bytes,
        weights_read_seconds: weight_bytes as f64 / peaks.copy.best / 1e9,
        gpu_bytes,
        adapter: gpu.adapter().clone(),
        dtype: gpu.dtype(),
        weights: options.weights,
        tokens,
        kernels: tuned.choice.describe(),
        tuning_seconds: tuned.seconds,
        wait_seconds: clock.wait,
        load_seconds,
        first_seconds,
        peaks,
        kernel_timer: kernels::timer(&gpu),
        workloads,
        scaling,
        lengths,
    })
}

/// Tokens of the batch, in whole pairs.
fn tokens(gpu: &Gpu, options: &Options<'_>) -> usize {
    let default = if options.software || gpu.is_software() { 256 } else { 4096 };
    options.tokens.unwrap_or(default).max(1).next_multiple_of(PAIR_TOKENS)
}

/// Pairs of so many tokens each. Which tokens they are makes no difference to the time.
fn pairs(config: &Config, lengths: &[usize]) -> Vec<Encoded> {
    let offset = config.first_position() as u32;
    let pair = |(pair, &tokens): (usize, &usize)| Encoded {
        ids: (0..tokens)
            .map(|i| ((pair * 7919 + i * 104_729) % config.vocab_size) as u32)
            .collect(),
        position_ids: (0..tokens as u32).map(|i| i + offset).collect(),
        type_ids: vec![0; tokens],
        truncated: 0,
    };
    lengths.iter().enumerate().map(pair).collect()
}

/// Seconds from the batch on the host to its scores on the host. A score that is no number means
/// that the time is none either.
async fn time(gpu: &Gpu, encoder: &Encoder, batch: &Batch) -> Result<f64> {
    let start = Instant::now();
    let logits = encoder.logits(gpu, batch, &|| false).await?;
    let seconds = start.elapsed().as_secs_f64();
    if logits.len() == batch.pairs() && logits.iter().flatten().all(|logit| logit.is_finite()) {
        return Ok(seconds);
    }
    Err(Error::new(ErrorKind::NotFinite, "bench", "a score came out as no number"))
}
