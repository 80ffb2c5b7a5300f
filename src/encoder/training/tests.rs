//! Compares whole training runs with PyTorch's, which tests/golden/make_training.py has recorded.

use serde::Deserialize;

use super::*;
use crate::checkpoint::{self, Checkpoint, MemoryFiles, RandomProfile, Writer, tensor_shapes};
use crate::config::{Activation, Family, Module};
use crate::gpu::Dtype;
use crate::ops::training::adamw::AdamW;
use crate::tokenizer::Encoded;

#[derive(Deserialize)]
struct Golden {
    config: serde_json::Value,
    weights_seed: u32,
    out_scale: f32,
    warmup: usize,
    step_pairs: usize,
    norm: f32,
    rank: usize,
    alpha: f64,
    lora_seed: u64,
    pairs: Vec<Pair>,
    runs: std::collections::BTreeMap<String, Run>,
}

#[derive(Deserialize)]
struct Pair {
    ids: Vec<u32>,
    positions: Vec<u32>,
    /// None where there is only one token type.
    #[serde(default)]
    types: Vec<u32>,
    label: f32,
}

#[derive(Deserialize)]
struct Run {
    learning_rate: f64,
    before: Vec<f32>,
    losses: Vec<f32>,
    norms: Vec<f32>,
    after: Vec<f32>,
}

/// Of losses and scores. Labels are between 0 and 1.
const BOUND: f32 = 1e-3;

/// The files of recorded runs.
const ROBERTA: &str = "training.json";
const BERT: &str = "training-bert.json";
const MODERNBERT: &str = "training-modernbert.json";
/// With a mean for the head, every bias, and GELU by tanh in the layers.
const MODERNBERT_MEAN: &str = "training-modernbert-mean.json";

fn golden(file: &str) -> Golden {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let path = std::path::Path::new(folder).join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

impl Golden {
    fn config(&self) -> Config {
        let json = serde_json::to_vec(&self.config).unwrap();
        Config::from_json("config.json", &json).unwrap()
    }

    /// Random weights, with the last matrix made smaller.
    async fn checkpoint(&self, config: &Config) -> Result<Checkpoint> {
        let random = Checkpoint::random(config, self.weights_seed, RandomProfile::Plain);
        let mut tensors = Vec::new();
        for (name, shape) in tensor_shapes(config) {
            let tensor = random.get(&name, &shape)?;
            let mut numbers = Vec::new();
            tensor.read_rows(0..tensor.rows(), &mut numbers).await?;
            if name == Module::Project.weight(config.family) {
                numbers.iter_mut().for_each(|number| *number *= self.out_scale);
            }
            tensors.push((name, shape, numbers));
        }
        stored(tensors.into_iter()).await
    }

    fn depth(&self, name: &str) -> Depth {
        match name {
            "head" => Depth::Head,
            "lora" => Depth::Lora { rank: self.rank, alpha: self.alpha, seed: self.lora_seed },
            _ => Depth::Full,
        }
    }

    fn batch(&self, places: &[usize]) -> (Batch, Vec<f32>) {
        let pairs = places.iter().map(|&at| &self.pairs[at]);
        let encoded = pairs.clone().map(|pair| Encoded {
            ids: pair.ids.clone(),
            position_ids: pair.positions.clone(),
            type_ids: match pair.types.is_empty() {
                true => vec![0; pair.ids.len()],
                false => pair.types.clone(),
            },
            truncated: 0,
        });
        (Batch::new(&encoded.collect::<Vec<_>>()), pairs.map(|pair| pair.label).collect())
    }

    fn rate(&self, name: &str, step: usize) -> f64 {
        let (steps, warmup) = (self.runs[name].losses.len() as f64, self.warmup as f64);
        let at = step as f64;
        let share =
            if step < self.warmup { (at + 1.0) / warmup } else { (steps - at) / (steps - warmup) };
        self.runs[name].learning_rate * share
    }
}

/// A checkpoint of these tensors: name, shape, numbers.
async fn stored(
    tensors: impl Iterator<Item = (String, Vec<usize>, Vec<f32>)>,
) -> Result<Checkpoint> {
    let tensors: Vec<_> = tensors.collect();
    let shapes: Vec<_> =
        tensors.iter().map(|(name, shape, _)| (name.clone(), shape.clone())).collect();
    let mut writer = Writer::new(Vec::new(), "golden", &shapes, checkpoint::Dtype::F32)?;
    for (_, _, numbers) in &tensors {
        writer.write(numbers)?;
    }
    Checkpoint::open(&MemoryFiles::new("golden").with("model.safetensors", writer.finish()?)).await
}

struct Made {
    before: Vec<f32>,
    losses: Vec<f32>,
    norms: Vec<f32>,
    after: Vec<f32>,
}

async fn scores(golden: &Golden, training: &Training, gpu: &Gpu) -> Result<Vec<f32>> {
    let mut scores = Vec::new();
    for first in (0..golden.pairs.len()).step_by(4) {
        let (batch, _) = golden.batch(&(first..first + 4).collect::<Vec<_>>());
        scores.extend(training.predict(gpu, Input::Batch(&batch), 4, &|| false).await?);
    }
    Ok(scores)
}

/// Steps `steps` of a golden run.
async fn train(
    golden: &Golden,
    name: &str,
    training: &mut Training,
    gpu: &Gpu,
    steps: std::ops::Range<usize>,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    let share = 1.0 / golden.step_pairs as f32;
    for step in steps {
        let first = step * golden.step_pairs;
        let places: Vec<usize> =
            (first..first + golden.step_pairs).map(|at| at % golden.pairs.len()).collect();
        // In two batches, of 3 and 5 pairs.
        for (places, first_error) in [(&places[..3], 0), (&places[3..], 3)] {
            let (batch, labels) = golden.batch(places);
            let features;
            let input = if training.through_encoder() {
                Input::Batch(&batch)
            } else {
                features = training.features(gpu, &batch, &|| false).await?;
                Input::Features(&features)
            };
            training.accumulate(gpu, input, &labels, share, first_error, &|| false).await?;
        }
        let update = Update {
            learning_rate: golden.rate(name, step),
            most_norm: golden.norm,
            adamw: AdamW::default(),
        };
        let (errors, norm) = training.update(gpu, &update, golden.step_pairs).await?;
        losses.push(errors.iter().sum::<f32>() * share);
        norms.push(norm);
    }
    Ok((losses, norms))
}

async fn open(golden: &Golden, name: &str, gpu: &Gpu, recompute: bool) -> Result<Training> {
    let config = golden.config();
    let checkpoint = golden.checkpoint(&config).await?;
    let depth = golden.depth(name);
    let size = Size {
        tokens: 200,
        pairs: 8,
        step_pairs: golden.step_pairs,
        recompute,
        through_encoder: depth != Depth::Head,
    };
    Training::load(gpu, &checkpoint, &config, Choice::safe(), depth, size, &mut |_| {}).await
}

fn run(golden: &Golden, name: &str, dtype: Dtype, recompute: bool) -> Made {
    pollster::block_on(async {
        let gpu = Gpu::open(dtype).await?;
        let mut training = open(golden, name, &gpu, recompute).await?;
        let before = scores(golden, &training, &gpu).await?;
        let steps = golden.runs[name].losses.len();
        let (losses, norms) = train(golden, name, &mut training, &gpu, 0..steps).await?;
        Ok::<_, Error>(Made {
            before,
            losses,
            norms,
            after: scores(golden, &training, &gpu).await?,
        })
    })
    .unwrap()
}

/// The largest difference; NaN where there is one.
fn furthest(got: &[f32], expected: &[f32]) -> f32 {
    assert!(got.len() == expected.len() && !expected.is_empty());
    let differences = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs());
    differences.fold(0.0, |most: f32, error| if error <= most { most } else { error + most * 0.0 })
}

#[test]
fn the_comparison_fails_on_nan_and_swapped_numbers() {
    assert!(!(furthest(&[1.0, f32::NAN, 2.0], &[1.0, 1.0, 2.0]) <= 10.0));
    assert!(furthest(&[2.0, 1.0], &[1.0, 2.0]) == 1.0);
}

fn assert_equals_pytorch(file: &str, name: &str) {
    let golden = golden(file);
    let expected = &golden.runs[name];
    for dtype in [Dtype::F16, Dtype::F32] {
        let made = run(&golden, name, dtype, false);
        let errors = [
            furthest(&made.before, &expected.before),
            furthest(&made.losses, &expected.losses),
            furthest(&made.after, &expected.after),
        ];
        println!("{name} {dtype:?}: scores before, losses, scores after are off by {errors:?}");
        for error in errors {
            assert!(error <= BOUND, "{name} {dtype:?}: {errors:?}");
        }
        // Norms are of another size: relative.
        assert_eq!(made.norms.len(), expected.norms.len());
        for (got, expected) in made.norms.iter().zip(&expected.norms) {
            let error = (got / expected - 1.0).abs();
            assert!(error <= 0.02, "{name} {dtype:?}: norm {got}, expected {expected}");
        }
    }
}

#[test]
fn the_head_learns_as_in_pytorch() {
    assert_equals_pytorch(ROBERTA, "head");
}

#[test]
fn adapters_learn_as_in_pytorch() {
    assert_equals_pytorch(ROBERTA, "lora");
}

#[test]
fn everything_learns_as_in_pytorch() {
    assert_equals_pytorch(ROBERTA, "full");
}

#[test]
fn berts_pooler_and_classifier_learn_as_in_pytorch() {
    assert_equals_pytorch(BERT, "head");
}

#[test]
fn adapters_of_bert_learn_as_in_pytorch() {
    assert_equals_pytorch(BERT, "lora");
}

#[test]
fn all_of_bert_learns_as_in_pytorch() {
    assert_equals_pytorch(BERT, "full");
}

#[test]
fn the_head_of_modernbert_learns_as_in_pytorch() {
    assert_equals_pytorch(MODERNBERT, "head");
    assert_equals_pytorch(MODERNBERT_MEAN, "head");
}

#[test]
fn adapters_of_modernbert_learn_as_in_pytorch() {
    assert_equals_pytorch(MODERNBERT, "lora");
    assert_equals_pytorch(MODERNBERT_MEAN, "lora");
}

#[test]
fn all_of_modernbert_learns_as_in_pytorch() {
    assert_equals_pytorch(MODERNBERT, "full");
    assert_equals_pytorch(MODERNBERT_MEAN, "full");
}

/// A loss of 0.001 is too coarse to notice a single row of these tables, which are f32 and f16.
#[test]
fn both_token_types_and_the_first_position_of_bert_learn() {
    let golden = golden(BERT);
    let family = Family::Bert;
    let learned = |steps: usize| {
        pollster::block_on(async {
            let gpu = Gpu::open(Dtype::F16).await?;
            let mut training = open(&golden, "full", &gpu, false).await?;
            train(&golden, "full", &mut training, &gpu, 0..steps).await?;
            let mut rows = Vec::new();
            for module in [Module::TokenTypes, Module::Positions, Module::Words] {
                let name = module.weight(family);
                let index = (0..training.groups())
                    .find(|&index| training.names(index).any(|own| own == name))
                    .unwrap();
                let tensor = training.tensors(&gpu, index).await?.remove(0);
                let row = |at: usize| tensor.numbers[at * 48..][..48].to_vec();
                rows.extend([row(0), row(1)]);
            }
            Ok::<_, Error>(rows)
        })
        .unwrap()
    };
    let [before, after] = [0, 1].map(learned);
    let changed: Vec<bool> = before.iter().zip(&after).map(|(old, new)| old != new).collect();
    // The first word is padding, the second is in no pair.
    assert_eq!(changed, [true, true, true, true, false, false]);
}

#[test]
fn computing_layers_anew_changes_no_bit() {
    for (file, name) in [
        (ROBERTA, "lora"),
        (ROBERTA, "full"),
        (BERT, "full"),
        (MODERNBERT, "full"),
        (MODERNBERT_MEAN, "lora"),
    ] {
        let golden = golden(file);
        let [saved, again] =
            [false, true].map(|recompute| run(&golden, name, Dtype::F16, recompute));
        assert!(saved.losses == again.losses && saved.after == again.after, "{file} {name}");
    }
}

#[test]
fn going_on_from_a_state_changes_no_bit() {
    for (file, name) in [
        (ROBERTA, "head"),
        (ROBERTA, "lora"),
        (ROBERTA, "full"),
        (BERT, "head"),
        (BERT, "lora"),
        (BERT, "full"),
        (MODERNBERT, "head"),
        (MODERNBERT, "lora"),
        (MODERNBERT_MEAN, "full"),
    ] {
        let golden = golden(file);
        pollster::block_on(async {
            let gpu = Gpu::open(Dtype::F16).await?;
            let mut unbroken = open(&golden, name, &gpu, false).await?;
            train(&golden, name, &mut unbroken, &gpu, 0..4).await?;
            let mut tensors = Vec::new();
            for index in 0..unbroken.groups() {
                tensors.extend(unbroken.state(&gpu, index).await?);
            }
            let state = stored(tensors.iter().map(|Tensor { name, shape, numbers }| {
                (name.clone(), shape.clone(), numbers.clone())
            }))
            .await?;
            let expected = train(&golden, name, &mut unbroken, &gpu, 4..8).await?;
            let mut resumed = open(&golden, name, &gpu, false).await?;
            resumed.restore(&gpu, 4, &state).await?;
            assert_eq!(train(&golden, name, &mut resumed, &gpu, 4..8).await?, expected, "{name}");
            let scores_of = async |training: &Training| scores(&golden, training, &gpu).await;
            assert_eq!(scores_of(&resumed).await?, scores_of(&unbroken).await?, "{name}");
            Ok::<_, Error>(())
        })
        .unwrap();
    }
}

#[test]
fn distilbert_is_refused() {
    let config = Config { family: Family::DistilBert, ..golden(ROBERTA).config() };
    let error = refused(&config);
    assert!(error.to_string().contains("DistilBertForSequenceClassification"), "{error}");
}

#[test]
fn other_activations_are_refused() {
    for hidden_act in [Activation::GeluTanh, Activation::Relu] {
        let error = refused(&Config { hidden_act, ..golden(ROBERTA).config() });
        assert_eq!(error.at_fault(), "config.json: hidden_act");
    }
}

/// Of four numbers a group, the kernels' gates begin a group of their own.
#[test]
fn gates_that_four_does_not_divide_are_refused_by_name_where_gradients_go_through_them() {
    let config = Config { intermediate_size: 66, ..golden(MODERNBERT).config() };
    let error = refused_through(&config, true);
    assert!(error.to_string().contains("gates of 66"), "{error}");
}

/// The error with which a model is refused.
fn refused(config: &Config) -> Error {
    refused_through(config, false)
}

fn refused_through(config: &Config, through_encoder: bool) -> Error {
    let checkpoint = Checkpoint::random(config, 1, RandomProfile::Plain);
    let size = Size { tokens: 64, pairs: 4, step_pairs: 4, recompute: false, through_encoder };
    let error = pollster::block_on(async {
        let gpu = Gpu::open(Dtype::F16).await?;
        let (choice, depth) = (Choice::safe(), Depth::Head);
        Training::load(&gpu, &checkpoint, config, choice, depth, size, &mut |_| {}).await
    });
    let error = error.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Input);
    error
}
