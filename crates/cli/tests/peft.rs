//! Adapters: those that Hugging Face `peft` wrote score here as they do there, and those that are
//! written here are what `peft` writes.
//!
//! `tests/golden/make_adapter.py` made the files in `tests/golden/adapter` (for RoBERTa),
//! `tests/golden/adapter-bert` and `tests/golden/adapter-modernbert`, and says how to remake them.

#[path = "../../../tests/golden/compare.rs"]
mod compare;
#[path = "../../../tests/mini/mod.rs"]
mod mini;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cappy::checkpoint::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, Checkpoint, Directory, Dtype as Stored, Files, MemoryFiles,
    Writer, adapted_matrices, adapter_config, adapter_shapes, write_file, write_model,
};
use cappy::{Config, Dtype, Family, LoadOptions, ModelSource, RandomProfile, Scorer, Tokenizer};
use compare::{Bound, compare};
use pollster::block_on;
use serde_json::Value;

/// A path in the repository.
fn path(relative: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(relative)
}

fn json(relative: &str) -> Value {
    serde_json::from_slice(&fs::read(path(relative)).unwrap()).unwrap()
}

/// The folders of `tests/golden` with adapters for RoBERTa, for BERT and for ModernBERT.
const FOLDERS: [&str; 3] = ["adapter", "adapter-bert", "adapter-modernbert"];

struct Golden {
    folder: PathBuf,
    value: Value,
    config: Config,
    pairs: Vec<(String, String)>,
}

impl Golden {
    fn read(folder: &str) -> Golden {
        let folder = format!("tests/golden/{folder}");
        let value = json(&format!("{folder}/scores.json"));
        assert_eq!(
            (&value["magic"], &value["version"]),
            (&"cappy-golden-adapter".into(), &1.into())
        );
        let config = Config::from_json("config", value["config"].to_string().as_bytes()).unwrap();
        let pairs = json("tests/golden/pairs.json");
        // The pairs have RoBERTa's special tokens.
        let theirs: &[(&str, &str)] = match config.family {
            Family::Bert | Family::ModernBert => &[
                ("<pad>", "[PAD]"),
                ("<unk>", "[UNK]"),
                ("<s>", "[CLS]"),
                ("</s>", "[SEP]"),
                ("<mask>", "[MASK]"),
            ],
            _ => &[],
        };
        let text = |pair: &Value, field: &str| {
            let text = pair[field].as_str().unwrap().to_owned();
            theirs.iter().fold(text, |text, (ours, theirs)| text.replace(ours, theirs))
        };
        let pairs = pairs["pairs"].as_array().unwrap().iter();
        let pairs = pairs.map(|pair| (text(pair, "instruction"), text(pair, "response")));
        Golden { folder: path(&folder), config, pairs: pairs.collect(), value }
    }

    fn tokenizer(&self) -> PathBuf {
        path(match self.config.family {
            Family::Bert => "tests/golden/tokenizers/bert-uncased.json",
            Family::ModernBert => "tests/golden/tokenizers/modernbert.json",
            _ => "tests/golden/tokenizer.json",
        })
    }

    fn rank(&self) -> usize {
        self.value["rank"].as_u64().unwrap() as usize
    }

    fn scorer(&self, dtype: Dtype, adaptation: Box<dyn Files>) -> Scorer {
        let json = fs::read(self.tokenizer()).unwrap();
        let source = ModelSource::Random {
            tokenizer: Tokenizer::from_json("tokenizer.json", &json, &self.config).unwrap(),
            config: self.config.clone(),
            seed: self.value["seed"].as_u64().unwrap() as u32,
            profile: RandomProfile::Plain,
        };
        let options = LoadOptions { dtype, adaptation: Some(adaptation), ..LoadOptions::default() };
        let scorer = block_on(Scorer::load(source, options)).unwrap();
        assert_eq!(scorer.info().dtype, dtype);
        scorer
    }

    fn score(&self, scorer: &Scorer) -> Vec<Vec<f32>> {
        let pairs: Vec<(&str, &str)> =
            self.pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let scores = block_on(scorer.score(&pairs)).unwrap();
        scores.into_iter().map(|score| score.logits).collect()
    }

    fn check(&self, name: &str, dtype: Dtype) {
        let folder = self.folder.join(name);
        let scorer = self.scorer(dtype, Box::new(Directory::new(&folder)));
        let adaptation = scorer.info().adaptation.as_deref();
        assert_eq!(adaptation, Some(&*folder.display().to_string()));
        let expected: Vec<Vec<f64>> = serde_json::from_value(self.value[name].clone()).unwrap();
        let bound = Bound::OfStd(self.value["bound"]["of_std"].as_f64().unwrap());
        match compare(&expected, &self.score(&scorer), bound) {
            Ok(worst) => println!("{name}, {dtype:?}: {:.1}% of what is allowed", worst * 100.0),
            Err(why) => panic!("{name}, {dtype:?}: {why}"),
        }
    }
}

#[test]
fn an_adapter_of_peft_scores_as_in_peft() {
    for folder in FOLDERS {
        for dtype in [Dtype::F16, Dtype::F32] {
            Golden::read(folder).check("lora", dtype);
        }
    }
}

#[test]
fn a_pooler_that_peft_adapted_like_a_layer_scores_as_in_peft() {
    for dtype in [Dtype::F16, Dtype::F32] {
        Golden::read("adapter-bert").check("pooler", dtype);
    }
}

#[test]
fn a_head_alone_scores_as_in_torch() {
    for folder in FOLDERS {
        for dtype in [Dtype::F16, Dtype::F32] {
            Golden::read(folder).check("head", dtype);
        }
    }
}

/// Writes the tensors that are in `from` as an adapter of `matrices`, by name.
fn rewrite(golden: &Golden, from: Vec<u8>, matrices: &[&str], dtype: Stored) -> Vec<u8> {
    // Under this name it is opened as it stands, and not as changes to a model.
    let files = MemoryFiles::new("peft").with("model.safetensors", from);
    let checkpoint = block_on(Checkpoint::open(&files)).unwrap();
    let tensors = adapter_shapes(&golden.config, golden.rank(), matrices).unwrap();
    assert_eq!(checkpoint.names().count(), tensors.len());
    let mut writer = Writer::new(Vec::new(), ADAPTER_WEIGHTS, &tensors, dtype).unwrap();
    for (name, shape) in &tensors {
        let tensor = checkpoint.get(name, shape).unwrap();
        for row in 0..tensor.rows() {
            let mut numbers = Vec::new();
            block_on(tensor.read_rows(row..row + 1, &mut numbers)).unwrap();
            writer.write(&numbers).unwrap();
        }
    }
    writer.finish().unwrap()
}

#[test]
fn what_is_written_here_is_what_peft_writes() {
    for golden in FOLDERS.map(Golden::read) {
        for (name, matrices) in [("lora", adapted_matrices(&golden.config)), ("head", &[])] {
            let theirs = fs::read(golden.folder.join(name).join(ADAPTER_WEIGHTS)).unwrap();
            assert!(rewrite(&golden, theirs.clone(), matrices, Stored::F32) == theirs, "{name}");
        }
    }
}

/// What is left in `target/tmp/adapter`, `adapter-bert` and `adapter-modernbert` can be given to `make_adapter.py --check`, for peft to load.
#[test]
fn an_adapter_written_here_scores_like_that_of_peft() {
    FOLDERS.into_iter().for_each(written_like_theirs);
}

fn written_like_theirs(name: &str) {
    let golden = Golden::read(name);
    let lora = golden.folder.join("lora");
    let theirs = fs::read(lora.join(ADAPTER_WEIGHTS)).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let alpha = golden.value["alpha"].as_f64().unwrap() as f32;
    let config = adapter_config(
        &golden.config,
        golden.rank(),
        alpha,
        adapted_matrices(&golden.config),
        None,
    )
    .to_string();
    for (file, bytes) in [
        (ADAPTER_WEIGHTS, rewrite(&golden, theirs, adapted_matrices(&golden.config), Stored::F32)),
        (ADAPTER_CONFIG, config.into_bytes()),
    ] {
        write_file(&folder.join(file), |out| {
            out.write_all(&bytes).unwrap();
            Ok(())
        })
        .unwrap();
    }
    let score = |folder: PathBuf| {
        golden.score(&golden.scorer(Dtype::F32, Box::new(Directory::new(folder))))
    };
    assert_eq!(score(folder), score(lora));
}

/// What is left in `target/tmp/merged-adapter`, `merged-adapter-bert` and `merged-adapter-modernbert` can be given to
/// `make_adapter.py --check`, for transformers.
#[test]
fn an_adapted_model_written_whole_scores_like_the_adapter() {
    FOLDERS.into_iter().for_each(whole_like_the_adapter);
}

fn whole_like_the_adapter(name: &str) {
    let golden = Golden::read(name);
    let seed = golden.value["seed"].as_u64().unwrap() as u32;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("merged-{name}"));
    fs::create_dir_all(&folder).unwrap();
    let lora = Directory::new(golden.folder.join("lora"));
    let mut numbers = 0;
    write_file(&folder.join("model.safetensors"), |out| {
        block_on(async {
            let base = Checkpoint::random(&golden.config, seed, RandomProfile::Plain);
            let adapted = base.with_adapter(&lora, &golden.config).await?;
            let mut progress = |written| numbers = written;
            let file = "model.safetensors";
            write_model(&adapted, &golden.config, out, file, Stored::F32, &mut progress).await
        })
        .map(|_| ())
    })
    .unwrap();
    fs::write(folder.join("config.json"), golden.value["config"].to_string()).unwrap();
    fs::copy(golden.tokenizer(), folder.join("tokenizer.json")).unwrap();

    let adapted = golden.scorer(Dtype::F32, Box::new(lora));
    assert_eq!(numbers, adapted.info().parameters);
    let options = LoadOptions { dtype: Dtype::F32, ..LoadOptions::default() };
    let merged = block_on(Scorer::load(ModelSource::Directory(folder), options)).unwrap();
    assert_eq!(golden.score(&merged), golden.score(&adapted));
}

/// An adapter for cappy-mini that scores everything 0.25.
fn quarter(folder: &Path) {
    let config = fs::read(mini::folder().join("config.json")).unwrap();
    let config = Config::from_json("config.json", &config).unwrap();
    let tensors = adapter_shapes(&config, 1, &[]).unwrap();
    write_file(&folder.join(ADAPTER_WEIGHTS), |out| {
        let mut writer = Writer::new(out, ADAPTER_WEIGHTS, &tensors, Stored::F16)?;
        for (name, shape) in &tensors {
            let number = if name.ends_with("out_proj.bias") { 0.25 } else { 0.0 };
            writer.write(&vec![number; shape.iter().product()])?;
        }
        writer.finish().map(|_| ())
    })
    .unwrap();
}

fn cappy(arguments: &[&str], adapter: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cappy"));
    command.args(arguments).args(mini::unless_named(arguments));
    command.arg("--device=gpu").arg("--adapter").arg(adapter);
    // What these runs remember of the GPU is not to be found by the user's own.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_line_takes_an_adapter() {
    let folder = tempfile::tempdir().unwrap();
    quarter(folder.path());
    let (code, stdout, stderr) = cappy(&["rank", "--json", "Name a colour.", "red"], folder.path());
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    let ranked: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(ranked[0]["score"], 0.25);

    let (_, table, _) = cappy(&["info"], folder.path());
    let named = format!("adapted by {}\n", folder.path().display());
    assert!(table.lines().next().is_some_and(|line| line.ends_with(named.trim_end())), "{table}");

    // One for a model of another shape.
    let (code, _, stderr) = cappy(&["info"], &path("tests/golden/adapter/head"));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("classifier.dense.weight: has shape [52, 52], expected ["), "{stderr}");
}
