//! How long scoring takes beside its matrices alone: `cargo bench -p cappy-cpu --bench matmul_share`.
//!
//! cappy-small scores sets of pairs, and `rten-gemm` multiplies all that its encoder's dense layers
//! multiply, as many rows at once as the set has tokens: each in turn, with all threads. What is left
//! is attention, norms, GELU, tokenizing, and what goes between them. Where a matrix unit multiplies
//! for us the share may exceed 1.

use std::time::Instant;

use cappy::{LoadOptions, ModelSource, Scorer};
use cappy_cpu::{Cpu, Numbers};
use pollster::block_on;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

const ROUNDS: usize = 7;
const LAYERS: usize = 6;
const HIDDEN: usize = 384;

/// Outputs and inputs of a layer's matrices.
const SHAPES: [[usize; 2]; 4] =
    [[3 * HIDDEN, HIDDEN], [HIDDEN, HIDDEN], [4 * HIDDEN, HIDDEN], [HIDDEN, 4 * HIDDEN]];

/// Sets of pairs: how many, and about how many tokens each has.
const SETS: [(&str, usize, [usize; 2]); 3] =
    [("W1", 16, [60, 220]), ("W2", 1, [128, 128]), ("W3", 64, [60, 68])];

fn main() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/cappy-small");
    for numbers in [Numbers::F32, Numbers::I8] {
        let cpu = Cpu { numbers: Some(numbers) };
        let options = LoadOptions { backend: Some(&cpu), ..LoadOptions::default() };
        let scorer =
            block_on(Scorer::load(ModelSource::Directory(folder.into()), options)).unwrap();
        println!("{}:", scorer.info().kernels);
        for (name, count, [least, most]) in SETS {
            let length = |i: usize| least + (most - least) * i / count.saturating_sub(1).max(1);
            let response = |i: usize| "dog ".repeat(length(i) - 8);
            let pairs: Vec<_> = (0..count).map(|i| ("Which animal barks?", response(i))).collect();
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (*a, &b[..])).collect();
            compare(name, &scorer, &pairs);
        }
    }
}

fn compare(name: &str, scorer: &Scorer, pairs: &[(&str, &str)]) {
    let scores = block_on(scorer.score(pairs)).unwrap();
    let rows = scores.iter().map(|score| score.tokens).sum();
    let matrices = Matrices::new(rows);
    let (mut whole, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        whole.push(seconds(|| drop(block_on(scorer.score(pairs)).unwrap())));
        alone.push(seconds(|| matrices.multiply()));
    }
    let (whole, alone) = (median(whole), median(alone));
    println!(
        "  {name}, {rows} tokens: {:.1} ms, rten-gemm alone {:.1} ms, so {:.0}% of it",
        whole * 1e3,
        alone * 1e3,
        100.0 * alone / whole
    );
}

/// What the encoder's layers but the last multiply, and the keys and values of the last: after these
/// it goes on with one row a pair.
struct Matrices {
    inputs: Vec<NdTensor<f32, 2>>,
    weights: Vec<PackedBMatrix<f32>>,
}

impl Matrices {
    fn new(rows: usize) -> Matrices {
        let numbers =
            |shape: [usize; 2]| NdTensor::from_fn(shape, |[row, i]| ((row * 7 + i) % 11) as f32);
        let inputs = SHAPES.iter().map(|[_, inputs]| numbers([rows, *inputs])).collect();
        let layers = (0..LAYERS).flat_map(|_| SHAPES).take(SHAPES.len() * (LAYERS - 1) + 1);
        let pack = |[outputs, inputs]: [usize; 2]| {
            let gemm = GemmExecutor::<f32>::default();
            gemm.prepack_b(numbers([outputs, inputs]).nd_view::<2>().transposed())
        };
        Matrices { inputs, weights: layers.map(pack).collect() }
    }

    fn multiply(&self) {
        for (weights, inputs) in self.weights.iter().zip(self.inputs.iter().cycle()) {
            let mut out = vec![0.0; inputs.size(0) * weights.cols()];
            let (a, b) = (GemmInputA::Unpacked(inputs.view()), GemmInputB::Packed(weights));
            GemmExecutor::<f32>::default().gemm(&mut out, a, b, GemmOptions::default()).unwrap();
        }
    }
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
