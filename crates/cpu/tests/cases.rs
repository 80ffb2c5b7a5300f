//! Folders as people have them, against the scores that transformers or sentence-transformers gives.
//!
//! Each folder of `tests/golden/cases` holds the small files of a tiny model, `weights.json` beside
//! them which of the files in `weights` is its `model.safetensors`, and `expected.json` the scores
//! in f32. `variants.json` has more, made by `tests/golden/make_cases.py`.

#[path = "../../../tests/golden/compare.rs"]
mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cappy::checkpoint::{MemoryFiles, WeightFormat};
use cappy::{Backend, Conversion, Dtype, GpuBackend, LoadOptions, ModelSource, Scorer};
use cappy_cpu::Cpu;
use compare::{Bound, compare};
use pollster::block_on;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How far a score may be from the reference, in standard deviations of the reference's scores.
const ALLOWED: Bound = Bound::OfStd(0.02);

/// Tests each case on the GPU in both precisions and on the CPU, so that a report names it.
macro_rules! cases {
    ($($module:ident: $name:literal,)*) => {
        const CASES: &[&str] = &[$($name),*];
        $(
            mod $module {
                use super::{Device, Dtype};

                #[test]
                fn gpu_f16() {
                    super::check($name, Device::Gpu, Dtype::F16);
                }

                #[test]
                fn gpu_f32() {
                    super::check($name, Device::Gpu, Dtype::F32);
                }

                #[test]
                fn cpu() {
                    super::check($name, Device::Cpu, Dtype::F32);
                }
            }
        )*
    };
}

cases! {
    cfg_extra_activation: "cfg-extra-activation",
    cfg_extra_hidden_dim: "cfg-extra-hidden-dim",
    cfg_no_act: "cfg-no-act",
    cfg_no_eps_bert: "cfg-no-eps-bert",
    lower_mismatch: "lower-mismatch",
    only_vocab_txt: "only-vocab-txt",
    pad_roberta_missing: "pad-roberta-missing",
    prefix_mismatch: "prefix-mismatch",
    slow_added: "slow-added",
    st_max_length: "st-max-length",
    tok_seq_pre: "tok-seq-pre",
    typeless_bert: "typeless-bert",
    w_gamma_bert: "w-gamma-bert",
}

type Pairs = Vec<(String, String)>;
type Scores = Vec<Vec<f64>>;

#[derive(Deserialize)]
struct Expected {
    pairs: Pairs,
    scores: BTreeMap<String, Scores>,
    /// Cases with pairs of their own.
    others: BTreeMap<String, Other>,
}

#[derive(Deserialize)]
struct Other {
    pairs: Pairs,
    scores: Scores,
}

impl Expected {
    fn read() -> Expected {
        json("expected.json")
    }

    /// The pairs of a case, and what the reference scores them.
    fn of(mut self, case: &str) -> (Pairs, Scores) {
        match self.others.remove(case) {
            Some(Other { pairs, scores }) => (pairs, scores),
            None => (self.pairs, self.scores.remove(case).unwrap()),
        }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/cases")
}

fn json<T: serde::de::DeserializeOwned>(file: &str) -> T {
    serde_json::from_slice(&fs::read(folder().join(file)).unwrap()).unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The files of a case, its weights among them.
fn files(case: &str) -> MemoryFiles {
    let weights: BTreeMap<String, String> = json("weights.json");
    let weights = folder().join("weights").join(format!("{}.safetensors", weights[case]));
    let small = names(&folder().join(case)).into_iter();
    small.fold(
        MemoryFiles::new(case).with("model.safetensors", fs::read(weights).unwrap()),
        |files, name| {
            let bytes = fs::read(folder().join(case).join(&name)).unwrap();
            files.with(&name, bytes)
        },
    )
}

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Device {
    Gpu,
    Cpu,
}

impl Device {
    fn backend(self) -> &'static dyn Backend {
        match self {
            Device::Gpu => &GpuBackend,
            Device::Cpu => &Cpu { numbers: None },
        }
    }
}

/// The pairs of `st-max-length` are one text that is cut in different places, so their scores are a
/// third as far apart as others of the same weights, while rounding to f16 on the GPU is the same.
/// There the spread of the same weights' scores on the common pairs counts.
fn allowed(case: &str, device: Device) -> Bound {
    let Bound::OfStd(share) = ALLOWED else { unreachable!() };
    if case != "st-max-length" || device == Device::Cpu {
        return ALLOWED;
    }
    let (_, common) = Expected::read().of("cfg-no-act");
    Bound::Absolute(share * compare::std(&common.concat()))
}

fn check(case: &str, device: Device, dtype: Dtype) {
    let (pairs, expected) = Expected::read().of(case);
    let scored = score(files(case), device, dtype, &pairs);
    match compare(&expected, &scored, allowed(case, device)) {
        Ok(worst) => println!("{case}: {:.1}% of what is allowed", worst * 100.0),
        Err(why) => panic!("{case}: {why}"),
    }
}

fn load(files: MemoryFiles, device: Device, dtype: Dtype) -> Scorer {
    let options = LoadOptions { backend: Some(device.backend()), dtype, ..LoadOptions::default() };
    let scorer = block_on(Scorer::load(ModelSource::Files(Box::new(files)), options)).unwrap();
    assert_eq!(scorer.info().dtype, dtype);
    assert_eq!(scorer.info().adapter.backend == "cpu", device == Device::Cpu);
    scorer
}

fn score(files: MemoryFiles, device: Device, dtype: Dtype, pairs: &Pairs) -> Vec<Vec<f32>> {
    logits(&load(files, device, dtype), pairs)
}

fn logits(scorer: &Scorer, pairs: &Pairs) -> Vec<Vec<f32>> {
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&a[..], &b[..])).collect();
    let scores = block_on(scorer.score(&pairs)).unwrap();
    scores.into_iter().map(|score| score.logits).collect()
}

#[test]
fn the_comparison_fails_on_swapped_and_on_missing_data() {
    let (_, expected) = Expected::read().of("cfg-no-act");
    let as_scored = |scores: &Scores| -> Vec<Vec<f32>> {
        scores.iter().map(|logits| logits.iter().map(|logit| *logit as f32).collect()).collect()
    };
    let scored = as_scored(&expected);
    assert!(compare(&expected, &scored, ALLOWED).is_ok());
    for (i, j) in [(0, 1), (4, 10), (14, 15)] {
        let mut swapped = scored.clone();
        swapped.swap(i, j);
        assert!(compare(&expected, &swapped, ALLOWED).is_err(), "{i} and {j}");
    }
    let mut nan = scored.clone();
    nan[3][0] = f32::NAN;
    assert!(compare(&expected, &nan, ALLOWED).is_err());
    assert!(compare(&expected, &scored[1..], ALLOWED).is_err());
    // The scores of the same weights with another tokenizer are not near enough.
    let (_, other) = Expected::read().of("prefix-mismatch");
    assert!(compare(&expected, &as_scored(&other), ALLOWED).is_err());
}

/// `variants.json`: cases with files that are changed or added.
#[derive(Deserialize)]
struct Variants {
    pairs: Pairs,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    case: String,
    files: BTreeMap<String, String>,
    /// What sentence-transformers applies to the scores.
    function: Option<String>,
    scores: Scores,
}

fn check_variants(device: Device, dtype: Dtype) {
    let Variants { pairs, variants } = json("variants.json");
    assert!(variants.len() > 20);
    for Variant { name, case, files: changed, function, scores } in variants {
        let add = |files: MemoryFiles, (name, text): (&String, &String)| {
            files.with(name, text.clone().into_bytes())
        };
        let scorer = load(changed.iter().fold(files(&case), add), device, dtype);
        if let Err(why) = compare(&scores, &logits(&scorer, &pairs), ALLOWED) {
            panic!("{name}, {device:?}, {dtype:?}: {why}");
        }
        let told = function.map(|function| format!("applies {function} to it"));
        let output = &scorer.info().output;
        assert_eq!(output.contains("applies"), told.is_some(), "{name}: {output}");
        assert!(output.contains(&told.unwrap_or_default()), "{name}: {output}");
    }
}

#[test]
fn variants_on_the_gpu_in_f16() {
    check_variants(Device::Gpu, Dtype::F16);
}

#[test]
fn variants_on_the_gpu_in_f32() {
    check_variants(Device::Gpu, Dtype::F32);
}

#[test]
fn variants_on_the_cpu() {
    check_variants(Device::Cpu, Dtype::F32);
}

/// The same safetensors file with numbers of f64, and LayerNorms named as older checkpoints do.
fn in_f64_and_older(file: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let mut older = Map::new();
    for (name, mut tensor) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        assert_eq!(tensor["dtype"], "F32", "{name}");
        tensor["dtype"] = "F64".into();
        for offset in tensor["data_offsets"].as_array_mut().unwrap() {
            *offset = (2 * offset.as_u64().unwrap()).into();
        }
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
        older.insert(name.replace("LayerNorm.bias", "LayerNorm.beta"), tensor);
    }
    assert!(older.keys().any(|name| name.ends_with("LayerNorm.gamma")));
    let header = serde_json::to_vec(&older).unwrap();
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header);
    let numbers = file[8 + length..].as_chunks().0.iter();
    out.extend(numbers.flat_map(|number| f64::from(f32::from_le_bytes(*number)).to_le_bytes()));
    out
}

#[test]
fn f64_and_older_names_give_the_same_bits_scored_and_converted() {
    let (pairs, _) = Expected::read().of("cfg-no-act");
    for (case, weights) in [("cfg-no-act", "roberta"), ("cfg-no-eps-bert", "bert")] {
        let file = fs::read(folder().join(format!("weights/{weights}.safetensors"))).unwrap();
        let older = || files(case).with("model.safetensors", in_f64_and_older(&file));
        for (device, dtype) in [(Device::Gpu, Dtype::F16), (Device::Cpu, Dtype::F32)] {
            let expected = score(files(case), device, dtype, &pairs);
            assert_eq!(score(older(), device, dtype, &pairs), expected, "{case}");
        }
        let converted = |files: MemoryFiles, format: WeightFormat| {
            let source = ModelSource::Files(Box::new(files));
            let conversion = block_on(Conversion::open(source, &mut |_| {})).unwrap();
            block_on(conversion.write(Vec::new(), format, &mut |_| {})).unwrap()
        };
        for format in [WeightFormat::F16, WeightFormat::Q8, WeightFormat::Q4] {
            assert!(converted(older(), format) == converted(files(case), format), "{format}");
        }
    }
}

#[test]
fn a_converted_model_keeps_its_prompt_and_its_length() {
    let Variants { variants, .. } = json("variants.json");
    let variant = variants.iter().find(|variant| variant.name == "a prompt and a length").unwrap();
    let add = |files: MemoryFiles, (name, text): (&String, &String)| {
        files.with(name, text.clone().into_bytes())
    };
    let source = ModelSource::Files(Box::new(variant.files.iter().fold(files(&variant.case), add)));
    let conversion = block_on(Conversion::open(source, &mut |_| {})).unwrap();
    let kept: Vec<_> = block_on(conversion.small_files()).unwrap();
    for (name, text) in &variant.files {
        assert!(
            kept.iter().any(|(kept, bytes)| kept == name && bytes == text.as_bytes()),
            "{name}"
        );
    }
}

#[test]
fn every_case_is_tested() {
    let Expected { scores, others, .. } = Expected::read();
    let expected: BTreeSet<String> = scores.into_keys().chain(others.into_keys()).collect();
    let tested: BTreeSet<String> = CASES.iter().map(|case| (*case).into()).collect();
    assert_eq!(tested, expected);
    let beside = ["expected.json", "variants.json", "weights", "weights.json"];
    let mut there = names(&folder());
    there.retain(|name| !beside.contains(&&name[..]));
    assert_eq!(tested, there);
}
