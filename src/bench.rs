//! How fast a shape runs on the adapter at hand, against the peak that the same run measures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use serde::Serialize;

use crate::batch::Batch;
use crate::checkpoint::{Checkpoint, RandomProfile, tensor_shapes};
use crate::config::Config;
use crate::encoder::Encoder;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{AdapterSummary, Dtype, Gpu, Plan};
use crate::ops::multiply_add::{LANES, multiply_add};
use crate::tokenizer::Encoded;
use crate::tune::tune;

/// Tokens of each pair in the batch: an instruction and an answer of a few sentences.
const PAIR_TOKENS: usize = 128;

/// Runs of the batch at the most, and seconds after which no further one is begun; the median
/// counts.
const MOST_RUNS: usize = 9;
const MOST_SECONDS: f64 = 30.0;

/// A measurement of the peak takes at least this long, so that its start does not count.
const PEAK_SECONDS: f64 = 0.1;

/// A model shape with random weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// 4 layers of 256.
    Mini,
    /// 12 layers of 768, as RoBERTa-base.
    Base,
    /// 24 layers of 1024, as RoBERTa-large and Cappy-large.
    Large,
}

impl Shape {
    /// The config of the shape.
    pub fn config(self) -> Config {
        let (num_hidden_layers, hidden_size, num_attention_heads, vocab_size) = match self {
            Shape::Mini => (4, 256, 4, 8192),
            Shape::Base => (12, 768, 12, 50_265),
            Shape::Large => (24, 1024, 16, 50_265),
        };
        Config {
            vocab_size,
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            intermediate_size: 4 * hidden_size,
            max_position_embeddings: 514,
            type_vocab_size: 1,
            layer_norm_eps: 1e-5,
            pad_token_id: 1,
            labels: vec!["LABEL_0".into()],
        }
    }
}

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The shape.
    pub shape: Shape,
    /// How kernels read f16 numbers.
    pub dtype: Dtype,
    /// Tokens of the batch, rounded up to whole pairs of 128; by default 4,096 on a GPU and 256
    /// on a software adapter.
    pub tokens: Option<usize>,
}

/// What was measured. Seconds are wall time unless they are a kernel's.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The shape.
    pub shape: Shape,
    /// How many numbers its weights are.
    pub parameters: u64,
    /// The adapter it ran on.
    pub adapter: AdapterSummary,
    /// How kernels read f16 numbers there.
    pub dtype: Dtype,
    /// Tokens of the batch, in pairs of 128.
    pub tokens: usize,
    /// Making random weights and bringing them to the GPU.
    pub load_seconds: f64,
    /// The first batch, with the compilation of every pipeline.
    pub first_seconds: f64,
    /// How often the batch and the single pair ran after that.
    pub runs: usize,
    /// The batch again, median.
    pub seconds: f64,
    /// Of those runs, the fastest and the slowest.
    pub seconds_range: [f64; 2],
    /// Tokens a second.
    pub tokens_per_second: f64,
    /// Billions of multiplications and additions a second.
    pub gflops: f64,
    /// The same of a kernel that does nothing else.
    pub peak_gflops: f64,
    /// Scoring one pair of 128 tokens, median.
    pub one_pair_seconds: f64,
    /// Time by what the steps do; empty where the adapter has no timestamps.
    pub kernels: Vec<KernelTime>,
}

/// All steps of one label together.
#[derive(Debug, Clone, Serialize)]
pub struct KernelTime {
    /// What they do in the model.
    pub label: &'static str,
    /// The kernel that does it.
    pub kernel: &'static str,
    /// How often it ran.
    pub dispatches: usize,
    /// GPU time of all of them.
    pub seconds: f64,
    /// Billions of multiplications and additions a second.
    pub gflops: f64,
    /// Billions of bytes a second, every input read once and every output written once.
    pub gbytes_per_second: f64,
}

/// Measures. `progress` is told what is being done.
///
/// # Errors
/// As [`crate::Scorer::load`].
pub async fn run(options: Options, progress: &mut dyn FnMut(&str)) -> Result<Report> {
    let gpu = Gpu::open(options.dtype).await?;
    let config = options.shape.config();
    let default = if gpu.is_software() { 256 } else { 4096 };
    let tokens = options.tokens.unwrap_or(default).max(1).next_multiple_of(PAIR_TOKENS);

    progress("measuring the multiply-add peak");
    let peak_gflops = peak(&gpu).await?;

    progress("choosing kernels");
    let tuned = tune(&gpu, None, None).await?;

    progress("making random weights");
    let start = Instant::now();
    let checkpoint = Checkpoint::random(&config, 1, RandomProfile::Plain);
    let encoder =
        Encoder::load(&gpu, &checkpoint, &config, tuned.choice, tokens, &mut |_| {}).await?;
    let load_seconds = start.elapsed().as_secs_f64();

    progress("compiling and running the first batch");
    let batch = Batch::new(&pairs(&config, tokens / PAIR_TOKENS));
    let first_seconds = time(&gpu, &encoder, &batch).await?;
    let mut seconds = Vec::new();
    let mut one_pair = Vec::new();
    let single = Batch::new(&pairs(&config, 1));
    let start = Instant::now();
    while seconds.len() < MOST_RUNS
        && (seconds.is_empty() || start.elapsed().as_secs_f64() < MOST_SECONDS)
    {
        progress(&format!("running the batch, {} of {MOST_RUNS}", seconds.len() + 1));
        seconds.push(time(&gpu, &encoder, &batch).await?);
        one_pair.push(time(&gpu, &encoder, &single).await?);
    }
    seconds.sort_by(f64::total_cmp);
    one_pair.sort_by(f64::total_cmp);
    let runs = seconds.len();
    let median = seconds[runs / 2];

    progress("timing each kernel");
    let plan = encoder.plan(&batch)?;
    encoder.upload(&gpu, &batch).await?;
    let kernels =
        if gpu.adapter().timestamps { kernel_times(&gpu, &plan).await? } else { Vec::new() };
    Ok(Report {
        shape: options.shape,
        parameters: tensor_shapes(&config)
            .iter()
            .map(|(_, shape)| shape.iter().product::<usize>() as u64)
            .sum(),
        adapter: gpu.adapter().clone(),
        dtype: gpu.dtype(),
        tokens,
        load_seconds,
        first_seconds,
        runs,
        seconds: median,
        seconds_range: [seconds[0], seconds[runs - 1]],
        tokens_per_second: tokens as f64 / median,
        gflops: plan.work().flops as f64 / median / 1e9,
        peak_gflops,
        one_pair_seconds: one_pair[runs / 2],
        kernels,
    })
}

/// `count` pairs of [`PAIR_TOKENS`] tokens. Which tokens they are makes no difference to the time.
fn pairs(config: &Config, count: usize) -> Vec<Encoded> {
    let offset = config.pad_token_id + 1;
    (0..count)
        .map(|pair| Encoded {
            ids: (0..PAIR_TOKENS)
                .map(|i| ((pair * 7919 + i * 104_729) % config.vocab_size) as u32)
                .collect(),
            position_ids: (0..PAIR_TOKENS as u32).map(|i| i + offset).collect(),
            truncated: 0,
        })
        .collect()
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

/// GFLOP/s of the best of a few runs that are long enough.
async fn peak(gpu: &Gpu) -> Result<f64> {
    let workgroups = if gpu.is_software() { 64 } else { 8192 };
    let out = gpu.buffer("peak", u64::from(workgroups * LANES) * 16)?;
    let mut rounds = 256;
    let mut best = 0.0f64;
    let mut long_enough = 0;
    while long_enough < 3 {
        let plan = Plan { steps: vec![multiply_add(workgroups, rounds, 0.5, &out)?] };
        gpu.finish().await?;
        let start = Instant::now();
        gpu.run(&plan, &|| false).await?;
        gpu.finish().await?;
        let seconds = start.elapsed().as_secs_f64();
        if seconds < PEAK_SECONDS && rounds < 1 << 28 {
            rounds *= 2;
            continue;
        }
        best = best.max(plan.work().flops as f64 / seconds / 1e9);
        long_enough += 1;
    }
    Ok(best)
}

async fn kernel_times(gpu: &Gpu, plan: &Plan) -> Result<Vec<KernelTime>> {
    let times = gpu.run_timed(plan).await?;
    let mut sums: BTreeMap<&str, (usize, KernelTime, u64, u64)> = BTreeMap::new();
    for (index, (step, time)) in plan.steps.iter().zip(&times).enumerate() {
        let fresh = || {
            let time = KernelTime {
                label: step.label,
                kernel: step.kernel.name,
                dispatches: 0,
                seconds: 0.0,
                gflops: 0.0,
                gbytes_per_second: 0.0,
            };
            (index, time, 0, 0)
        };
        let (_, sum, flops, bytes) = sums.entry(step.label).or_insert_with(fresh);
        sum.dispatches += 1;
        sum.seconds += time.seconds;
        *flops += step.work.flops;
        *bytes += step.work.bytes;
    }
    // In the order in which they first run.
    let mut sums: Vec<_> = sums.into_values().collect();
    sums.sort_by_key(|(index, ..)| *index);
    Ok(sums
        .into_iter()
        .map(|(_, time, flops, bytes)| KernelTime {
            gflops: flops as f64 / time.seconds / 1e9,
            gbytes_per_second: bytes as f64 / time.seconds / 1e9,
            ..time
        })
        .collect())
}

impl Report {
    /// The report as people read it.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let shape = format!("{:?}", self.shape).to_lowercase();
        let dtype = format!("{:?}", self.dtype).to_lowercase();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{shape}: {:.1} M random weights, {dtype}, {} tokens in pairs of {PAIR_TOKENS}\n\
             on {} ({}, {})\n\n\
             load            {:10.2} s\n\
             first batch     {:10.2} s   with compilation\n\
             batch           {:10.3} s   median of {}, {:.3} to {:.3}\n\
             one pair        {:10.3} s   median of {}\n\
             tokens          {:10.0} /s\n\
             arithmetic      {:10.1} GFLOP/s\n\
             peak            {:10.1} GFLOP/s   multiply-adds in registers, f32\n\
             share of peak   {:10.1} %\n",
            self.parameters as f64 / 1e6,
            self.tokens,
            self.adapter.name,
            self.adapter.backend,
            self.adapter.driver,
            self.load_seconds,
            self.first_seconds,
            self.seconds,
            self.runs,
            self.seconds_range[0],
            self.seconds_range[1],
            self.one_pair_seconds,
            self.runs,
            self.tokens_per_second,
            self.gflops,
            self.peak_gflops,
            100.0 * self.gflops / self.peak_gflops,
        );
        if self.kernels.is_empty() {
            text.push_str("This adapter cannot time single kernels.\n");
            return text;
        }
        let all: f64 = self.kernels.iter().map(|kernel| kernel.seconds).sum();
        let _ = writeln!(
            text,
            "{:<16}{:<12}{:>6}{:>11}{:>8}{:>10}{:>8}{:>9}",
            "step", "kernel", "runs", "ms", "share", "GFLOP/s", "peak", "GB/s"
        );
        for kernel in &self.kernels {
            let _ = writeln!(
                text,
                "{:<16}{:<12}{:>6}{:>11.3}{:>7.1}%{:>10.1}{:>7.1}%{:>9.2}",
                kernel.label,
                kernel.kernel,
                kernel.dispatches,
                kernel.seconds * 1e3,
                100.0 * kernel.seconds / all,
                kernel.gflops,
                100.0 * kernel.gflops / self.peak_gflops,
                kernel.gbytes_per_second,
            );
        }
        text
    }
}
