//! How the time grows with the number of candidates, through the batches that the scorer makes.

use serde::Serialize;

use super::report::median;
use super::{Teller, pairs, time};
use crate::batch::Batch;
use crate::config::Config;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::tokenizer::Encoded;

/// Tokens of sixteen pairs of mixed length, 64 on average.
const MIXED: [usize; 16] = [16, 112, 40, 88, 64, 24, 104, 48, 80, 32, 96, 56, 72, 64, 20, 108];

/// Tokens of each pair of a set of equal length: as many as in the mixed one on average.
const EQUAL: usize = 64;

/// Sets by the number of their candidates, and whether these are mixed.
const SETS: [(usize, bool); 5] = [(16, true), (64, true), (64, false), (256, true), (1024, true)];

/// Candidates of a sample at the least: small sets are scored several times for one.
const SAMPLE_CANDIDATES: usize = 128;

/// Rounds over all sets, so that what else the machine does meets all of them alike.
const ROUNDS: usize = 3;

/// A set that would take longer than this is left out.
const MOST_SECONDS: f64 = 100.0;

/// How the time grows with the number of candidates.
#[derive(Debug, Clone, Serialize)]
pub struct Scaling {
    /// The most tokens computed at once.
    pub batch_tokens: usize,
    /// The sets, measured in turn.
    pub sets: Vec<SetTime>,
    /// How much more a token takes in the slowest set of mixed length than in the fastest: 0.1
    /// for a tenth more.
    pub largest_difference: f64,
    /// How much more or less a token takes in the mixed set than in the set of equal length and
    /// of the same number of tokens.
    pub mixed_difference: f64,
}

/// One set of candidates.
#[derive(Debug, Clone, Serialize)]
pub struct SetTime {
    /// How many.
    pub candidates: usize,
    /// Whether their lengths differ.
    pub mixed: bool,
    /// Tokens of all of them.
    pub tokens: usize,
    /// Scoring all of them: the median.
    pub seconds: f64,
    /// Each of the rounds.
    pub samples: Vec<f64>,
    /// Microseconds a token.
    pub microseconds_per_token: f64,
}

/// Measures the sets in turn. Those that would take too long on this adapter are left out.
pub(super) async fn measure(
    gpu: &Gpu,
    encoder: &Encoder,
    config: &Config,
    budget: usize,
    tell: &mut Teller<'_>,
) -> Result<Scaling> {
    let mut samples = vec![Vec::new(); SETS.len()];
    let mut a_token = 0.0;
    for round in 0..ROUNDS {
        for (at, &(candidates, mixed)) in SETS.iter().enumerate() {
            let pairs = set(config, candidates, mixed);
            let tokens = pairs.iter().map(|pair| pair.ids.len()).sum::<usize>() as f64;
            if a_token * tokens > MOST_SECONDS {
                continue;
            }
            let done = (round * SETS.len() + at) as f64 / (ROUNDS * SETS.len()) as f64;
            tell.say(&format!("scoring {candidates} candidates"), 0.95 + 0.05 * done)?;
            let runs = (SAMPLE_CANDIDATES / candidates).max(1);
            let mut seconds = 0.0;
            for _ in 0..runs {
                seconds += score(gpu, encoder, &pairs, budget).await?;
            }
            samples[at].push(seconds / runs as f64);
            a_token = seconds / runs as f64 / tokens;
        }
    }
    let sets: Vec<SetTime> = SETS
        .iter()
        .zip(samples)
        .filter(|(_, samples)| !samples.is_empty())
        .map(|(&(candidates, mixed), samples)| {
            let tokens = candidates * EQUAL;
            let seconds = median(&samples);
            let microseconds_per_token = seconds / tokens as f64 * 1e6;
            SetTime { candidates, mixed, tokens, seconds, samples, microseconds_per_token }
        })
        .collect();
    let of = |set: &&SetTime| set.microseconds_per_token;
    let slowest = sets.iter().filter(|set| set.mixed).map(|set| of(&set)).fold(0.0, f64::max);
    let fastest = sets.iter().filter(|set| set.mixed).map(|set| of(&set)).fold(f64::MAX, f64::min);
    let equal = sets.iter().find(|set| !set.mixed);
    let twin = equal
        .and_then(|equal| sets.iter().find(|set| set.mixed && set.candidates == equal.candidates));
    let mixed_difference = match (twin, equal) {
        (Some(mixed), Some(equal)) => of(&mixed) / of(&equal) - 1.0,
        _ => 0.0,
    };
    Ok(Scaling {
        batch_tokens: budget,
        sets,
        largest_difference: slowest / fastest - 1.0,
        mixed_difference,
    })
}

fn set(config: &Config, candidates: usize, mixed: bool) -> Vec<Encoded> {
    let lengths: Vec<usize> = if mixed {
        MIXED.iter().copied().cycle().take(candidates).collect()
    } else {
        vec![EQUAL; candidates]
    };
    pairs(config, &lengths)
}

/// Seconds to score `pairs` batch by batch, as the scorer makes them.
async fn score(gpu: &Gpu, encoder: &Encoder, pairs: &[Encoded], budget: usize) -> Result<f64> {
    let (mut seconds, mut first) = (0.0, 0);
    while first < pairs.len() {
        let (mut end, mut tokens) = (first, 0);
        while end < pairs.len() {
            tokens += pairs[end].ids.len();
            if Batch::is_full(end - first, tokens, budget) {
                break;
            }
            end += 1;
        }
        seconds += time(gpu, encoder, &Batch::new(&pairs[first..end])).await?;
        first = end;
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_and_equal_sets_have_the_same_tokens() {
        let config = super::super::Shape::Mini.config().unwrap();
        for (candidates, mixed) in SETS {
            let tokens: usize =
                set(&config, candidates, mixed).iter().map(|pair| pair.ids.len()).sum();
            assert_eq!(tokens, candidates * EQUAL);
        }
    }
}
