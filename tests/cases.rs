//! Folders as people have them, against the scores that transformers or sentence-transformers gives.
//!
//! Each folder of `tests/golden/cases` holds the small files of a tiny model, `weights.json` beside
//! them which of the files in `weights` is its `model.safetensors`, and `expected.json` the scores
//! in f32.

#[path = "golden/compare.rs"]
mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cappy::checkpoint::MemoryFiles;
use cappy::{Device, Dtype, LoadOptions, ModelSource, Scorer};
use compare::{Bound, compare};
use pollster::block_on;
use serde::Deserialize;

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
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases")
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

fn check(case: &str, device: Device, dtype: Dtype) {
    let (pairs, expected) = Expected::read().of(case);
    let scored = score(files(case), device, dtype, &pairs);
    match compare(&expected, &scored, ALLOWED) {
        Ok(worst) => println!("{case}: {:.1}% of what is allowed", worst * 100.0),
        Err(why) => panic!("{case}: {why}"),
    }
}

fn score(files: MemoryFiles, device: Device, dtype: Dtype, pairs: &Pairs) -> Vec<Vec<f32>> {
    let options = LoadOptions { device, dtype, ..LoadOptions::default() };
    let scorer = block_on(Scorer::load(ModelSource::Files(Box::new(files)), options)).unwrap();
    assert_eq!(scorer.info().dtype, dtype);
    assert_eq!(scorer.info().adapter.backend == "cpu", device == Device::Cpu);
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

#[test]
fn every_case_is_tested() {
    let Expected { scores, others, .. } = Expected::read();
    let expected: BTreeSet<String> = scores.into_keys().chain(others.into_keys()).collect();
    let tested: BTreeSet<String> = CASES.iter().map(|case| (*case).into()).collect();
    assert_eq!(tested, expected);
    let beside = ["expected.json", "weights", "weights.json"];
    let mut there = names(&folder());
    there.retain(|name| !beside.contains(&&name[..]));
    assert_eq!(tested, there);
}
