//! How fast this machine's CPU multiplies, by a short measurement.

use std::time::{Duration, Instant};

use super::dense::Packer;
use super::{Numbers, describe, threads};

/// Inputs and outputs of the matrix that is measured with, and rows that it is given: as where
/// kernels are chosen for a GPU, half of a base-sized model's and a batch of short pairs.
const INPUTS: usize = 384;
const OUTPUTS: usize = 512;
const ROWS: usize = 1024;

/// The fastest of so many runs counts, or of as many as fit into this time; one at least, after
/// one that wakes the threads.
const ROUNDS: usize = 6;
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// Multiplications and additions a second of a dense layer in `numbers`, on all threads.
pub fn pace(numbers: Numbers) -> f64 {
    let some: Vec<f32> = (0..ROWS * INPUTS).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect();
    let mut packer = Packer::new(numbers, INPUTS, OUTPUTS);
    packer.push(&some[..INPUTS * OUTPUTS]);
    let layer = packer.finish(vec![0.0; OUTPUTS]);
    std::hint::black_box(layer.apply(&some));
    let start = Instant::now();
    let mut fastest = f64::MAX;
    for _ in 0..ROUNDS {
        let round = Instant::now();
        std::hint::black_box(layer.apply(&some));
        fastest = fastest.min(round.elapsed().as_secs_f64());
        if start.elapsed() > LONG_ENOUGH {
            break;
        }
    }
    (2 * ROWS * INPUTS * OUTPUTS) as f64 / fastest.max(1e-9)
}

/// What a pace holds for: the kernel, the kind of processor, and how many threads share the work.
pub fn pace_key(numbers: Numbers) -> String {
    format!("{}, {}, threads: {}", describe(numbers), std::env::consts::ARCH, threads())
}
