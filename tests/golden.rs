//! Whole models against what PyTorch and transformers made of the same weights and texts.
//!
//! `tests/golden/make_golden.py` made the files in `tests/golden` and says how to remake them.

#[path = "golden/compare.rs"]
mod compare;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use cappy::gpu::Gpu;
use cappy::ops::matmul;
use cappy::{
    Checkpoint, Config, Dtype, Encoded, Family, LoadOptions, ModelSource, RandomProfile, Scorer,
    Tokenizer,
};
use compare::{Bound, compare};
use pollster::block_on;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The version of the files that these tests understand.
const VERSION: u64 = 1;

/// Models of more parameters or layers than this are scored a second time only in part: on a
/// software adapter every pass over all pairs takes them tens of seconds.
const LIGHT: (u64, usize) = (20_000_000, 12);

/// Tests each model on its own, so that a report names it.
macro_rules! models {
    ($($module:ident: $name:literal,)*) => {
        const MODELS: &[&str] = &[$($name),*];
        $(
            mod $module {
                #[test]
                fn tokens() {
                    super::check_tokens($name);
                }

                #[test]
                fn scores_f16() {
                    super::check_scores($name, super::Dtype::F16);
                }

                #[test]
                fn scores_f32() {
                    super::check_scores($name, super::Dtype::F32);
                }
            }
        )*
    };
}

models! {
    tiny: "tiny",
    odd: "odd",
    head_128: "head-128",
    base_width: "base-width",
    large_width: "large-width",
    outliers: "outliers",
    short: "short",
    deep: "deep",
    three_labels: "three-labels",
    xlm_roberta: "xlm-roberta",
    xlm_roberta_labels: "xlm-roberta-labels",
    bert_two_labels: "bert-two-labels",
    bert_cased: "bert-cased",
    distilbert: "distilbert",
    modernbert: "modernbert",
    modernbert_mean: "modernbert-mean",
    modernbert_odd: "modernbert-odd",
    ettin_17m: "ettin-17m",
    ettin_68m: "ettin-68m",
    cappy_mini: "cappy-mini",
    cappy_small: "cappy-small",
}

/// The tokens of models whose scores are compared on the CPU alone.
#[test]
fn modernbert_tokens() {
    for name in ["modernbert", "modernbert-mean"] {
        check_tokens(name);
    }
}

#[derive(Deserialize)]
struct Pair {
    kind: String,
    instruction: String,
    response: String,
}

/// What `tokens-*.json` says of a pair.
#[derive(Deserialize)]
struct Tokens {
    ids: Vec<u32>,
    position_ids: Vec<u32>,
    /// Tokens of type 0; all of them where it is not said.
    of_type_0: Option<usize>,
    truncated: usize,
}

/// One file of `models/`.
struct Golden {
    name: String,
    config: Config,
    source: Source,
    bound: Bound,
    scores: Vec<Vec<f64>>,
    tokens: Vec<Tokens>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Random { seed: u32, profile: String, tokenizer: Option<String> },
    Directory { directory: String },
}

/// A path in the repository.
fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn bytes(path: &PathBuf) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a golden file, which must be of the kind and version that is wanted.
fn read(file: &str, magic: &str) -> Value {
    let path = path("tests/golden").join(file);
    let value: Value = serde_json::from_slice(&bytes(&path)).unwrap();
    assert_eq!(value["magic"], magic, "{file}");
    assert_eq!(value["version"], VERSION, "{file}");
    value
}

fn field<T: DeserializeOwned>(value: &Value, name: &str) -> T {
    serde_json::from_value(value[name].clone()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn config(value: &Value) -> Config {
    Config::from_json("config", value["config"].to_string().as_bytes()).unwrap()
}

fn profile(name: &str) -> RandomProfile {
    match name {
        "plain" => RandomProfile::Plain,
        "outliers" => RandomProfile::Outliers,
        _ => panic!("no random profile is called {name}"),
    }
}

fn pairs() -> Vec<Pair> {
    field(&read("pairs.json", "cappy-golden-pairs"), "pairs")
}

impl Golden {
    fn read(name: &str) -> Golden {
        let value = read(&format!("models/{name}.json"), "cappy-golden-scores");
        assert_eq!(value["name"], name);
        let tokens_file: String = field(&value["source"], "tokens");
        let tokens = read(&tokens_file, "cappy-golden-tokens");
        let most_tokens: usize = field(&value, "max_tokens");
        let config = config(&value);
        assert_eq!(config.max_tokens(), most_tokens);
        let bound = match (value["bound"]["of_std"].as_f64(), value["bound"]["absolute"].as_f64()) {
            (Some(share), None) => Bound::OfStd(share),
            (None, Some(bound)) => Bound::Absolute(bound),
            _ => panic!("{name} has no bound"),
        };
        Golden {
            name: name.into(),
            source: field(&value, "source"),
            bound,
            scores: field(&value, "scores"),
            tokens: field(&tokens, &most_tokens.to_string()),
            config,
        }
    }

    /// The pairs; BERT writes special tokens in another way.
    fn pairs(&self) -> Vec<Pair> {
        let mut pairs = pairs();
        if matches!(self.config.family, Family::Bert | Family::DistilBert | Family::ModernBert) {
            let other = [
                ("<pad>", "[PAD]"),
                ("<unk>", "[UNK]"),
                ("<s>", "[CLS]"),
                ("</s>", "[SEP]"),
                ("<mask>", "[MASK]"),
            ];
            for (ours, theirs) in other {
                for pair in &mut pairs {
                    pair.instruction = pair.instruction.replace(ours, theirs);
                    pair.response = pair.response.replace(ours, theirs);
                }
            }
        }
        pairs
    }

    fn tokenizer(&self) -> Tokenizer {
        let json = match &self.source {
            Source::Random { tokenizer, .. } => {
                let file = tokenizer.as_deref().unwrap_or("tokenizer.json");
                bytes(&path("tests/golden").join(file))
            }
            Source::Directory { directory } => bytes(&path(directory).join("tokenizer.json")),
        };
        Tokenizer::from_json("tokenizer.json", &json, &self.config).unwrap()
    }

    fn load(&self, dtype: Dtype, batch_tokens: usize) -> Scorer {
        self.load_with(dtype, batch_tokens, None)
    }

    fn load_with(&self, dtype: Dtype, batch_tokens: usize, kernel: Option<&str>) -> Scorer {
        let source = match &self.source {
            Source::Random { seed, profile: name, .. } => ModelSource::Random {
                config: self.config.clone(),
                tokenizer: self.tokenizer(),
                seed: *seed,
                profile: profile(name),
            },
            Source::Directory { directory } => ModelSource::Directory(path(directory)),
        };
        load(source, dtype, batch_tokens, kernel)
    }
}

/// Fails, instead of taking another path, where the adapter lacks f16.
fn load(source: ModelSource, dtype: Dtype, batch_tokens: usize, kernel: Option<&str>) -> Scorer {
    let batch_tokens = Some(batch_tokens);
    let options = LoadOptions { dtype, batch_tokens, kernel, ..LoadOptions::default() };
    let scorer = block_on(Scorer::load(source, options)).unwrap();
    assert_eq!(scorer.info().dtype, dtype);
    scorer
}

fn check_tokens(name: &str) {
    let golden = Golden::read(name);
    let tokenizer = golden.tokenizer();
    let pairs = golden.pairs();
    assert!(pairs.len() >= 60);
    assert_eq!(golden.tokens.len(), pairs.len());
    for (pair, expected) in pairs.iter().zip(&golden.tokens) {
        let Encoded { ids, position_ids, type_ids, truncated } =
            tokenizer.encode_pair(&pair.instruction, &pair.response).unwrap();
        assert_eq!(ids, expected.ids, "{}: ids", pair.kind);
        // DistilBERT's tokenizer has types, its model has none.
        let all = ids.len();
        let of_type_0 = match golden.config.family {
            Family::Bert => expected.of_type_0.unwrap(),
            _ => all,
        };
        let types: Vec<u32> = (0..all).map(|at| u32::from(at >= of_type_0)).collect();
        assert_eq!(type_ids, types, "{}: token types", pair.kind);
        assert_eq!(position_ids, expected.position_ids, "{}: position ids", pair.kind);
        assert_eq!(truncated, expected.truncated, "{}: cut tokens", pair.kind);
    }
}

fn check_scores(name: &str, dtype: Dtype) {
    let golden = Golden::read(name);
    let all: Vec<usize> = (0..pairs().len()).collect();
    let scorer = golden.load(dtype, 4000);
    let batch = score(&scorer, &all, &golden);
    match compare(&golden.scores, &batch, golden.bound) {
        Ok(worst) => println!("{name}, {dtype:?}: {:.1}% of what is allowed", worst * 100.0),
        Err(why) => panic!("{name}, {dtype:?}: {why}"),
    }

    let order = shuffled(all.len());
    let heavy = scorer.info().parameters > LIGHT.0 || golden.config.num_hidden_layers > LIGHT.1;
    let alone = if heavy { some(&order, &golden, 12, 1000) } else { order.clone() };
    for i in alone {
        let score = score(&scorer, &[i], &golden);
        assert_eq!(bits(&score[0]), bits(&batch[i]), "{name}, {dtype:?}: pair {i} alone");
    }
    drop(scorer);

    let scorer = golden.load(dtype, 700);
    let again = if heavy { some(&order, &golden, all.len(), 1000) } else { order };
    for (i, score) in again.iter().zip(score(&scorer, &again, &golden)) {
        assert_eq!(bits(&score), bits(&batch[*i]), "{name}, {dtype:?}: pair {i} in another batch");
    }
}

/// Which variants run depends on the adapter; here each of them runs everything.
#[test]
fn every_variant_scores_within_bounds() {
    let plain = matmul::VARIANTS.iter().filter(|variant| !needs_matrix_units(variant));
    plain.for_each(|variant| scores_within_bounds(variant.name));
}

/// Fails where the adapter has tiles of neither size.
#[test]
#[ignore = "needs matrix units: a GPU with cooperative matrices, or lavapipe 26"]
fn matrix_units_score_within_bounds() {
    let sides = block_on(Gpu::open(Dtype::F16)).unwrap().adapter().cooperative.clone();
    let variants = matmul::VARIANTS.iter().filter(|variant| needs_matrix_units(variant));
    let here = variants.filter(|variant| {
        sides.iter().any(|&side| variant.order == matmul::Order::Cooperative { side })
    });
    assert!(here.clone().count() > 0, "{sides:?}");
    here.for_each(|variant| scores_within_bounds(variant.name));
}

fn needs_matrix_units(variant: &matmul::Variant) -> bool {
    matches!(variant.order, matmul::Order::Cooperative { .. })
}

fn scores_within_bounds(kernel: &str) {
    for name in ["odd", "cappy-mini"] {
        let golden = Golden::read(name);
        let scorer = golden.load_with(Dtype::F16, 1000, Some(kernel));
        assert_eq!(scorer.info().kernels, kernel);
        let all: Vec<usize> = (0..pairs().len()).collect();
        let batch = score(&scorer, &all, &golden);
        if let Err(why) = compare(&golden.scores, &batch, golden.bound) {
            panic!("{name} by {kernel}: {why}");
        }
        let alone = score(&scorer, &[3], &golden);
        assert_eq!(bits(&alone[0]), bits(&batch[3]), "{name} by {kernel}: alone");
    }
}

/// The logits of the pairs numbered `which`, once their token counts are seen to be right.
fn score(scorer: &Scorer, which: &[usize], golden: &Golden) -> Vec<Vec<f32>> {
    let pairs = golden.pairs();
    let texts: Vec<(&str, &str)> = which
        .iter()
        .map(|i| (pairs[*i].instruction.as_str(), pairs[*i].response.as_str()))
        .collect();
    let scores = block_on(scorer.score(&texts)).unwrap();
    assert_eq!(scores.len(), which.len(), "{}", golden.name);
    for (i, score) in which.iter().zip(&scores) {
        let expected = (golden.tokens[*i].ids.len(), golden.tokens[*i].truncated);
        assert_eq!((score.tokens, score.truncated), expected, "{}: pair {i}", golden.name);
    }
    scores.into_iter().map(|score| score.logits).collect()
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|logit| logit.to_bits()).collect()
}

/// The numbers below `count` in another order, always the same.
fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = 1u64;
    for i in (1..count).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, (state >> 33) as usize % (i + 1));
    }
    order
}

/// The first `most` pairs of `order` that together have at most `most_tokens` tokens.
fn some(order: &[usize], golden: &Golden, most: usize, most_tokens: usize) -> Vec<usize> {
    let mut left = most_tokens;
    let mut fits = |i: &usize| match left.checked_sub(golden.tokens[*i].ids.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let some: Vec<usize> = order.iter().copied().filter(|i| fits(i)).take(most).collect();
    assert!(some.len() >= 12, "{}: only {} pairs", golden.name, some.len());
    some
}

#[test]
fn every_golden_file_is_tested() {
    let files = fs::read_dir(path("tests/golden/models")).unwrap();
    let files: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, MODELS.iter().map(|name| format!("{name}.json")).collect());
}

/// One tensor of `random_values.json`.
#[derive(Deserialize)]
struct RandomValues {
    name: String,
    shape: Vec<usize>,
    seed: u32,
    profile: String,
    fnv1a32_of_le_bytes: u32,
    samples_as_bits: Vec<(usize, u32)>,
}

#[test]
fn random_weights_follow_the_recipe() {
    let value = read("random_values.json", "cappy-golden-random-values");
    let config = config(&value);
    let tensors: Vec<RandomValues> = field(&value, "tensors");
    assert!(tensors.len() > 60);
    for expected in tensors {
        let RandomValues { name, shape, seed, .. } = &expected;
        let checkpoint = Checkpoint::random(&config, *seed, profile(&expected.profile));
        let tensor = checkpoint.get(name, shape).unwrap();
        let mut values = Vec::new();
        block_on(tensor.read_rows(0..shape[0], &mut values)).unwrap();
        assert_eq!(values.len(), shape.iter().product::<usize>(), "{name}");
        for (i, bits) in &expected.samples_as_bits {
            let wanted = f32::from_bits(*bits);
            assert_eq!(values[*i].to_bits(), *bits, "{name}[{i}]: {} for {wanted}", values[*i]);
        }
        let hash = values.iter().flat_map(|value| value.to_le_bytes()).fold(0x811c_9dc5, fnv1a32);
        assert_eq!(hash, expected.fnv1a32_of_le_bytes, "{name}: some value");
    }
}

fn fnv1a32(hash: u32, byte: u8) -> u32 {
    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}
