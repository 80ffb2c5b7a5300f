//! What the adapter reaches with kernels that do one thing only.

use serde::Serialize;
use web_time::Instant;

use super::Teller;
use super::report::median;
use crate::error::Result;
use crate::gpu::{Gpu, Pace, Plan, Step};
use crate::ops::copy::copy;
use crate::ops::multiply_add::{WORKGROUP_SIZE, multiply_add};
use crate::ops::multiply_add_stored::{Tile, multiply_add_stored, operands};

/// A measurement takes at least this long, so that its start does not count.
const LEAST_SECONDS: f64 = 0.1;

/// And so many times as long as it takes to learn that the GPU is done.
const LEAST_WAITS: f64 = 20.0;

/// But no longer than this at one go.
const MOST_SECONDS: f64 = 2.0;

/// Steps of one plan at the most.
const MOST_STEPS: usize = 2048;

/// How often each peak is measured.
const SAMPLES: usize = 5;

/// Bytes that are copied: more than caches hold, and WebGPU's default limit of a binding.
const COPIED_BYTES: u32 = 128 << 20;

/// What the adapter reaches with kernels that do one thing only.
#[derive(Debug, Clone, Serialize)]
pub struct Peaks {
    /// GFLOP/s of multiply-adds of f32 in registers.
    pub multiply_add: Peak,
    /// GFLOP/s of multiply-adds in f32 of f16 numbers that are converted where they are used.
    pub multiply_add_stored: Peak,
    /// GB/s of copying, bytes read and bytes written.
    pub copy: Peak,
}

/// One peak, in billions a second.
#[derive(Debug, Clone, Serialize)]
pub struct Peak {
    /// The best, which is what counts.
    pub best: f64,
    /// Each measurement.
    pub samples: Vec<f64>,
}

/// Times repeated steps from outside, by the clock on the wall.
pub(super) struct Clock {
    /// Seconds that it takes to learn that an idle GPU has nothing to do.
    pub wait: f64,
    /// How fast the adapter gets through what is measured.
    pace: Pace,
}

impl Clock {
    pub async fn new(gpu: &Gpu, flops_per_second: f64) -> Result<Clock> {
        let mut samples = Vec::new();
        for _ in 0..5 {
            gpu.finish().await?;
            let start = Instant::now();
            gpu.finish().await?;
            samples.push(start.elapsed().as_secs_f64());
        }
        Ok(Clock { wait: median(&samples), pace: Pace::new(flops_per_second) })
    }

    /// `count` times the seconds that one run of `steps` takes, each the mean of as many runs as
    /// a measurement needs to be exact.
    pub async fn samples(&self, gpu: &Gpu, steps: &[Step], count: usize) -> Result<Vec<f64>> {
        let wanted = (LEAST_WAITS * self.wait).clamp(LEAST_SECONDS, MOST_SECONDS);
        let (mut runs, mut samples) = (1, Vec::new());
        while samples.len() < count {
            let repeated = steps.iter().cycle().take(runs * steps.len());
            let plan = Plan { steps: repeated.cloned().collect() };
            let seconds = seconds_of(gpu, &plan, &self.pace).await?;
            if seconds < wanted && 2 * runs * steps.len() <= MOST_STEPS {
                runs *= 2;
            } else {
                samples.push(seconds / runs as f64);
            }
        }
        Ok(samples)
    }
}

/// From an idle GPU to an idle GPU.
async fn seconds_of(gpu: &Gpu, plan: &Plan, pace: &Pace) -> Result<f64> {
    gpu.finish().await?;
    let start = Instant::now();
    gpu.run_at(plan, pace, &|| false).await?;
    gpu.finish().await?;
    Ok(start.elapsed().as_secs_f64())
}

/// Measures all of them.
pub(super) async fn measure(
    gpu: &Gpu,
    software: bool,
    clock: &Clock,
    tell: &mut Teller<'_>,
) -> Result<Peaks> {
    // A GPU needs many invocations to be full, a CPU few to be done in time.
    let (workgroups, rounds) = if software { (64, 256) } else { (8192, 256) };
    let out = gpu.buffer("peak", u64::from(workgroups * WORKGROUP_SIZE) * 16)?;
    let operands = operands(gpu).await?;
    tell.say("measuring multiply-adds in registers", 0.01)?;
    let step = multiply_add(workgroups, rounds, 0.5, &out)?;
    let multiply_add = peak(gpu, clock, step, |step| step.work.flops).await?;
    tell.say("measuring multiply-adds of f16 numbers", 0.04)?;
    // Which tile has the higher peak depends on the registers: the better one counts.
    let mut stored = Vec::new();
    for tile in [Tile::Narrow, Tile::Wide] {
        let step = multiply_add_stored(tile, workgroups, rounds / 4, &operands, &out)?;
        stored.push(peak(gpu, clock, step, |step| step.work.flops).await?);
    }
    stored.sort_by(|a, b| b.best.total_cmp(&a.best));
    let multiply_add_stored = stored.swap_remove(0);
    tell.say("measuring the bandwidth", 0.07)?;
    let from = gpu.buffer("copied", COPIED_BYTES.into())?;
    let to = gpu.buffer("copy", COPIED_BYTES.into())?;
    let step = copy(COPIED_BYTES / 16, &from, &to)?;
    let copy = peak(gpu, clock, step, |step| step.work.bytes).await?;
    // Browsers free buffers when they come to it, and these are large.
    for buffer in [out, operands, from, to] {
        buffer.destroy();
    }
    Ok(Peaks { multiply_add, multiply_add_stored, copy })
}

async fn peak(gpu: &Gpu, clock: &Clock, step: Step, of: fn(&Step) -> u64) -> Result<Peak> {
    let amount = of(&step) as f64;
    // The first run compiles.
    seconds_of(gpu, &Plan { steps: vec![step.clone()] }, &clock.pace).await?;
    let seconds = clock.samples(gpu, &[step], SAMPLES).await?;
    let samples: Vec<f64> = seconds.into_iter().map(|seconds| amount / seconds / 1e9).collect();
    Ok(Peak { best: samples.iter().copied().fold(0.0, f64::max), samples })
}
