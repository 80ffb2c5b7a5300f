//! The CPU's forward pass against what PyTorch and transformers made of the same weights and texts,
//! within the bounds that hold on the GPU.

#[path = "../../../tests/golden/compare.rs"]
mod compare;
#[path = "../../../tests/mini/mod.rs"]
mod mini;

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use cappy::checkpoint::{MemoryFiles, WeightFormat};
use cappy::{
    Config, Conversion, ErrorKind, LoadOptions, ModelSource, RandomProfile, Scorer, Tokenizer,
};
use cappy_cpu::calibrate::convert_calibrated;
use cappy_cpu::{Cpu, Numbers};
use compare::{Bound, compare};
use pollster::block_on;
use serde_json::Value;

const MODELS: [&str; 21] = [
    "tiny",
    "odd",
    "head-128",
    "base-width",
    "large-width",
    "outliers",
    "short",
    "deep",
    "three-labels",
    "cappy-mini",
    "cappy-small",
    "xlm-roberta",
    "xlm-roberta-labels",
    "bert-cased",
    "bert-two-labels",
    "distilbert",
    "modernbert",
    "modernbert-mean",
    "modernbert-odd",
    "ettin-17m",
    "ettin-68m",
];

/// Of models of this width every sixth pair is scored: they are what takes the time.
const WIDE: u64 = 500;

fn path(relative: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(relative)
}

fn read(relative: &str) -> Value {
    serde_json::from_slice(&fs::read(path(relative)).unwrap()).unwrap()
}

fn texts(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().into()
}

fn pairs() -> Vec<(String, String)> {
    let pairs = read("tests/golden/pairs.json");
    let pairs = pairs["pairs"].as_array().unwrap();
    pairs.iter().map(|pair| (texts(pair, "instruction"), texts(pair, "response"))).collect()
}

fn source(golden: &Value) -> ModelSource {
    let source = &golden["source"];
    if let Some(directory) = source["directory"].as_str() {
        return ModelSource::Directory(path(directory));
    }
    let config = Config::from_json("config", golden["config"].to_string().as_bytes()).unwrap();
    let tokenizer = source["tokenizer"].as_str().unwrap_or("tokenizer.json");
    let json = fs::read(path("tests/golden").join(tokenizer)).unwrap();
    let tokenizer = Tokenizer::from_json("tokenizer.json", &json, &config).unwrap();
    let profile = match source["profile"].as_str().unwrap() {
        "plain" => RandomProfile::Plain,
        "outliers" => RandomProfile::Outliers,
        other => panic!("no random profile is called {other}"),
    };
    let seed = source["seed"].as_u64().unwrap() as u32;
    ModelSource::Random { config, tokenizer, seed, profile }
}

fn load(source: ModelSource, numbers: Numbers, batch_tokens: usize) -> Scorer {
    let options = LoadOptions {
        backend: Some(&Cpu { numbers: Some(numbers) }),
        batch_tokens: Some(batch_tokens),
        ..LoadOptions::default()
    };
    block_on(Scorer::load(source, options)).unwrap()
}

fn score(scorer: &Scorer, pairs: &[(String, String)]) -> Vec<Vec<f32>> {
    let pairs: Vec<_> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    block_on(scorer.score(&pairs)).unwrap().into_iter().map(|score| score.logits).collect()
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|logit| logit.to_bits()).collect()
}

/// The correlation of the first labels.
fn correlation(a: &[Vec<f64>], b: &[Vec<f32>]) -> f64 {
    let (a, b): (Vec<f64>, Vec<f64>) =
        a.iter().zip(b).map(|(a, b)| (a[0], f64::from(b[0]))).unzip();
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(&b).map(|(a, b)| of(a - mean_a, b - mean_b)).sum()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

fn golden(name: &str) -> (Value, Vec<Vec<f64>>) {
    let golden = read(&format!("tests/golden/models/{name}.json"));
    let scores: Vec<Vec<f64>> = serde_json::from_value(golden["scores"].clone()).unwrap();
    let scores = scores.into_iter().step_by(step(&golden)).collect();
    (golden, scores)
}

/// Which pairs of a model are scored: every one, or every so manieth.
fn step(golden: &Value) -> usize {
    let wide = golden["config"]["hidden_size"].as_u64().is_some_and(|width| width >= WIDE);
    if wide { 6 } else { 1 }
}

/// These pairs; BERT writes special tokens in another way.
fn some(pairs: &[(String, String)], golden: &Value) -> Vec<(String, String)> {
    let bert = golden["config"]["model_type"].as_str().is_some_and(|kind| kind.ends_with("bert"));
    let theirs = |text: &String| {
        let other = [("<pad>", "[PAD]"), ("<unk>", "[UNK]"), ("<s>", "[CLS]"), ("</s>", "[SEP]")];
        let other = other.into_iter().chain([("<mask>", "[MASK]")]);
        other.fold(text.clone(), |text, (ours, theirs)| text.replace(ours, theirs))
    };
    let pairs = pairs.iter().step_by(step(golden));
    match bert {
        true => pairs.map(|(a, b)| (theirs(a), theirs(b))).collect(),
        false => pairs.cloned().collect(),
    }
}

fn within_bounds(numbers: Numbers) {
    let pairs = pairs();
    for name in MODELS {
        let (golden, expected) = golden(name);
        let bound = match golden["bound"]["of_std"].as_f64() {
            Some(share) => Bound::OfStd(share),
            None => Bound::Absolute(golden["bound"]["absolute"].as_f64().unwrap()),
        };
        let scores = score(&load(source(&golden), numbers, 2000), &some(&pairs, &golden));
        match compare(&expected, &scores, bound) {
            Ok(worst) => println!("{name}, {numbers:?}: {:.1}% of what is allowed", worst * 100.0),
            Err(why) => panic!("{name}, {numbers:?}: {why}"),
        }
    }
}

#[test]
fn f32_scores_are_within_bounds() {
    within_bounds(Numbers::F32);
}

#[test]
fn scores_of_16_bits_are_within_bounds() {
    within_bounds(Numbers::I16);
}

#[test]
fn scores_of_8_bits_keep_their_order() {
    let pairs = pairs();
    for name in MODELS {
        let (golden, expected) = golden(name);
        let scorer = load(source(&golden), Numbers::I8, 2000);
        assert_eq!(scorer.info().weights, WeightFormat::Q8);
        let scores = score(&scorer, &some(&pairs, &golden));
        let correlation = correlation(&expected, &scores);
        println!("{name}: {correlation:.7}");
        // Plain random weights make the most of every rounding, most of all 48 layers of them.
        let least = match name {
            "outliers" => 0.9999,
            "deep" => 0.99,
            "bert-cased" | "bert-two-labels" | "distilbert" | "ettin-68m" | "xlm-roberta"
            | "xlm-roberta-labels" => 0.999,
            _ => 0.9998,
        };
        assert!(correlation >= least, "{name}: {correlation}");
    }
}

#[test]
fn every_family_can_be_rounded_by_what_it_reads() {
    let all = pairs();
    for name in ["odd", "three-labels", "xlm-roberta", "bert-two-labels", "distilbert"] {
        let (golden, expected) = golden(name);
        let pairs = some(&all, &golden);
        let texts: Vec<_> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let conversion = block_on(Conversion::open(source(&golden), &mut |_| {})).unwrap();
        let q4 = WeightFormat::Q4;
        let plain = block_on(conversion.write(Vec::new(), q4, &mut |_| {})).unwrap();
        let mut quiet = |_| {};
        let write = convert_calibrated(&conversion, Vec::new(), q4, &texts, &mut quiet);
        let [plain, calibrated] = [plain, block_on(write).unwrap()].map(|weights| {
            let tokenizer = golden["source"]["tokenizer"].as_str().unwrap_or("tokenizer.json");
            let files = MemoryFiles::new(name)
                .with("model.safetensors", weights)
                .with("config.json", golden["config"].to_string().into_bytes())
                .with("tokenizer.json", fs::read(path("tests/golden").join(tokenizer)).unwrap());
            let scorer = load(ModelSource::Files(Box::new(files)), Numbers::F32, 2000);
            distance(&expected, &score(&scorer, &pairs))
        });
        println!("{name}: {plain} by itself, {calibrated} calibrated");
        assert!(calibrated < 0.3 * plain, "{name}: {calibrated} {plain}");
    }
}

/// The mean square of what is between the logits.
fn distance(a: &[Vec<f64>], b: &[Vec<f32>]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares =
        a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - f64::from(*b)).powi(2));
    squares.sum::<f64>() / a.len() as f64
}

#[test]
fn a_score_does_not_depend_on_other_pairs_of_its_batch() {
    let pairs = pairs();
    for numbers in [Numbers::F32, Numbers::I16, Numbers::I8] {
        for name in ["odd", "cappy-mini"] {
            let (golden, _) = golden(name);
            let together = score(&load(source(&golden), numbers, 2000), &pairs);
            let scorer = load(source(&golden), numbers, 600);
            // Some order that is not theirs: 10 and the number of pairs have no common divisor.
            let order: Vec<usize> = (0..pairs.len()).map(|i| i * 10 % pairs.len()).collect();
            let mut shuffled: Vec<usize> = order.clone();
            shuffled.sort_unstable();
            shuffled.dedup();
            assert_eq!(shuffled.len(), pairs.len());
            let moved: Vec<_> = order.iter().map(|&i| pairs[i].clone()).collect();
            for (&i, moved) in order.iter().zip(score(&scorer, &moved)) {
                assert_eq!(bits(&moved), bits(&together[i]), "{name}, {numbers:?}: pair {i} moved");
            }
            for (i, together) in together.iter().enumerate() {
                let alone = score(&scorer, &pairs[i..=i]);
                assert_eq!(bits(&alone[0]), bits(together), "{name}, {numbers:?}: pair {i} alone");
            }
        }
    }
}

#[test]
fn a_stop_takes_effect_between_layers() {
    let scorer = load(ModelSource::Directory(mini::folder()), Numbers::F32, 2000);
    let asked = Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() == 2
    };
    let error = block_on(scorer.score_batch(&[("Name an animal.", "dog")], 0, &stop)).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Aborted, "layer 1"));
    assert_eq!(asked.get(), 2);
}

#[test]
fn what_only_a_gpu_has_is_refused() {
    for (kernel, dtype, option) in
        [(Some("rows"), cappy::Dtype::Auto, "kernel"), (None, cappy::Dtype::F16, "dtype")]
    {
        let options = LoadOptions {
            backend: Some(&Cpu { numbers: None }),
            kernel,
            dtype,
            ..LoadOptions::default()
        };
        let error =
            block_on(Scorer::load(ModelSource::Directory(mini::folder()), options)).err().unwrap();
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, option));
    }
}
