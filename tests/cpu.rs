//! The CPU's forward pass against what PyTorch and transformers made of the same weights and texts,
//! within the bounds that hold on the GPU.

#[path = "golden/compare.rs"]
mod compare;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cappy::checkpoint::{MemoryFiles, WeightFormat};
use cappy::cpu::Numbers;
use cappy::{
    Config, Conversion, Device, ErrorKind, LoadOptions, ModelSource, RandomProfile, Scorer,
    Tokenizer,
};
use compare::{Bound, compare};
use pollster::block_on;
use serde_json::Value;

const MODELS: [&str; 15] = [
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
    "xlm-roberta",
    "xlm-roberta-labels",
    "bert-cased",
    "bert-two-labels",
    "distilbert",
];

/// Of models of this width every sixth pair is scored: they are what takes the time.
const WIDE: u64 = 700;

fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
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
        device: Device::Cpu,
        numbers: Some(numbers),
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
            "bert-cased" | "bert-two-labels" | "distilbert" | "xlm-roberta"
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
        let write = conversion.write_calibrated(Vec::new(), q4, &texts, &mut quiet);
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
fn a_score_does_not_depend_on_its_company() {
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
    let scorer = load(ModelSource::Embedded, Numbers::F32, 2000);
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
        let options = LoadOptions { device: Device::Cpu, kernel, dtype, ..LoadOptions::default() };
        let error = block_on(Scorer::load(ModelSource::Embedded, options)).err().unwrap();
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, option));
    }
}

/// The command line where no driver is found.
fn cappy(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cappy"))
        .args(arguments)
        .envs([("VK_DRIVER_FILES", "/none.json"), ("VK_ICD_FILENAMES", "/none.json")])
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn without_an_adapter_the_cpu_computes_and_info_says_why() {
    let (code, info, error) = cappy(&["info", "--json"]);
    assert_eq!(code, Some(0), "{error}");
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["adapter"]["backend"], "cpu");
    assert_eq!(info["gpu_bytes"], 0);
    assert!(info["cpu_bytes"].as_u64().unwrap() > 1_000_000);
    let note = info["note"].as_str().unwrap();
    assert!(note.starts_with("computes on the CPU: no Vulkan"), "{note}");

    let (code, ranks, error) = cappy(&["rank", "--device", "cpu", "--json", "Which?", "a", "b"]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&ranks).unwrap().len(), 2);
    let (code, _, error) = cappy(&["rank", "--device", "gpu", "Which?", "a", "b"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("no Vulkan"), "{error}");
}

/// What `cappy info` says, and what it kept, of GPU and CPU.
fn chosen(folder: &Path, more: &[&str]) -> (Value, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_cappy"))
        .args([&["info", "--json"], more].concat())
        .env("XDG_CACHE_HOME", folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let kept = fs::read_to_string(folder.join("cappy/tuning")).unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), kept.lines().map(str::to_owned).collect())
}

/// Other systems have their cache folder elsewhere.
#[cfg(target_os = "linux")]
#[test]
fn auto_takes_what_measures_faster_and_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    let (first, kept) = chosen(folder.path(), &[]);
    let [gpu, both] = &kept[..] else { panic!("{kept:?}") };
    let words: Vec<&str> = both.splitn(4, ' ').collect();
    let [on_gpu, on_cpu] = [words[1], words[2]].map(|micros| micros.parse::<u64>().unwrap());
    let cpu_is_faster = on_cpu < on_gpu;
    assert!(first["tuning_seconds"].as_f64() > Some(0.0));
    assert_eq!(first["adapter"]["backend"] == "cpu", cpu_is_faster, "{kept:?}");
    let taken = if cpu_is_faster { "takes the CPU: " } else { "takes the GPU: " };
    assert!(first["note"].as_str().unwrap().starts_with(taken), "{}", first["note"]);

    let (again, kept_again) = chosen(folder.path(), &[]);
    assert_eq!(again["tuning_seconds"], 0.0);
    assert_eq!((&again["note"], &kept_again), (&first["note"], &kept));

    // What was measured decides, whatever the adapter is called.
    for (on_gpu, on_cpu) in [(1, 1_000_000), (1_000_000, 1)] {
        let forged = format!("{gpu}\nauto {on_gpu} {on_cpu} {}", words[3]);
        fs::write(folder.path().join("cappy/tuning"), forged).unwrap();
        let (info, _) = chosen(folder.path(), &[]);
        assert_eq!(info["adapter"]["backend"] == "cpu", on_cpu < on_gpu, "{}", info["note"]);
        assert_eq!(info["tuning_seconds"], 0.0);
    }
    // What only a GPU has is asked of the GPU, and using it alone forgets nothing.
    fs::write(folder.path().join("cappy/tuning"), format!("nonsense\n{both}")).unwrap();
    for more in [&["--device", "gpu"][..], &["--dtype", "f16"], &["--kernel", "lanes"]] {
        let (info, kept) = chosen(folder.path(), more);
        assert_ne!(info["adapter"]["backend"], "cpu", "{more:?}");
        assert_eq!(kept[1..].concat(), *both, "{more:?}");
    }
    let (info, _) = chosen(folder.path(), &["--device", "cpu"]);
    assert_eq!(info["adapter"]["backend"], "cpu");
}

#[test]
fn training_on_the_cpu_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let lines = path("tests/fixtures/io/a.jsonl");
    let (lines, out) = (lines.to_str().unwrap(), out.to_str().unwrap());
    let (code, _, error) = cappy(&["adapt", "--device", "cpu", "--train", lines, "--out", out]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("device: is the CPU, and only a GPU trains"), "{error}");
}
