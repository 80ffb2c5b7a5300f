//! The time of each kernel of a batch, and what bounds it.

use serde::Serialize;
use web_time::Instant;

use super::peaks::{Clock, Peaks};
use super::report::median;
use super::{LEAST_RUNS, MOST_RUNS, MOST_SECONDS, Teller};
use crate::batch::Batch;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::gpu::{Gpu, Plan, Step, Work};

/// Passes over all kernels where each measurement of one is the mean of many runs already.
const REPEATED_PASSES: usize = 3;

/// Where the times of single kernels come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelTimer {
    /// The GPU's timestamps, around each dispatch of a forward pass.
    Timestamps,
    /// The clock on the wall, around many runs of all dispatches with one label. So it is in
    /// browsers, which round timestamps to 65 or 100 microseconds, and without timestamps.
    Repeats,
}

/// What a kernel can at best be limited by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// Its operations at [`Peaks::multiply_add_stored`] take longer than its bytes.
    Arithmetic,
    /// Its bytes at [`Peaks::copy`] take longer than its operations.
    Bandwidth,
}

/// All steps of one label together.
#[derive(Debug, Clone, Serialize)]
pub struct KernelTime {
    /// What they do in the model.
    pub label: &'static str,
    /// The kernel that does it.
    pub kernel: &'static str,
    /// How often it runs.
    pub dispatches: usize,
    /// Multiplications and additions of all of them.
    pub flops: u64,
    /// Bytes of all of them, every input read once and every output written once.
    pub bytes: u64,
    /// GPU time of all of them: the median.
    pub seconds: f64,
    /// Each of the passes.
    pub samples: Vec<f64>,
    /// Billions of multiplications and additions a second.
    pub gflops: f64,
    /// Billions of bytes a second.
    pub gbytes_per_second: f64,
    /// What bounds it.
    pub bound: Bound,
    /// The time that the bound allows, as a share of the time it took. It may lie above 1 where
    /// caches spare memory some of the bytes.
    pub share: f64,
}

/// Where the times of kernels on `gpu` come from.
pub(super) fn timer(gpu: &Gpu) -> KernelTimer {
    if cfg!(target_arch = "wasm32") || !gpu.adapter().timestamps {
        KernelTimer::Repeats
    } else {
        KernelTimer::Timestamps
    }
}

/// What times kernels.
pub(super) struct Meter<'a> {
    pub gpu: &'a Gpu,
    pub encoder: &'a Encoder,
    pub clock: &'a Clock,
    pub peaks: &'a Peaks,
}

impl Meter<'_> {
    /// Times every label of the forward pass of `batch`, and the longest submission where the GPU
    /// tells the time of each dispatch.
    pub async fn kernels(
        &self,
        batch: &Batch,
        share: f64,
        tell: &mut Teller<'_>,
    ) -> Result<(Vec<KernelTime>, Option<f64>)> {
        let plan = self.encoder.plan(batch)?;
        self.encoder.upload(self.gpu, batch).await?;
        let mut labels: Vec<(Vec<Step>, Vec<f64>)> = Vec::new();
        for step in &plan.steps {
            match labels.iter_mut().find(|(steps, _)| steps[0].label == step.label) {
                Some((steps, _)) => steps.push(step.clone()),
                None => labels.push((vec![step.clone()], Vec::new())),
            }
        }
        let mut longest = Vec::new();
        let start = Instant::now();
        let passes = match timer(self.gpu) {
            KernelTimer::Timestamps => MOST_RUNS,
            KernelTimer::Repeats => REPEATED_PASSES,
        };
        for pass in 0..passes {
            if pass >= LEAST_RUNS && start.elapsed().as_secs_f64() > MOST_SECONDS / 2.0 {
                break;
            }
            tell.say("timing each kernel", share + 0.15 * pass as f64 / passes as f64)?;
            match timer(self.gpu) {
                KernelTimer::Timestamps => {
                    longest.push(self.stamped_pass(&plan, &mut labels).await?);
                }
                KernelTimer::Repeats => {
                    for (steps, samples) in &mut labels {
                        samples.extend(self.clock.samples(self.gpu, steps, 1).await?);
                    }
                }
            }
        }
        let summed = |(steps, samples)| self.sum(&Plan { steps }, samples);
        let longest = (!longest.is_empty()).then(|| median(&longest));
        Ok((labels.into_iter().map(summed).collect(), longest))
    }

    #[cfg(not(target_arch = "wasm32"))]
    async fn stamped_pass(&self, plan: &Plan, labels: &mut [(Vec<Step>, Vec<f64>)]) -> Result<f64> {
        let times = self.gpu.run_timed(plan).await?;
        for (steps, samples) in labels {
            let label = steps[0].label;
            let of_label = times.iter().filter(|time| plan.steps[time.step].label == label);
            samples.push(of_label.map(|time| time.seconds).sum());
        }
        let submissions = self.encoder.pace().submissions(plan).into_iter();
        let seconds = submissions.map(|steps| times[steps].iter().map(|time| time.seconds).sum());
        Ok(seconds.fold(0.0, f64::max))
    }

    #[cfg(target_arch = "wasm32")]
    async fn stamped_pass(&self, _: &Plan, _: &mut [(Vec<Step>, Vec<f64>)]) -> Result<f64> {
        Ok(0.0)
    }

    fn sum(&self, plan: &Plan, samples: Vec<f64>) -> KernelTime {
        let Work { flops, bytes } = plan.work();
        let seconds = median(&samples);
        let (flops_seconds, bytes_seconds) = (
            flops as f64 / self.peaks.multiply_add_stored.best / 1e9,
            bytes as f64 / self.peaks.copy.best / 1e9,
        );
        KernelTime {
            label: plan.steps[0].label,
            kernel: plan.steps[0].kernel.name,
            dispatches: plan.steps.len(),
            flops,
            bytes,
            gflops: flops as f64 / seconds / 1e9,
            gbytes_per_second: bytes as f64 / seconds / 1e9,
            bound: if flops_seconds > bytes_seconds { Bound::Arithmetic } else { Bound::Bandwidth },
            share: flops_seconds.max(bytes_seconds) / seconds,
            seconds,
            samples,
        }
    }
}
