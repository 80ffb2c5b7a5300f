//! ModernBERT beyond single models of `tests/golden/models`: folders of sentence-transformers'
//! `CrossEncoder` whose head is a chain of modules, and a pair of 4,096 tokens.
//!
//! `tests/golden/make_chains.py` and `tests/golden/make_long.py` made what is expected.

#[path = "../../../tests/golden/compare.rs"]
mod compare;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use cappy::adapt::{Adaptation, Depth, Plan, Recipe, Settings, examples};
use cappy::checkpoint::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, Checkpoint, Dtype, MemoryFiles, WeightFormat, Writer,
    tensor_shapes,
};
use cappy::{
    Config, Conversion, ErrorKind, LoadOptions, ModelSource, RandomProfile, Scorer, Tokenizer,
};
use cappy_cpu::{Cpu, Numbers};
use compare::{Bound, compare};
use pollster::block_on;
use serde::Deserialize;

const ALLOWED: Bound = Bound::OfStd(0.02);

#[derive(Deserialize)]
struct Chains {
    seed: u32,
    tokenizer: String,
    pairs: Vec<(String, String)>,
    chains: Vec<Chain>,
}

#[derive(Deserialize)]
struct Chain {
    name: String,
    files: BTreeMap<String, String>,
    function: String,
    scores: Vec<Vec<f64>>,
}

fn golden(file: &str) -> Vec<u8> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden"));
    fs::read(folder.join(file)).unwrap()
}

/// What computes.
#[derive(Debug, Clone, Copy)]
enum On {
    Cpu(Numbers),
    Gpu(cappy::Dtype),
}

const ALL: [On; 4] = [
    On::Cpu(Numbers::F32),
    On::Cpu(Numbers::I16),
    On::Gpu(cappy::Dtype::F16),
    On::Gpu(cappy::Dtype::F32),
];

fn load(source: ModelSource, on: On, weights: Option<WeightFormat>) -> Scorer {
    let options = LoadOptions { weights, ..LoadOptions::default() };
    let loaded = match on {
        On::Cpu(numbers) => {
            let backend = Cpu { numbers: Some(numbers) };
            block_on(Scorer::load(source, LoadOptions { backend: Some(&backend), ..options }))
        }
        // Fewer tokens a batch than the longest pair has, which makes a batch of its own.
        On::Gpu(dtype) => {
            let batch_tokens = Some(600);
            block_on(Scorer::load(source, LoadOptions { dtype, batch_tokens, ..options }))
        }
    };
    let scorer = loaded.unwrap();
    assert_eq!(scorer.info().adapter.backend == "cpu", matches!(on, On::Cpu(_)), "{on:?}");
    scorer
}

fn score(scorer: &Scorer, pairs: &[(String, String)]) -> Vec<Vec<f32>> {
    let pairs: Vec<_> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    block_on(scorer.score(&pairs)).unwrap().into_iter().map(|score| score.logits).collect()
}

fn from(files: MemoryFiles) -> ModelSource {
    ModelSource::Files(Box::new(files))
}

impl Chains {
    fn read() -> Chains {
        serde_json::from_slice(&golden("chains.json")).unwrap()
    }

    /// The folder of a chain: its small files, and weights in the file of each module.
    fn folder(&self, chain: &Chain) -> MemoryFiles {
        let small =
            MemoryFiles::new(chain.name.clone()).with("tokenizer.json", golden(&self.tokenizer));
        let mut folder = chain
            .files
            .iter()
            .fold(small, |files, (name, text)| files.with(name.clone(), text.clone().into_bytes()));
        let (config, random) = self.class_of(chain);
        let last = if chain.files.contains_key("4_Dense/config.json") { "4" } else { "5" };
        for (prefix, theirs, folder_of) in [
            ("model.", "", String::new()),
            ("head.dense.", "linear.", "2_Dense/".into()),
            ("head.norm.", "norm.", "3_LayerNorm/".into()),
            ("classifier.", "linear.", format!("{last}_Dense/")),
        ] {
            let all = tensor_shapes(&config).into_iter();
            let chosen: Vec<_> = all.filter(|(name, _)| name.starts_with(prefix)).collect();
            let renamed: Vec<_> = chosen
                .iter()
                .map(|(name, shape)| (name.replacen(prefix, theirs, 1), shape.clone()))
                .collect();
            let mut writer = Writer::new(Vec::new(), "weights", &renamed, Dtype::F32).unwrap();
            for (name, shape) in &chosen {
                let tensor = random.get(name, shape).unwrap();
                let mut numbers = Vec::new();
                block_on(tensor.read_rows(0..tensor.rows(), &mut numbers)).unwrap();
                writer.write(&numbers).unwrap();
            }
            folder = folder.with(format!("{folder_of}model.safetensors"), writer.finish().unwrap());
        }
        folder
    }

    /// The class that computes the same, and its random weights.
    fn class_of(&self, chain: &Chain) -> (Config, Checkpoint) {
        let mut json: serde_json::Value =
            serde_json::from_str(&chain.files["config.json"]).unwrap();
        json["architectures"] = serde_json::json!(["ModernBertForSequenceClassification"]);
        json["num_labels"] = chain.scores[0].len().into();
        let mut config = Config::from_json("config.json", json.to_string().as_bytes()).unwrap();
        let of = config.modernbert.as_mut().unwrap();
        of.head_norm_bias = true;
        of.head_bias = chain.name == "other";
        of.project_bias = chain.name != "other";
        let random = Checkpoint::random(&config, self.seed, RandomProfile::Plain);
        (config, random)
    }
}

#[test]
fn chains_of_modules_score_as_sentence_transformers_does() {
    let chains = Chains::read();
    assert_eq!(chains.chains.len(), 2);
    for chain in &chains.chains {
        for on in ALL {
            let scorer = load(from(chains.folder(chain)), on, None);
            match compare(&chain.scores, &score(&scorer, &chains.pairs), ALLOWED) {
                Ok(worst) => println!("{}, {on:?}: {:.1}%", chain.name, 100.0 * worst),
                Err(why) => panic!("{}, {on:?}: {why}", chain.name),
            }
            let told = format!("applies {} to it", chain.function);
            assert!(scorer.info().output.ends_with(&told), "{}", scorer.info().output);
        }
    }
    // The comparison is none that anything passes: one chain's scores are not the other's.
    let scores = |chain: &Chain| -> Vec<Vec<f32>> {
        let first = |logits: &Vec<f64>| vec![logits[0] as f32];
        chain.scores.iter().map(first).collect()
    };
    let [first, second] = [0, 1].map(|i| scores(&chains.chains[i]));
    let expected = &chains.chains[0].scores;
    assert!(compare(expected, &first, ALLOWED).is_ok());
    assert!(compare(expected, &second, ALLOWED).is_err());
}

#[test]
fn a_converted_chain_is_one_file_of_the_same_scores() {
    let chains = Chains::read();
    for chain in &chains.chains {
        let conversion =
            block_on(Conversion::open(from(chains.folder(chain)), &mut |_| {})).unwrap();
        let small = block_on(conversion.small_files()).unwrap();
        // Plain random weights make the most of every rounding.
        let formats = [(WeightFormat::F16, ALLOWED), (WeightFormat::Q8, Bound::OfStd(0.08))];
        for (format, allowed) in formats {
            let weights = block_on(conversion.write(Vec::new(), format, &mut |_| {})).unwrap();
            let one = MemoryFiles::new("converted").with("model.safetensors", weights);
            let one = small.iter().fold(one, |one, (name, bytes)| {
                assert!(!name.ends_with(".safetensors"), "{name}");
                one.with(name.clone(), bytes.clone())
            });
            for on in [On::Cpu(Numbers::F32), On::Gpu(cappy::Dtype::F16)] {
                let converted = score(&load(from(one.clone()), on, None), &chains.pairs);
                match compare(&chain.scores, &converted, allowed) {
                    Ok(worst) => {
                        println!("{}, {format}, {on:?}: {:.1}%", chain.name, 100.0 * worst)
                    }
                    Err(why) => panic!("{}, {format}, {on:?}: {why}", chain.name),
                }
            }
        }
    }
}

/// Eight examples, of which half should score high.
const LESSONS: &str = r#"
{"instruction": "Which animal barks?", "response": "A dog.", "label": 1}
{"instruction": "Which animal barks?", "response": "A cat.", "label": 0}
{"instruction": "What is red?", "response": "A tomato.", "label": 1}
{"instruction": "What is red?", "response": "Grass.", "label": 0}
{"instruction": "Who paints?", "response": "The painter.", "label": 1}
{"instruction": "Who paints?", "response": "Nobody knows, and who would ask?", "label": 0}
{"instruction": "Count to two.", "response": "One, two.", "label": 1}
{"instruction": "Count to two.", "response": "Seven.", "label": 0}
"#;

/// A chain that was trained and written as a whole scores with about the loss of its last step, and so does the chain
/// as it was with the adapter loaded onto it. Neither would if a module's tensors were written under another name.
#[test]
fn a_chain_learns_at_every_depth_and_scores_what_it_learned() {
    let chains = Chains::read();
    let chain = &chains.chains[0];
    let lessons = examples::read("lessons", LESSONS.as_bytes()).unwrap();
    let set = Recipe { seed: 0, size: Some(320), held_out: 0.0 }.prepare(&lessons, &|_, _| 0.0);
    let pairs: Vec<(String, String)> =
        set.train.iter().map(|pair| (pair.instruction.clone(), pair.response.clone())).collect();
    // The mean squared error of logits, which is the loss.
    let error = |scorer: &Scorer| -> f32 {
        let logits = score(scorer, &pairs);
        let squares =
            logits.iter().zip(&set.train).map(|(got, pair)| (got[0] - pair.label).powi(2));
        squares.sum::<f32>() / pairs.len() as f32
    };
    let before = error(&load(from(chains.folder(chain)), On::Gpu(cappy::Dtype::F32), None));
    for depth in [Depth::Head, Depth::Lora { rank: 4, alpha: 8.0 }, Depth::Full] {
        let learning_rate = if depth == Depth::Full { 2e-4 } else { 4e-3 };
        let settings = Settings { learning_rate, batch: 8, seed: 3, ..Settings::new(depth) };
        let source = from(chains.folder(chain));
        let mut silent = |_: &Plan| {};
        let load_one =
            Adaptation::load(source, &set, settings, LoadOptions::default(), &mut silent);
        let mut adaptation = block_on(load_one).unwrap();
        while block_on(adaptation.step(&|| false)).unwrap().is_some() {}

        let mut weights = Vec::new();
        block_on(adaptation.write_checkpoint(&mut weights, Dtype::F32)).unwrap();
        let whole = MemoryFiles::new("whole").with("model.safetensors", weights);
        let small = block_on(adaptation.small_files()).unwrap();
        let whole = small.into_iter().fold(whole, |whole, (name, bytes)| whole.with(name, bytes));
        let whole = load(from(whole), On::Gpu(cappy::Dtype::F32), None);
        let learned = error(&whole);
        assert!(learned < 0.01 * before, "{depth:?}: an error of {before} before, {learned} after");
        // The loss of the last step is computed before its update, which is small.
        let told = adaptation.history().steps.last().unwrap().loss;
        assert!((learned - told).abs() < 5e-4, "{depth:?}: {learned}, in training {told}");

        if depth != Depth::Full {
            let mut weights = Vec::new();
            block_on(adaptation.write_adapter(&mut weights)).unwrap();
            let mut adapter = MemoryFiles::new("adapter").with(ADAPTER_WEIGHTS, weights);
            if depth != Depth::Head {
                let config = adaptation.adapter_config(None).to_string().into_bytes();
                adapter = adapter.with(ADAPTER_CONFIG, config);
            }
            let adaptation = Some(Box::new(adapter) as Box<dyn cappy::checkpoint::Files>);
            let options =
                LoadOptions { dtype: cappy::Dtype::F32, adaptation, ..LoadOptions::default() };
            let adapted = block_on(Scorer::load(from(chains.folder(chain)), options)).unwrap();
            let scores = |scorer| -> Vec<Vec<f64>> {
                let wide = |logits: Vec<f32>| logits.into_iter().map(f64::from).collect();
                score(scorer, &pairs).into_iter().map(wide).collect()
            };
            if let Err(why) = compare(&scores(&whole), &score(&adapted, &pairs), ALLOWED) {
                panic!("{depth:?}: {why}");
            }
        }
    }
}

#[test]
fn an_unknown_module_is_an_error_that_names_it() {
    let chains = Chains::read();
    let chain = &chains.chains[0];
    let modules =
        chain.files["modules.json"].replace("layer_norm.LayerNorm", "normalize.Normalize");
    let files = chains.folder(chain).with("modules.json", modules.into_bytes());
    let error = block_on(Scorer::load(from(files), LoadOptions::default())).err().unwrap();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Config, "modules.json"));
    assert!(error.to_string().contains("Normalize"), "{error}");
}

#[derive(Deserialize)]
struct Long {
    config: serde_json::Value,
    seed: u32,
    tokenizer: String,
    words: Vec<String>,
    pairs: Vec<LongPair>,
}

/// The first word and how many there are, of both texts.
#[derive(Deserialize)]
struct LongPair {
    instruction: (usize, usize),
    response: (usize, usize),
    tokens: usize,
    score: f64,
}

#[test]
fn a_pair_of_4096_tokens_scores_as_in_transformers() {
    let long: Long = serde_json::from_slice(&golden("long.json")).unwrap();
    let config = Config::from_json("config", long.config.to_string().as_bytes()).unwrap();
    let text = |(first, count): (usize, usize)| -> String {
        let word = |i: usize| long.words[(i * i + 7 * i + first) % long.words.len()].as_str();
        (0..count).map(word).collect::<Vec<_>>().join(" ")
    };
    let pairs: Vec<(String, String)> =
        long.pairs.iter().map(|pair| (text(pair.instruction), text(pair.response))).collect();
    let expected: Vec<Vec<f64>> = long.pairs.iter().map(|pair| vec![pair.score]).collect();
    assert_eq!(long.pairs[0].tokens, 4096);
    for on in ALL {
        let tokenizer = golden(&long.tokenizer);
        let tokenizer = Tokenizer::from_json("tokenizer.json", &tokenizer, &config).unwrap();
        for ((a, b), pair) in pairs.iter().zip(&long.pairs) {
            let encoded = tokenizer.encode_pair(a, b).unwrap();
            assert_eq!((encoded.ids.len(), encoded.truncated), (pair.tokens, 0));
        }
        let (seed, profile) = (long.seed, RandomProfile::Plain);
        let config = config.clone();
        let scorer = load(ModelSource::Random { config, tokenizer, seed, profile }, on, None);
        let together = score(&scorer, &pairs);
        match compare(&expected, &together, ALLOWED) {
            Ok(worst) => println!("{on:?}: {:.1}% of what is allowed", 100.0 * worst),
            Err(why) => panic!("{on:?}: {why}"),
        }
        // Alone as beside the long one.
        assert_eq!(score(&scorer, &pairs[3..4])[0], together[3], "{on:?}");
    }
}
