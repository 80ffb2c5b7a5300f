//! How the time and the memory grow with the length of one pair.

use serde::Serialize;

use super::report::median;
use super::{Teller, pairs, time};
use crate::batch::Batch;
use crate::config::Config;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::gpu::Gpu;

/// Tokens of the pair. Models that read fewer are measured at those that they read.
const LENGTHS: [usize; 5] = [128, 512, 1024, 4096, 8192];

/// Runs at each length, of which the median counts.
const RUNS: usize = 3;

/// Pairs are scored several times for a sample, until that many tokens were: short ones take little
/// time, and clocks are coarse.
const SAMPLE_TOKENS: usize = 1024;

/// One pair of one length.
#[derive(Debug, Clone, Serialize)]
pub struct LengthTime {
    /// Its tokens.
    pub tokens: usize,
    /// Scoring it: the median.
    pub seconds: f64,
    /// Each of the runs.
    pub samples: Vec<f64>,
    /// Microseconds a token.
    pub microseconds_per_token: f64,
    /// Multiplications and additions.
    pub flops: u64,
    /// Bytes of GPU memory meanwhile: weights, and activations for this pair.
    pub gpu_bytes: u64,
}

/// Measures pairs of every length that the model reads. `before` are the bytes that were taken before
/// the model was loaded.
pub(super) async fn measure(
    gpu: &Gpu,
    encoder: &Encoder,
    config: &Config,
    before: u64,
    tell: &mut Teller<'_>,
) -> Result<Vec<LengthTime>> {
    let most = config.max_tokens();
    let mut measured = Vec::new();
    for tokens in LENGTHS.into_iter().filter(|&tokens| tokens <= most) {
        let batch = Batch::new(&pairs(config, &[tokens]));
        // The first run makes room, and compiles what it needs.
        time(gpu, encoder, &batch).await?;
        let gpu_bytes = gpu.allocated_bytes() - before;
        let flops = encoder.plan(&batch)?.work().flops;
        let times = (SAMPLE_TOKENS / tokens).max(1);
        let mut samples = Vec::new();
        for _ in 0..RUNS {
            tell.say(&format!("scoring a pair of {tokens} tokens"), 0.97)?;
            let mut seconds = 0.0;
            for _ in 0..times {
                seconds += time(gpu, encoder, &batch).await?;
            }
            samples.push(seconds / times as f64);
        }
        let seconds = median(&samples);
        let microseconds_per_token = seconds / tokens as f64 * 1e6;
        measured.push(LengthTime {
            tokens,
            seconds,
            samples,
            microseconds_per_token,
            flops,
            gpu_bytes,
        });
    }
    Ok(measured)
}
