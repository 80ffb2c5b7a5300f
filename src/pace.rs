//! How long a fixed forward pass takes: a measure by which the GPU and the CPU can be compared.
//!
//! It is a whole pass and not a matmul alone, because adapters that are CPUs lose most of their time
//! in everything else, and results that have to be waited for cost time, too.

use web_time::Instant;

use crate::checkpoint::{Checkpoint, RandomProfile};
use crate::config::{Activation, Config, Family};
use crate::error::Result;
use crate::tokenizer::Encoded;

/// An adapter whose matmuls are faster than this is faster than the CPU's module in WebAssembly: of
/// that one's 16 operations an instruction a processor would have to start 3 in each of 4.2 billion
/// cycles a second.
pub const FASTER_THAN_ANY_CPU: f64 = 2e11;

/// After one run that compiles kernels and wakes threads, the pass is repeated until it has taken so
/// long, but at least [`LEAST_RUNS`] times.
const LONG_ENOUGH: f64 = 0.15;
const LEAST_RUNS: usize = 2;

const PAIRS: usize = 4;
const LENGTH: usize = 64;
const WORDS: usize = 97;

/// The tokens of the batch.
pub const TOKENS: usize = PAIRS * LENGTH;

/// The model and the batch: two layers as wide as those of a small reranker.
pub fn work() -> (Config, Checkpoint, Vec<Encoded>) {
    let config = Config {
        family: Family::Roberta,
        vocab_size: WORDS,
        hidden_size: 384,
        num_hidden_layers: 2,
        num_attention_heads: 6,
        intermediate_size: 1536,
        hidden_act: Activation::Gelu,
        max_position_embeddings: LENGTH + 2,
        type_vocab_size: 1,
        layer_norm_eps: 1e-5,
        pad_token_id: 1,
        labels: vec!["LABEL_0".into()],
        modernbert: None,
    };
    let pair = Encoded {
        ids: (0..LENGTH).map(|i| (i * 37 % WORDS) as u32).collect(),
        position_ids: (2..).take(LENGTH).collect(),
        type_ids: vec![0; LENGTH],
        truncated: 0,
    };
    let checkpoint = Checkpoint::random(&config, 20, RandomProfile::Plain);
    (config, checkpoint, vec![pair; PAIRS])
}

/// Microseconds of the fastest of several runs, which no machine makes in none.
pub async fn fastest(run: impl AsyncFn() -> Result<()>) -> Result<u32> {
    run().await?;
    let start = Instant::now();
    let mut fastest = u32::MAX;
    let mut runs = 0;
    while runs < LEAST_RUNS || start.elapsed().as_secs_f64() < LONG_ENOUGH {
        let begin = Instant::now();
        run().await?;
        fastest = fastest.min(begin.elapsed().as_micros() as u32);
        runs += 1;
    }
    Ok(fastest.max(1))
}
