//! Folders with the files of a tokenizer against transformers, and bombs in them.

#![cfg(feature = "families")]

use std::path::Path;

use pollster::block_on;
use serde_json::{Map, Value, json};

use super::*;
use crate::checkpoint::source::{ByteSource, LocalFuture};

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// A folder that lies in memory.
#[derive(Default)]
struct Folder(Vec<(String, Vec<u8>)>);

struct Bytes(String, Vec<u8>);

impl ByteSource for Bytes {
    fn name(&self) -> &str {
        &self.0
    }
    fn size(&self) -> u64 {
        self.1.len() as u64
    }
    fn read(&self, range: std::ops::Range<u64>) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move { Ok(self.1[range.start as usize..range.end as usize].to_vec()) })
    }
}

impl Files for Folder {
    fn describe(&self) -> String {
        "folder".into()
    }
    fn open<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<Box<dyn ByteSource>>>> {
        let found = self.0.iter().find(|(file, _)| file == name).cloned();
        Box::pin(async move {
            Ok(found.map(|(file, bytes)| Box::new(Bytes(file, bytes)) as Box<dyn ByteSource>))
        })
    }
}

impl Folder {
    fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Folder {
        self.0.push((name.into(), bytes.into()));
        self
    }

    fn load(&self, model_type: &str) -> Result<Tokenizer> {
        block_on(Tokenizer::load(self, &config(model_type)))
    }
}

fn config(model_type: &str) -> Config {
    let architecture = match model_type {
        "roberta" => "RobertaForSequenceClassification",
        "xlm-roberta" => "XLMRobertaForSequenceClassification",
        "bert" => "BertForSequenceClassification",
        _ => "DistilBertForSequenceClassification",
    };
    let json = if model_type == "distilbert" {
        json!({
            "architectures": [architecture], "model_type": model_type, "vocab_size": 1300, "dim": 48,
            "n_layers": 2, "n_heads": 2, "hidden_dim": 96, "activation": "gelu",
            "max_position_embeddings": 40, "pad_token_id": 0, "id2label": { "0": "LABEL_0" },
        })
    } else {
        let roberta = model_type.contains("roberta");
        json!({
            "architectures": [architecture], "model_type": model_type, "vocab_size": 1300,
            "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 96, "hidden_act": "gelu", "layer_norm_eps": 1e-5,
            "max_position_embeddings": if roberta { 42 } else { 40 },
            "type_vocab_size": if roberta { 1 } else { 2 },
            "pad_token_id": if roberta { 1 } else { 0 }, "id2label": { "0": "LABEL_0" },
        })
    };
    Config::from_json("config.json", json.to_string().as_bytes()).unwrap()
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(Path::new(TESTS).join(&path)).unwrap()
}

/// As `merge` of make_tokenizer_files.py.
fn merge(target: &mut Map<String, Value>, change: &Value) {
    for (key, value) in change.as_object().unwrap() {
        match (target.get_mut(key), value) {
            (_, Value::Null) if key == "type" => drop(target.remove(key)),
            (Some(Value::Object(target)), Value::Object(_)) => merge(target, value),
            _ => drop(target.insert(key.clone(), value.clone())),
        }
    }
}

/// The folder of a case.
fn folder(case: &Value) -> Folder {
    let base = case["base"].as_str().unwrap();
    let path = match base {
        "roberta" => "fixtures/tokenizer/tokenizer.json".into(),
        _ => format!("golden/tokenizers/{base}.json"),
    };
    let mut json: Map<String, Value> = serde_json::from_slice(&read(path)).unwrap();
    merge(&mut json, &case["change"]);
    let mut folder = Folder::default();
    for (name, content) in case["files"].as_object().unwrap() {
        folder = folder.with(name, content.to_string());
    }
    match (case["form"] == "json", base) {
        (true, _) => folder.with("tokenizer.json", Value::Object(json).to_string()),
        (_, "roberta") => folder
            .with("vocab.json", read("fixtures/tokenizer/vocab.json"))
            .with("merges.txt", read("fixtures/tokenizer/merges.txt")),
        (_, "xlm-roberta") => {
            let file = "sentencepiece.bpe.model";
            folder.with(file, read(format!("golden/tokenizers/{file}")))
        }
        _ => {
            let vocab = json["model"]["vocab"].as_object().unwrap();
            let mut tokens: Vec<_> = vocab.iter().collect();
            tokens.sort_by_key(|(_, id)| id.as_u64());
            let lines: String = tokens.iter().map(|(token, _)| format!("{token}\n")).collect();
            folder.with("vocab.txt", lines)
        }
    }
}

#[test]
fn ids_of_folders_equal_transformers() {
    let golden: Value = serde_json::from_slice(&read("golden/tokenizer-files.json")).unwrap();
    let texts: Vec<(String, String)> = serde_json::from_value(golden["texts"].clone()).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 38);
    for case in cases {
        let tokenizer = folder(case).load(case["model_type"].as_str().unwrap()).unwrap();
        for (index, (instruction, response)) in texts.iter().enumerate() {
            let what = || format!("{}: {instruction:?}, {response:?}", case["name"]);
            let pair = tokenizer.encode_pair(instruction, response).unwrap();
            assert_eq!(json!(pair.ids), case["ids"][index], "{}", what());
            let types = pair.type_ids.iter().filter(|id| **id == 1).count();
            assert_eq!(json!(types), case["of_second_type"][index], "{}", what());
        }
    }
}

fn roberta(settings: Value) -> Folder {
    Folder::default()
        .with("tokenizer.json", read("fixtures/tokenizer/tokenizer.json"))
        .with("tokenizer_config.json", settings.to_string())
}

#[test]
fn each_wrong_setting_is_named() {
    for (field, value) in [
        ("add_prefix_space", json!("yes")),
        ("model_max_length", json!("long")),
        ("model_max_length", json!(-1)),
        ("model_max_length", json!(3)),
        ("model_max_length", json!(10.5)),
        ("max_len", json!([])),
        ("truncation_side", json!("middle")),
        ("added_tokens_decoder", json!(["<s>"])),
        ("added_tokens_decoder", json!({ "first": "<s>" })),
        ("added_tokens_decoder", json!({ "5": 7 })),
        ("mask_token", json!(5)),
        ("extra_special_tokens", json!([1])),
    ] {
        let error = roberta(json!({ field: value })).load("roberta").unwrap_err();
        let at_fault = format!("tokenizer_config.json: {field}");
        assert_eq!(
            (error.kind(), error.at_fault()),
            (ErrorKind::Tokenizer, &at_fault[..]),
            "{error}"
        );
    }
    for name in ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"] {
        for content in ["[]", "{", "\"text\""] {
            let folder = Folder::default().with(name, content);
            let folder = folder.with("tokenizer.json", read("fixtures/tokenizer/tokenizer.json"));
            assert_eq!(folder.load("roberta").unwrap_err().at_fault(), name, "{content}");
        }
    }
    let folder = roberta(json!({})).with("added_tokens.json", "{ \"<x>\": -1 }");
    assert_eq!(folder.load("roberta").unwrap_err().at_fault(), "added_tokens.json");
}

#[test]
fn a_token_that_the_model_has_no_row_for_is_only_refused_in_a_text() {
    let many: Vec<_> = (0..1000).map(|n| format!("<{n}>")).collect();
    let tokenizer = roberta(json!({ "extra_special_tokens": many })).load("roberta").unwrap();
    assert_eq!(tokenizer.encode("<0>").unwrap().len(), 1);
    let error = tokenizer.encode_pair("a", "a<999>").unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, "text"));
    assert!(error.to_string().contains("vocab_size is 1300"), "{error}");
}

#[test]
fn what_a_folder_lacks_is_named() {
    for (model_type, file) in [
        ("bert", "vocab.txt"),
        ("distilbert", "vocab.txt"),
        ("xlm-roberta", "sentencepiece.bpe.model"),
    ] {
        let error = Folder::default().load(model_type).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(file), "{error}");
    }
    let settings = json!({ "tokenizer_class": "GPT2Tokenizer" }).to_string();
    let folder = Folder::default()
        .with("tokenizer_config.json", settings)
        .with("vocab.json", "{}")
        .with("merges.txt", "");
    assert_eq!(folder.load("roberta").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn broken_vocabularies_are_named() {
    let model = read("golden/tokenizers/sentencepiece.bpe.model");
    let mut long = vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f];
    long.extend(&model);
    let many = [0x0a, 0x00].repeat(1301);
    let group = [0x0b; 4].to_vec();
    for bytes in [model[..model.len() - 3].to_vec(), long, many, group, vec![0x80; 12]] {
        let folder = Folder::default().with("sentencepiece.bpe.model", bytes);
        let error = folder.load("xlm-roberta").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tokenizer);
        assert!(error.at_fault().starts_with("sentencepiece.bpe.model"), "{error}");
    }
    for lines in [b"\xff".to_vec(), b"a\n".repeat(1301), b"[CLS]\n[SEP]\n".to_vec()] {
        let error = Folder::default().with("vocab.txt", lines).load("bert").unwrap_err();
        assert_eq!(
            (error.kind(), error.at_fault()),
            (ErrorKind::Tokenizer, "vocab.txt"),
            "{error}"
        );
    }
}

/// Replaces a part of a tokenizer and loads it.
fn changed(base: &str, model_type: &str, part: &str, value: Value) -> Result<Tokenizer> {
    let case = json!({ "base": base, "form": "json", "change": { part: 0 }, "files": {} });
    let mut files = folder(&case);
    let json = &mut files.0[0].1;
    let mut parsed: Value = serde_json::from_slice(json).unwrap();
    parsed[part] = value;
    *json = parsed.to_string().into_bytes();
    files.load(model_type)
}

#[test]
fn a_long_added_token_is_refused_at_once_and_not_printed() {
    let token = |content: String| json!({ "id": 1202, "content": content, "special": true });
    for times in [1025, 24_000, 10_000_000] {
        let long = token("a".repeat(times));
        let error = changed("bert-uncased", "bert", "added_tokens", json!([long])).unwrap_err();
        assert_eq!(error.at_fault(), "tokenizer.json");
        assert!(error.to_string().len() < 400, "{times}");
    }
    let settings = json!({ "mask_token": "m".repeat(24_000) });
    assert!(roberta(settings).load("roberta").unwrap_err().to_string().len() < 400);
    let long = json!({ "type": "n".repeat(100_000) });
    let error = changed("roberta", "roberta", "normalizer", long).unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
    let longest = json!(["a".repeat(1024)]);
    let tokenizer = roberta(json!({ "extra_special_tokens": longest })).load("roberta").unwrap();
    // 976 of it fit, and something is left.
    let rest = tokenizer.encode(&"a".repeat(1_000_000 - 976 * 1024)).unwrap().len();
    assert_eq!(tokenizer.encode(&"a".repeat(1_000_000)).unwrap().len(), 976 + rest);
}

#[test]
fn normalizers_that_multiply_a_text_are_refused_before_they_do() {
    let ten = json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "a".repeat(10) });
    let steps = |count: usize| {
        let all = json!({ "type": "Sequence", "normalizers": vec![&ten; count] });
        changed("xlm-roberta", "xlm-roberta", "normalizer", all)
    };
    let tokenizer = steps(9).unwrap();
    assert!(tokenizer.encode("b").is_ok());
    let error = tokenizer.encode(&"a".repeat(260_000)).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, "text"));
    assert!(steps(64).is_ok());
    assert_eq!(steps(65).unwrap_err().at_fault(), "tokenizer.json: normalizer");
    // Others that make a text longer, each with a text that is too long for it alone.
    let bert = changed("bert-uncased", "bert", "decoder", json!(null)).unwrap();
    assert!(bert.encode(&"\u{732b}".repeat(100_000)).is_ok());
    assert_eq!(bert.encode(&"\u{732b}".repeat(2 << 20)).unwrap_err().kind(), ErrorKind::Input);
    let nfkd = json!({ "type": "NFKD" });
    let nfkd = changed("roberta", "roberta", "normalizer", nfkd).unwrap();
    assert_eq!(nfkd.encode(&"\u{fdfa}".repeat(1 << 20)).unwrap_err().kind(), ErrorKind::Input);
}

/// With a product of their numbers this would take minutes.
#[test]
fn settings_with_many_tokens_take_time_in_proportion() {
    let extra: Vec<_> = (0..60_000).map(|n| format!("<{n}>")).collect();
    let added: Map<_, _> = (0..60_000).map(|n| (format!("<added {n}>"), json!(n))).collect();
    let folder = roberta(json!({ "extra_special_tokens": extra }))
        .with("added_tokens.json", Value::Object(added).to_string());
    let error = folder.load("roberta").unwrap_err();
    assert!(error.to_string().contains("does not fit the model"), "{error}");
}

#[test]
fn an_added_token_that_grows_is_refused() {
    let replace =
        json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "a".repeat(1000) });
    let all = json!({ "type": "Sequence", "normalizers": vec![&replace; 3] });
    let token = json!({ "id": 5, "content": "a", "normalized": true });
    let settings = json!({ "tokenizer_class": "Any", "added_tokens_decoder": { "1202": token } });
    let mut json: Value =
        serde_json::from_slice(&read("golden/tokenizers/xlm-roberta.json")).unwrap();
    json["normalizer"] = all;
    let folder = Folder::default()
        .with("tokenizer.json", json.to_string())
        .with("tokenizer_config.json", settings.to_string());
    let error = folder.load("xlm-roberta").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tokenizer, "{error}");
}
