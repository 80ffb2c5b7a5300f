//! The forward pass beside the reference implementation, and what a batch has to do with a score.

use std::slice::from_ref;

use super::*;
use crate::checkpoint::RandomProfile;
use crate::config::{Activation, Family};
use crate::gpu::Dtype;
use crate::reference;
use crate::tokenizer::Encoded;

pub(super) fn config(
    layers: usize,
    heads: usize,
    head_size: usize,
    inner: usize,
    labels: usize,
) -> Config {
    Config {
        family: Family::Roberta,
        vocab_size: 101,
        hidden_size: heads * head_size,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        intermediate_size: inner,
        hidden_act: Activation::Gelu,
        max_position_embeddings: 90,
        type_vocab_size: 2,
        layer_norm_eps: 1e-5,
        pad_token_id: 1,
        labels: (0..labels).map(|i| i.to_string()).collect(),
        modernbert: None,
    }
}

pub(super) fn sequence(tokens: usize, salt: usize) -> Encoded {
    Encoded {
        ids: (0..tokens).map(|i| ((i * 37 + salt * 11) % 101) as u32).collect(),
        position_ids: (2..).take(tokens).collect(),
        type_ids: vec![0; tokens],
        truncated: 0,
    }
}

pub(super) fn block_on<T>(future: impl Future<Output = Result<T>>) -> T {
    pollster::block_on(future).unwrap()
}

/// Whether every logit is within `bound` of the expected one. NaN is not.
pub(super) fn close(got: &[Vec<f32>], expected: &[Vec<f32>], bound: f32) -> bool {
    got.len() == expected.len()
        && got.iter().flatten().count() == expected.iter().flatten().count()
        && got.iter().flatten().zip(expected.iter().flatten()).all(|(got, expected)| {
            let error = (got - expected).abs();
            error <= bound
        })
}

#[test]
fn the_comparison_fails_on_nan_swapped_and_missing_logits() {
    let logits = [vec![1.0], vec![2.0]];
    assert!(close(&logits, &logits, 0.0));
    assert!(!close(&[vec![2.0], vec![1.0]], &logits, 0.5));
    assert!(!close(&[vec![f32::NAN], vec![2.0]], &logits, 0.5));
    assert!(!close(&logits[..1], &logits, 0.5));
}

/// The logits of the reference implementation for a checkpoint of random weights.
pub(super) fn reference_logits(
    config: &Config,
    checkpoint: &Checkpoint,
    pairs: &[Encoded],
) -> Vec<Vec<f32>> {
    let shapes = crate::checkpoint::tensor_shapes(config);
    let tensor = |name: &str| {
        let (_, shape) = shapes.iter().find(|(n, _)| n == name).unwrap();
        let mut values = Vec::new();
        let tensor = checkpoint.get(name, shape).unwrap();
        block_on(tensor.read_rows(0..tensor.rows(), &mut values));
        values
    };
    let logits = |pair| reference::logits(config, &tensor, &Batch::new(from_ref(pair)).ids);
    pairs.iter().map(logits).collect()
}

#[test]
fn logits_equal_the_reference_and_do_not_depend_on_the_batch() {
    for config in [
        config(1, 1, 24, 48, 1),
        config(2, 4, 25, 210, 1),
        config(3, 2, 96, 130, 3),
        config(2, 1, 128, 257, 1),
    ] {
        let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
        let pairs: Vec<Encoded> =
            [4, 88, 17, 33, 1, 64].iter().enumerate().map(|(i, &n)| sequence(n, i)).collect();
        let expected = reference_logits(&config, &checkpoint, &pairs);
        for dtype in [Dtype::F16, Dtype::F32] {
            let gpu = block_on(Gpu::open(dtype));
            let encoder = block_on(Encoder::load(
                &gpu,
                &checkpoint,
                &config,
                Choice::safe(),
                None,
                300,
                &mut |_| {},
            ));
            let together = block_on(encoder.logits(&gpu, &Batch::new(&pairs), &|| false));
            assert!(
                close(&together, &expected, 1e-2),
                "{config:?} {dtype:?}: {together:?} is not {expected:?}"
            );
            let bits = |logits: &[f32]| logits.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            for (pair, together) in pairs.iter().zip(&together) {
                let alone = block_on(encoder.logits(&gpu, &Batch::new(from_ref(pair)), &|| false));
                assert_eq!(bits(&alone[0]), bits(together), "{config:?} {dtype:?}");
            }
        }
    }
}

#[test]
fn pairs_whose_sums_overflow_f16_are_computed_again_and_others_are_not() {
    let gpu = block_on(Gpu::open(Dtype::F16));
    let config = config(1, 1, 24, 48, 1);
    let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
    let load = |choice| {
        let mut silent = |_: u64| {};
        block_on(Encoder::load(&gpu, &checkpoint, &config, choice, None, 300, &mut silent))
    };
    let half = load(Choice::all(&crate::ops::matmul::half::LARGE));
    let single = load(half.choice.in_f32());
    let pairs: Vec<_> = (0..6).map(|salt| sequence(4 + 9 * salt, salt)).collect();
    let mut seen = [false; 2];
    for size in [100.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 60_000.0] {
        // Neighbours cancel each other out, but not within f16: sums of f32 stay small.
        let sign = |i: usize| if (i / 4).is_multiple_of(2) { size } else { -size };
        let values: Vec<f32> = (0..24 * 48).map(sign).collect();
        for encoder in [&half, &single] {
            let Model::Bert(weights) = &encoder.model else { unreachable!() };
            block_on(weights.layers[0].down.write_panel(&gpu, "down", 0, &values));
        }
        let run = |encoder: &Encoder, pairs: &[Encoded]| {
            let logits = block_on(encoder.logits(&gpu, &Batch::new(pairs), &|| false));
            logits.into_iter().flatten().collect::<Vec<_>>()
        };
        let (together, expected) = (run(&half, &pairs), run(&single, &pairs));
        let alone = pairs.iter().flat_map(|pair| run(&half, from_ref(pair)));
        assert_eq!(together, alone.collect::<Vec<_>>(), "{size}");
        for (got, expected) in together.iter().zip(&expected) {
            assert!((got - expected).abs() < 2e-2, "{size}: {together:?} {expected:?}");
            seen[usize::from(got == expected)] = true;
        }
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn a_batch_longer_than_the_usual_ones_gets_room_and_gives_it_back() {
    let gpu = block_on(Gpu::open(Dtype::F32));
    let config = config(2, 2, 25, 210, 1);
    let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
    let load = async |tokens| {
        let choice = Choice::safe();
        Encoder::load(&gpu, &checkpoint, &config, choice, None, tokens, &mut |_| {}).await
    };
    let (roomy, tight) = (block_on(load(200)), block_on(load(40)));
    let long = Batch::new(&[sequence(88, 1)]);
    let short = Batch::new(&[sequence(17, 2), sequence(20, 3)]);
    let bytes = [&short, &long, &long, &short].map(|batch| {
        let run = |encoder: &Encoder| block_on(encoder.logits(&gpu, batch, &|| false));
        assert_eq!(run(&tight), run(&roomy));
        gpu.allocated_bytes()
    });
    assert!(bytes[1] > bytes[0], "{bytes:?}");
    assert_eq!([bytes[1], bytes[0]], [bytes[2], bytes[3]]);
}

#[test]
fn every_family_equals_the_reference_with_words_in_one_part_or_many() {
    let gpu = block_on(Gpu::open(Dtype::F16));
    for (family, types) in [(Family::XlmRoberta, 1), (Family::Bert, 2), (Family::DistilBert, 0)] {
        let config = Config { family, type_vocab_size: types, ..config(2, 2, 25, 210, 2) };
        let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
        let mut pairs = [sequence(40, 1), sequence(3, 2), sequence(70, 3)];
        for pair in &mut pairs {
            let types = config.family.token_types();
            pair.type_ids = (0..pair.ids.len()).map(|at| (at / 2 % types) as u32).collect();
        }
        let expected = reference_logits(&config, &checkpoint, &pairs);
        // Of 128 bytes a row: one part, 5 parts of 25 rows at the most, one for each word.
        for (part_bytes, parts) in [(u64::MAX, 1), (25 * 128, 5), (1, 101)] {
            let choice = Choice::safe();
            let mut silent = |_: u64| {};
            let loader = Loader {
                gpu: &gpu,
                checkpoint: &checkpoint,
                config: &config,
                format: None,
                bytes: 0,
                loaded: &mut silent,
            };
            let weights = block_on(weights::load(loader, part_bytes));
            assert_eq!(weights.tables.word.len(), parts);
            let encoder = Encoder {
                choice,
                model: Model::Bert(weights),
                batch_tokens: 200,
                activations: RefCell::new(Rc::new(block_on(async {
                    Activations::new(&gpu, &config, &choice, 200)
                }))),
                config: config.clone(),
                lock: Lock::default(),
                pace: Pace::new(choice.flops_per_second),
            };
            let logits = block_on(encoder.logits(&gpu, &Batch::new(&pairs), &|| false));
            assert!(
                close(&logits, &expected, 1e-2),
                "{family:?} {part_bytes}: {logits:?} is not {expected:?}"
            );
        }
    }
}
