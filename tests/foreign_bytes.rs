//! Whatever bytes stand in a model's files, nothing panics, memory stays in proportion to the file,
//! and what opens is usable as it says.
//!
//! Valid files are mutated at random for `CAPPY_FUZZ_SECONDS` a test (3 by default), or
//! `CAPPY_FUZZ_INPUTS` times, as `scripts/fuzz` has it. A failure prints the fewest mutations that bring it about.

use std::io::{Cursor, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use cappy::checkpoint::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, Checkpoint, Dtype, MemoryFiles, WeightFormat, Writer,
    adapted_matrices, adapter_config, adapter_shapes, tensor_shapes, write_quantised,
};
use cappy::decide::{Decision, Plan, Rendering};
use cappy::lines::Lines;
use cappy::{Config, MAX_HEAD_SIZE, RandomProfile, Tokenizer};
use pollster::block_on;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config as Runs, TestRunner};
use zip::write::SimpleFileOptions;

/// Tensors of more numbers than this are not read to the end: a stride of zero makes a tensor of
/// any size from one number, and whoever asks for that shape has asked for the memory.
const MOST_NUMBERS: usize = 1 << 16;

/// One thing that can happen to a file.
#[derive(Debug, Clone)]
enum Mutation {
    Flip {
        at: Index,
        bit: u8,
    },
    Set {
        at: Index,
        bytes: Vec<u8>,
    },
    /// A number that lengths and offsets are likely to be wrong at.
    Number {
        at: Index,
        width: usize,
        value: u64,
    },
    Insert {
        at: Index,
        bytes: Vec<u8>,
    },
    Remove {
        at: Index,
        length: usize,
    },
    Truncate {
        at: Index,
    },
    /// A piece of some valid file, written over what is there.
    Splice {
        file: Index,
        from: Index,
        to: Index,
        length: usize,
    },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let numbers = [0, 1, 2, 7, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 62];
    let numbers = [&numbers[..], &[u64::MAX, u64::MAX - 7, u64::MAX / 2, u64::MAX / 8]].concat();
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        (at(), vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Mutation::Set { at, bytes }),
        (at(), prop::sample::select(vec![1, 2, 4, 8]), prop::sample::select(numbers))
            .prop_map(|(at, width, value)| Mutation::Number { at, width, value }),
        (at(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Mutation::Insert { at, bytes }),
        (at(), 1..40usize).prop_map(|(at, length)| Mutation::Remove { at, length }),
        at().prop_map(|at| Mutation::Truncate { at }),
        (at(), at(), at(), 1..80usize).prop_map(|(file, from, to, length)| Mutation::Splice {
            file,
            from,
            to,
            length
        }),
    ]
}

fn apply(mutation: &Mutation, bytes: &mut Vec<u8>, valid: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    match mutation {
        Mutation::Flip { at, bit } => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Mutation::Set { at, bytes: new } => overwrite(bytes, *at, new),
        Mutation::Number { at, width, value } => {
            overwrite(bytes, *at, &value.to_le_bytes()[..*width]);
        }
        Mutation::Insert { at, bytes: new } => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Remove { at, length } => {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Mutation::Truncate { at } => bytes.truncate(at.index(bytes.len())),
        Mutation::Splice { file, from, to, length } => {
            let other = file.get(valid);
            let from = from.index(other.len());
            let piece = &other[from..(from + length).min(other.len())];
            overwrite(bytes, *to, piece);
        }
    }
}

/// Writes as much of `new` as there is room for.
fn overwrite(bytes: &mut [u8], at: Index, new: &[u8]) {
    let at = at.index(bytes.len());
    for (old, new) in bytes[at..].iter_mut().zip(new) {
        *old = *new;
    }
}

/// How long a test goes on: so many inputs, or until a time.
enum Until {
    Inputs(u64),
    Time(Instant),
}

impl Until {
    fn from_environment() -> Until {
        let read = |name| std::env::var(name).ok();
        if let Some(inputs) = read("CAPPY_FUZZ_INPUTS") {
            return Until::Inputs(inputs.parse().expect("CAPPY_FUZZ_INPUTS is a number"));
        }
        let seconds = read("CAPPY_FUZZ_SECONDS").map_or(3.0, |text| text.parse().unwrap());
        Until::Time(Instant::now() + Duration::from_secs_f64(seconds))
    }

    fn is_reached(&self, tried: u64) -> bool {
        match self {
            Until::Inputs(inputs) => tried >= *inputs,
            Until::Time(time) => tried > 0 && Instant::now() >= *time,
        }
    }
}

/// Checks mutations of the `valid` files until there were enough.
fn fuzz(valid: &[Vec<u8>], check: impl Fn(&[u8]) -> Result<(), TestCaseError>) {
    let until = Until::from_environment();
    for bytes in valid {
        check(bytes).unwrap();
    }
    let strategy = (any::<Index>(), vec(mutation(), 1..6));
    let mut tried = 0;
    while !until.is_reached(tried) {
        let runs = Runs { cases: 64, failure_persistence: None, ..Runs::default() };
        let result = TestRunner::new(runs).run(&strategy, |(file, mutations)| {
            let mut bytes = file.get(valid).clone();
            for mutation in &mutations {
                apply(mutation, &mut bytes, valid);
            }
            check(&bytes)
        });
        if let Err(error) = result {
            panic!("{error}");
        }
        tried += 64;
    }
    println!("{tried} files were tried");
}

/// Runs `work` and checks that it never held more than a multiple of `size` bytes. The memory of this thread counts, so
/// that tests may run at the same time.
fn in_proportion<T>(size: usize, work: impl FnOnce() -> T) -> Result<T, TestCaseError> {
    // A panic that left the measurement would stay in its count, and a run of proptest looks at many inputs that panic.
    let mut result = None;
    let caught = || result = Some(catch_unwind(AssertUnwindSafe(work)));
    let taken = allocation_counter::measure(caught).bytes_max;
    let result = result.expect("it was called").unwrap_or_else(|panic| resume_unwind(panic));
    let most = 64 * size as u64 + (64 << 10);
    prop_assert!(taken <= most, "{taken} bytes of memory for {size} of file");
    Ok(result)
}

/// Each file with its number attached at the end, by which a check knows what it is a mutation of.
fn numbered(files: &[Vec<u8>]) -> Vec<Vec<u8>> {
    (0u8..).zip(files).map(|(i, file)| [&file[..], &[i]].concat()).collect()
}

#[test]
fn memory_out_of_proportion_is_noticed() {
    assert!(in_proportion(100, || vec![0u8; 10_000]).is_ok());
    assert!(in_proportion(100, || vec![0u8; 100_000]).is_err());
    for _ in 0..100 {
        catch_unwind(|| in_proportion(100, || panic!("a reader panics"))).unwrap_err();
    }
    assert!(in_proportion(100, || vec![0u8; 10_000]).is_ok());
    assert!(in_proportion(100, || vec![0u8; 100_000]).is_err());
}

/// Opens a checkpoint and reads every tensor of it.
fn check_checkpoint(size: usize, files: &MemoryFiles) -> Result<(), TestCaseError> {
    let Ok(checkpoint) = in_proportion(size, || block_on(Checkpoint::open(files)))? else {
        return Ok(());
    };
    for name in checkpoint.names() {
        let shape = checkpoint.shape(name).expect("a name that was just listed");
        let count = shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
        let Ok(tensor) = checkpoint.get(name, shape) else {
            continue;
        };
        prop_assert_eq!(tensor.shape(), shape);
        if let Some(block) = tensor.block() {
            let (rows, inputs) = (tensor.rows(), tensor.row_len());
            let read = || block_on(tensor.read_quantised(0..rows));
            if let Ok(quantised) = in_proportion(size, read)? {
                prop_assert_eq!(quantised.integers.len(), rows * inputs);
                prop_assert_eq!(quantised.scales.len(), rows * inputs.div_ceil(block));
            }
        }
        if count.is_some_and(|count| count <= MOST_NUMBERS) {
            let mut numbers = Vec::new();
            let read = || block_on(tensor.read_rows(0..tensor.rows(), &mut numbers));
            if in_proportion(size + 4 * MOST_NUMBERS, read)?.is_ok() {
                prop_assert_eq!(Some(numbers.len()), count);
                prop_assert!(numbers.iter().all(|number| number.is_finite()));
            } else {
                prop_assert!(numbers.is_empty());
            }
        }
    }
    Ok(())
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).expect(&path)
}

fn torch_fixtures() -> Vec<Vec<u8>> {
    ["model.bin", "model_protocol_4.bin", "model_f16.bin", "views.bin", "os_system.bin"]
        .map(fixture)
        .into()
}

#[test]
fn safetensors() {
    fuzz(&[fixture("mixed.safetensors")], |bytes| {
        let files = MemoryFiles::new("memory").with("model.safetensors", bytes.to_vec());
        check_checkpoint(bytes.len(), &files)
    });
}

#[test]
fn quantised_safetensors() {
    let config = String::from_utf8(CONFIG.to_vec()).unwrap().replace("600", "20");
    let config = Config::from_json("config.json", config.as_bytes()).unwrap();
    let random = Checkpoint::random(&config, 1, RandomProfile::Plain);
    let valid = [WeightFormat::Q8, WeightFormat::Q4].map(|format| {
        let file = "model.safetensors";
        block_on(write_quantised(&random, &config, Vec::new(), file, format.into(), &mut |_| {}))
            .unwrap()
    });
    fuzz(&valid, |bytes| {
        let files = MemoryFiles::new("memory").with("model.safetensors", bytes.to_vec());
        check_checkpoint(bytes.len(), &files)
    });
}

#[test]
fn shard_index() {
    let index = br#"{"metadata": {"total_size": 123}, "weight_map": {
        "f16": "one.safetensors", "bf16": "two.safetensors", "flags": "two.safetensors"}}"#;
    let shard = fixture("mixed.safetensors");
    fuzz(&[index.to_vec()], |bytes| {
        let files = MemoryFiles::new("memory")
            .with("model.safetensors.index.json", bytes.to_vec())
            .with("one.safetensors", shard.clone())
            .with("two.safetensors", shard.clone());
        check_checkpoint(bytes.len() + 2 * shard.len(), &files)
    });
}

#[test]
fn torch_zip() {
    fuzz(&torch_fixtures(), |bytes| {
        let files = MemoryFiles::new("memory").with("pytorch_model.bin", bytes.to_vec());
        check_checkpoint(bytes.len(), &files)
    });
}

/// The same with an intact zip around the pickle, so that more of it is reached.
#[test]
fn torch_pickle() {
    let mut storages = Vec::new();
    let mut pickles = Vec::new();
    for file in torch_fixtures() {
        let mut archive = zip::ZipArchive::new(Cursor::new(file)).unwrap();
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).unwrap();
            let name = entry.name().unwrap().split_once('/').unwrap().1.to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            match &name[..] {
                "data.pkl" => pickles.push(bytes),
                _ if name.starts_with("data/") => storages.push((pickles.len() - 1, name, bytes)),
                _ => {}
            }
        }
    }
    fuzz(&numbered(&pickles), |bytes| {
        let (file, pickle) = bytes.split_last().unwrap_or((&0, &[]));
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file("a/data.pkl", stored).unwrap();
        zip.write_all(pickle).unwrap();
        for (_, name, bytes) in storages.iter().filter(|(of, ..)| *of == usize::from(*file)) {
            zip.start_file(format!("a/{name}"), stored).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let bytes = zip.finish().unwrap().into_inner();
        let size = bytes.len();
        check_checkpoint(size, &MemoryFiles::new("memory").with("pytorch_model.bin", bytes))
    });
}

const CONFIG: &[u8] = br#"{
    "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
    "vocab_size": 600, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 96, "hidden_act": "gelu", "max_position_embeddings": 40,
    "type_vocab_size": 1, "layer_norm_eps": 1e-05, "pad_token_id": 1,
    "id2label": { "0": "no", "1": "yes" } }"#;

#[test]
fn config() {
    fuzz(&[CONFIG.to_vec()], |bytes| {
        let config = in_proportion(bytes.len(), || Config::from_json("config.json", bytes))?;
        let Ok(config) = config else {
            return Ok(());
        };
        let head_size = config.head_size();
        prop_assert!((1..=MAX_HEAD_SIZE).contains(&head_size));
        prop_assert_eq!(head_size * config.num_attention_heads, config.hidden_size);
        prop_assert!((4..=512).contains(&config.max_tokens()));
        prop_assert!((config.pad_token_id as usize) < config.vocab_size);
        prop_assert!(config.layer_norm_eps.is_finite() && !config.labels.is_empty());
        for (name, shape) in tensor_shapes(&config) {
            prop_assert!(shape.iter().all(|size| *size > 0), "{name} has shape {shape:?}");
        }
        Ok(())
    });
}

/// An adapter for the model of [`CONFIG`], weights and settings.
fn valid_adapter(config: &Config) -> [Vec<u8>; 2] {
    let matrices = &adapted_matrices(config)[..3];
    let tensors = adapter_shapes(config, 2, matrices).unwrap();
    let mut writer = Writer::new(Vec::new(), "adapter", &tensors, Dtype::F16).unwrap();
    for (_, shape) in &tensors {
        writer.write(&vec![0.5; shape.iter().product()]).unwrap();
    }
    let settings = adapter_config(config, 2, 4.0, matrices, Some("base")).to_string();
    [writer.finish().unwrap(), settings.into_bytes()]
}

/// Applies an adapter and reads every matrix that it may have changed.
fn check_adapter(weights: &[u8], settings: &[u8]) -> Result<(), TestCaseError> {
    let config = Config::from_json("config.json", CONFIG).unwrap();
    let files = MemoryFiles::new("memory")
        .with(ADAPTER_WEIGHTS, weights.to_vec())
        .with(ADAPTER_CONFIG, settings.to_vec());
    let base = Checkpoint::random(&config, 1, RandomProfile::Plain);
    let size = weights.len() + settings.len();
    let applied = in_proportion(size, || block_on(base.with_adapter(&files, &config)))?;
    let Ok(adapted) = applied else {
        return Ok(());
    };
    for (name, shape) in tensor_shapes(&config) {
        let Ok(tensor) = adapted.get(&name, &shape) else {
            continue;
        };
        let mut numbers = Vec::new();
        let count: usize = shape.iter().product();
        let read = || block_on(tensor.read_rows(0..shape[0], &mut numbers));
        match in_proportion(size + 4 * count, read)? {
            Ok(()) => prop_assert!(numbers.iter().all(|number| number.is_finite())),
            Err(_) => prop_assert!(numbers.is_empty()),
        }
    }
    Ok(())
}

#[test]
fn adapter_weights() {
    let config = Config::from_json("config.json", CONFIG).unwrap();
    let [weights, settings] = valid_adapter(&config);
    fuzz(&[weights], |bytes| check_adapter(bytes, &settings));
}

#[test]
fn adapter_settings() {
    let config = Config::from_json("config.json", CONFIG).unwrap();
    let [weights, settings] = valid_adapter(&config);
    fuzz(&[settings], |bytes| check_adapter(&weights, bytes));
}

/// Encodes a pair with a tokenizer whose files have `size` bytes, if it opens.
fn check_tokenizer(size: usize, files: &MemoryFiles, config: &[u8]) -> Result<(), TestCaseError> {
    // The tokenizers crate makes room for a cache of fixed size.
    const CACHE: usize = 1 << 20;
    let config = Config::from_json("config.json", config).unwrap();
    let opened = in_proportion(size + CACHE, || block_on(Tokenizer::load(files, &config)))?;
    let Ok(tokenizer) = opened else {
        return Ok(());
    };
    let texts = (
        "Is </s> a<mask> [SEP] token?\n  \u{1}\u{ff21}",
        "Caf\u{e9} \u{fb01} e\u{301} \u{1f600}\u{0} the end of it".repeat(4),
    );
    if let Ok(pair) = tokenizer.encode_pair(texts.0, &texts.1) {
        let least = config.family.template_tokens();
        prop_assert!((least..=config.max_tokens()).contains(&pair.ids.len()));
        prop_assert!(pair.type_ids.iter().all(|id| (*id as usize) < config.family.token_types()));
        prop_assert_eq!(pair.ids.len(), pair.position_ids.len());
        prop_assert!(pair.ids.iter().all(|id| (*id as usize) < config.vocab_size));
        let rows = config.max_position_embeddings;
        prop_assert!(pair.position_ids.iter().all(|position| (*position as usize) < rows));
    }
    Ok(())
}

#[test]
fn tokenizer_json() {
    fuzz(&[fixture("tokenizer/tokenizer.json")], |bytes| {
        let files = MemoryFiles::new("memory").with("tokenizer.json", bytes.to_vec());
        check_tokenizer(bytes.len(), &files, CONFIG)
    });
}

/// The config of another family, [`CONFIG`] made to fit.
fn family_config(architecture: &str, model_type: &str, pad: &str) -> String {
    str::from_utf8(CONFIG)
        .unwrap()
        .replace("RobertaFor", &format!("{architecture}For"))
        .replace("\"roberta\"", &format!("\"{model_type}\""))
        .replace("\"vocab_size\": 600", "\"vocab_size\": 1202")
        .replace("\"type_vocab_size\": 1", "\"type_vocab_size\": 2")
        .replace("\"pad_token_id\": 1", pad)
}

fn golden_tokenizer(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/golden/tokenizers/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).expect(&path)
}

fn check_family_tokenizer(tokenizer: &str, architecture: &str, model_type: &str, pad: &str) {
    let config = family_config(architecture, model_type, pad);
    fuzz(&[golden_tokenizer(&format!("{tokenizer}.json"))], |bytes| {
        let files = MemoryFiles::new("memory").with("tokenizer.json", bytes.to_vec());
        check_tokenizer(bytes.len(), &files, config.as_bytes())
    });
}

#[test]
fn unigram_tokenizer_json() {
    let pad = "\"pad_token_id\": 1";
    check_family_tokenizer("xlm-roberta-m3", "XLMRoberta", "xlm-roberta", pad);
}

#[test]
fn word_piece_tokenizer_json() {
    check_family_tokenizer("bert-uncased", "Bert", "bert", "\"pad_token_id\": 0");
}

#[test]
fn vocab_json() {
    fuzz(&[fixture("tokenizer/vocab.json")], |bytes| {
        let files = MemoryFiles::new("memory")
            .with("vocab.json", bytes.to_vec())
            .with("merges.txt", fixture("tokenizer/merges.txt"));
        check_tokenizer(bytes.len(), &files, CONFIG)
    });
}

#[test]
fn merges_txt() {
    fuzz(&[fixture("tokenizer/merges.txt")], |bytes| {
        let files = MemoryFiles::new("memory")
            .with("vocab.json", fixture("tokenizer/vocab.json"))
            .with("merges.txt", bytes.to_vec());
        check_tokenizer(bytes.len(), &files, CONFIG)
    });
}

/// What the pieces of a tokenizer in other files are called, and what they are read beside.
#[test]
fn other_files_of_tokenizers() {
    let bert = family_config("Bert", "bert", "\"pad_token_id\": 0");
    let xlm = family_config("XLMRoberta", "xlm-roberta", "\"pad_token_id\": 1");
    let json = golden_tokenizer("bert-uncased.json");
    let parsed: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let words = parsed["model"]["vocab"].as_object().unwrap();
    let mut words: Vec<_> = words.iter().map(|(word, id)| (id.as_u64(), &word[..])).collect();
    words.sort_unstable();
    let words: Vec<_> = words.into_iter().map(|(_, word)| word).collect();
    let kinds =
        ["vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];
    let settings = br#"{"tokenizer_class": "BertTokenizer", "do_lower_case": false, "strip_accents": null,
        "model_max_length": 30, "truncation_side": "right", "cls_token": "[CLS]", "added_tokens_decoder":
        {"1": {"content": "[UNK]", "special": true}, "9": {"content": "dog", "lstrip": true}}}"#;
    let valid = [
        words.join("\n").into_bytes(),
        settings.to_vec(),
        br#"{"cls_token": "[CLS]", "mask_token": {"content": "[MASK]", "lstrip": true}}"#.to_vec(),
        br#"{"[NEW]": 1200, "dog": 9}"#.to_vec(),
        golden_tokenizer("sentencepiece.bpe.model"),
    ];
    fuzz(&numbered(&valid), |bytes| {
        let (kind, bytes) = bytes.split_last().unwrap_or((&0, &[]));
        let files = MemoryFiles::new("memory");
        let Some(kind) = kinds.get(usize::from(*kind)) else {
            let files = files.with("sentencepiece.bpe.model", bytes.to_vec());
            return check_tokenizer(bytes.len(), &files, xlm.as_bytes());
        };
        let files = files.with("vocab.txt", valid[0].clone()).with(*kind, bytes.to_vec());
        check_tokenizer(bytes.len() + valid[0].len(), &files, bert.as_bytes())
    });
}

/// Lines as every command reads them, each as a decision, and the file that says how a model is asked.
#[test]
fn lines_of_json() {
    let config = str::from_utf8(CONFIG).unwrap().replace(", \"1\": \"yes\"", "");
    let config = Config::from_json("config.json", config.as_bytes()).unwrap();
    let valid = [
        br#"{"state": {"message": "Caf\u00e9 \ud83d\ude00", "n": [1, 2.5, null, true]}, "questions": {
            "team": {"type": "choice", "instructions": "Which?", "criteria": {"billing": "Money", "support": null}},
            "urgency": {"type": "score", "criteria": ["low", "high"]}, "refund": {"type": "boolean"}}}"#
            .iter()
            .map(|byte| if *byte == b'\n' { b' ' } else { *byte })
            .collect(),
        br#"{"instruction": "{question} {state}", "response": "{option}", "described": "{name}: {description}",
            "yes": "yes", "no": "no", "temperature": {"choice": 0.2, "score": 1, "boolean": 3e-1}}"#
            .to_vec(),
    ];
    fuzz(&numbered(&valid), |bytes| {
        let (kind, bytes) = bytes.split_last().unwrap_or((&0, &[]));
        let read = || {
            if *kind == 1 {
                let _ = Rendering::from_json(bytes, &config);
                return;
            }
            let mut lines = Lines::new(bytes);
            while let Some(line) = lines.next().expect("a slice can be read") {
                let Ok(text) = line.text else { continue };
                if let Ok(decision) = Decision::from_json(&text) {
                    let _ = Plan::new(&decision, &Rendering::of(&config), &config);
                }
            }
        };
        // Lines are read through a buffer of a fixed size.
        in_proportion(bytes.len() + (1 << 15), read)
    });
}
