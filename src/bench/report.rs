//! What was measured, as it is written to JSON.

use serde::Serialize;

use super::kernels::{KernelTime, KernelTimer};
use super::lengths::LengthTime;
use super::peaks::Peaks;
use super::scaling::Scaling;
use super::{Dtype, Shape};
use crate::batch::Batch;
use crate::checkpoint::WeightFormat;
use crate::gpu::AdapterSummary;

/// The number of this format of reports. A later one that cannot be compared has another.
pub(super) const FORMAT: u32 = 1;

/// What was measured. Seconds are wall time unless they are a kernel's; a bandwidth counts bytes
/// read and bytes written; GFLOP count multiplications and additions.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The format of this report.
    pub cappy_bench: u32,
    /// The version of this crate.
    pub version: &'static str,
    /// The shape.
    pub shape: Shape,
    /// How many numbers its weights are.
    pub parameters: u64,
    /// Bytes of the weights that every batch reads: all but the embedding tables.
    pub weight_bytes: u64,
    /// Reading them once at [`Peaks::copy`].
    pub weights_read_seconds: f64,
    /// Bytes of GPU memory, weights and activations.
    pub gpu_bytes: u64,
    /// The adapter it ran on.
    pub adapter: AdapterSummary,
    /// How kernels read f16 numbers there.
    pub dtype: Dtype,
    /// How matrices are held.
    pub weights: WeightFormat,
    /// Tokens of the batch, in pairs of 128.
    pub tokens: usize,
    /// The variants of matmul that ran, by name.
    pub kernels: String,
    /// Seconds that choosing them took.
    pub tuning_seconds: f64,
    /// How long it takes to learn that the GPU has nothing left to do.
    pub wait_seconds: f64,
    /// Making random weights and bringing them to the GPU.
    pub load_seconds: f64,
    /// The first batch, with the compilation of every pipeline.
    pub first_seconds: f64,
    /// What kernels that do one thing only reach.
    pub peaks: Peaks,
    /// Where the times of single kernels come from.
    pub kernel_timer: KernelTimer,
    /// The batch, and one pair of 128 tokens.
    pub workloads: Vec<Workload>,
    /// How the time grows with the number of candidates, where that was asked for.
    pub scaling: Option<Scaling>,
    /// How time and memory grow with the length of one pair, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lengths: Option<Vec<LengthTime>>,
}

/// Pairs that are scored together, after everything was compiled.
#[derive(Debug, Clone, Serialize)]
pub struct Workload {
    /// What to call it.
    pub name: &'static str,
    /// How many pairs.
    pub pairs: usize,
    /// Their tokens.
    pub tokens: usize,
    /// From the pairs on the host to their scores on the host: the median.
    pub seconds: f64,
    /// Each of the runs, in the order in which they were made.
    pub samples: Vec<f64>,
    /// Tokens a second.
    pub tokens_per_second: f64,
    /// Multiplications and additions of all kernels.
    pub flops: u64,
    /// Billions of them a second.
    pub gflops: f64,
    /// That as a share of [`Peaks::multiply_add_stored`].
    pub share: f64,
    /// The longest submission to the GPU, which is how long a page may have to wait for it; only
    /// where the GPU tells the time of each dispatch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_submission_seconds: Option<f64>,
    /// Time by what the steps do, in the order in which they first run.
    pub kernels: Vec<KernelTime>,
}

/// The median of `samples`, of which there is at least one.
pub(super) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        (sorted[half - 1] + sorted[half]) / 2.0
    } else {
        sorted[half]
    }
}

impl Workload {
    pub(super) fn new(
        name: &'static str,
        batch: &Batch,
        flops: u64,
        samples: Vec<f64>,
        (kernels, longest_submission_seconds): (Vec<KernelTime>, Option<f64>),
        peaks: &Peaks,
    ) -> Workload {
        let seconds = median(&samples);
        let gflops = flops as f64 / seconds / 1e9;
        Workload {
            name,
            pairs: batch.pairs(),
            tokens: batch.tokens(),
            tokens_per_second: batch.tokens() as f64 / seconds,
            flops,
            gflops,
            share: gflops / peaks.multiply_add_stored.best,
            seconds,
            samples,
            longest_submission_seconds,
            kernels,
        }
    }
}
