use std::collections::HashMap;

use pollster::block_on;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::TruncationParams;
use tokenizers::utils::truncation::truncate_encodings;

use super::*;
use crate::checkpoint::source::{ByteSource, LocalFuture};

const JSON: &[u8] = include_bytes!("../../tests/fixtures/tokenizer/tokenizer.json");
const VOCAB: &[u8] = include_bytes!("../../tests/fixtures/tokenizer/vocab.json");
const MERGES: &[u8] = include_bytes!("../../tests/fixtures/tokenizer/merges.txt");
const EXPECTED: &[u8] = include_bytes!("../../tests/fixtures/tokenizer/expected.json");

fn config(vocab_size: usize, max_tokens: usize) -> Config {
    let json = json!({
        "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
        "vocab_size": vocab_size, "hidden_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 96, "hidden_act": "gelu",
        "max_position_embeddings": max_tokens + 2, "type_vocab_size": 1,
        "layer_norm_eps": 1e-5, "pad_token_id": 1, "id2label": { "0": "LABEL_0" },
    });
    Config::from_json("config.json", json.to_string().as_bytes()).unwrap()
}

fn changed(change: impl FnOnce(&mut Value)) -> Result<Tokenizer> {
    let mut json: Value = serde_json::from_slice(JSON).unwrap();
    change(&mut json);
    Tokenizer::from_json("tokenizer.json", json.to_string().as_bytes(), &config(600, 512))
}

/// A text of `expected.json`, written as a list of `[piece, times]`.
fn text(pieces: &Value) -> String {
    let pieces = pieces.as_array().unwrap();
    pieces.iter().map(|p| p[0].as_str().unwrap().repeat(p[1].as_u64().unwrap() as usize)).collect()
}

#[test]
fn ids_positions_and_cut_tokens_equal_transformers() {
    let cases: Vec<Value> = serde_json::from_slice(EXPECTED).unwrap();
    assert!(cases.len() >= 60);
    for case in &cases {
        let (instruction, response) = (text(&case["instruction"]), text(&case["response"]));
        for result in case["results"].as_array().unwrap() {
            let config = config(600, result["max_tokens"].as_u64().unwrap() as usize);
            let expected = Encoded {
                ids: serde_json::from_value(result["ids"].clone()).unwrap(),
                position_ids: serde_json::from_value(result["position_ids"].clone()).unwrap(),
                type_ids: vec![0; result["ids"].as_array().unwrap().len()],
                truncated: result["truncated"].as_u64().unwrap() as usize,
            };
            let from_json = Tokenizer::from_json("tokenizer.json", JSON, &config).unwrap();
            let from_pieces = Tokenizer::from_vocab_and_merges(VOCAB, MERGES, &config).unwrap();
            for tokenizer in [from_json, from_pieces] {
                assert_eq!(
                    tokenizer.encode_pair(&instruction, &response).unwrap(),
                    expected,
                    "{instruction:?}, {response:?}, {} tokens",
                    result["max_tokens"]
                );
            }
        }
    }
}

#[test]
fn truncation_equals_the_tokenizers_crate() {
    let tokenizer = Tokenizer::from_json("tokenizer.json", JSON, &config(600, 512)).unwrap();
    let token = |id| tokenizers::Token::new(id, String::new(), (0, 0));
    let encode = |n: usize| {
        let ids = tokenizer.encode(&"!a".repeat(n)).unwrap();
        tokenizers::Encoding::from_tokens(ids.into_iter().map(token).collect(), 0)
    };
    let of_length: Vec<_> = (0..20)
        .map(|n| {
            let mut encoding = encode(20);
            encoding.truncate(n, 0, tokenizers::TruncationDirection::Right);
            encoding.take_overflowing();
            encoding
        })
        .collect();
    for (first, a) in of_length.iter().enumerate() {
        for (second, b) in of_length.iter().enumerate() {
            for most in 0..30 {
                let params = TruncationParams { max_length: most, ..Default::default() };
                let (a, b) = truncate_encodings(a.clone(), Some(b.clone()), &params).unwrap();
                assert_eq!(
                    longest_first(first, second, most),
                    (a.len(), b.unwrap().len()),
                    "{first} and {second} tokens into {most}"
                );
            }
        }
    }
}

#[test]
fn megabytes_of_text_take_no_product_of_their_lengths() {
    let tokenizer = Tokenizer::from_json("tokenizer.json", JSON, &config(600, 512)).unwrap();
    let long = "the cat likes a map ".repeat(20_000);
    let pair = tokenizer.encode_pair(&long, &long).unwrap();
    assert_eq!((pair.ids.len(), pair.ids[0], pair.ids[511]), (512, 0, 2));
    assert_eq!(pair.truncated, 2 * tokenizer.encode(&long).unwrap().len() - 508);
}

#[test]
fn a_run_of_a_million_characters_is_split_as_in_python() {
    let tokenizer = Tokenizer::from_json("tokenizer.json", JSON, &config(600, 512)).unwrap();
    let expected = tokenizer.encode(" the cat").unwrap();
    // As many as Python gives.
    for (run, tokens) in [(" ", 1_100_003), ("猫", 2_200_003)] {
        let ids = tokenizer.encode(&format!("x{} the cat", run.repeat(1_100_000))).unwrap();
        assert!(ids.ends_with(&expected), "{run:?}");
        assert_eq!(ids.len(), tokens, "{run:?}");
    }
}

#[test]
fn each_broken_part_is_named() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 23] = [
        ("tokenizer.json", |t| *t = json!([])),
        ("tokenizer.json: version", |t| t["version"] = "2.0".into()),
        ("tokenizer.json: model", |t| t["model"] = Value::Null),
        ("tokenizer.json: model", |t| t["model"]["type"] = "Unigram".into()),
        ("tokenizer.json: model", |t| t["model"]["vocab"] = json!({"a": -1})),
        ("tokenizer.json: model", |t| t["model"]["new_idea"] = true.into()),
        ("tokenizer.json: model.dropout", |t| t["model"]["dropout"] = 0.1.into()),
        ("tokenizer.json: model.byte_fallback", |t| t["model"]["byte_fallback"] = true.into()),
        ("tokenizer.json: model.end_of_word_suffix", |t| {
            t["model"]["end_of_word_suffix"] = "</w>".into();
        }),
        ("tokenizer.json: model.merges[2]", |t| t["model"]["merges"][2] = json!(["q", "猫"])),
        ("tokenizer.json: model.merges[0]", |t| t["model"]["merges"] = json!(["t"])),
        ("tokenizer.json: pre_tokenizer", |t| t["pre_tokenizer"] = Value::Null),
        ("tokenizer.json: pre_tokenizer", |t| t["pre_tokenizer"]["type"] = "Whitespace".into()),
        ("tokenizer.json: pre_tokenizer", |t| t["pre_tokenizer"]["use_regex"] = false.into()),
        ("tokenizer.json: normalizer", |t| t["normalizer"] = json!({"type": "Precompiled"})),
        ("tokenizer.json: post_processor", |t| t["post_processor"] = Value::Null),
        ("tokenizer.json: post_processor", |t| {
            t["post_processor"]["type"] = "BertProcessing".into();
        }),
        ("tokenizer.json: post_processor", |t| {
            t["post_processor"] = json!({ "type": "ByteLevel", "trim_offsets": true });
        }),
        ("tokenizer.json", |t| t["post_processor"]["cls"][1] = 3.into()),
        ("tokenizer.json", |t| t["post_processor"]["sep"] = json!(["[SEP]", 2])),
        ("tokenizer.json", |t| t["added_tokens"][4]["id"] = 5.into()),
        ("tokenizer.json", |t| t["model"]["unk_token"] = "[UNK]".into()),
        ("tokenizer.json", |t| t["model"]["vocab"]["!"] = t["model"]["vocab"]["#"].clone()),
    ];
    for (index, (at_fault, change)) in cases.into_iter().enumerate() {
        let error = changed(change).expect_err(&format!("case {index}"));
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Tokenizer, at_fault), "{error}");
    }
}

#[test]
fn parts_that_change_no_id_are_accepted() {
    let changes: [fn(&mut Value); 6] = [
        |t| t["decoder"] = "not even an object".into(),
        |t| t["truncation"] = json!({ "max_length": 3, "strategy": "OnlyFirst", "stride": 2 }),
        |t| t["padding"] = json!({ "strategy": { "Fixed": 99 } }),
        |t| drop(t["model"].as_object_mut().unwrap().remove("type")),
        |t| {
            let merges = t["model"]["merges"].as_array_mut().unwrap();
            for merge in merges {
                let line = format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap());
                *merge = line.into();
            }
        },
        |t| {
            t["post_processor"] = json!({ "type": "Sequence", "processors": [
                { "type": "ByteLevel", "trim_offsets": true, "add_prefix_space": false },
                { "type": "TemplateProcessing", "single": [], "pair": [
                    { "SpecialToken": { "id": "<s>", "type_id": 0 } },
                    { "Sequence": { "id": "A", "type_id": 0 } },
                    { "SpecialToken": { "id": "</s>", "type_id": 0 } },
                    { "SpecialToken": { "id": "</s>", "type_id": 0 } },
                    { "Sequence": { "id": "B", "type_id": 0 } },
                    { "SpecialToken": { "id": "</s>", "type_id": 0 } },
                ], "special_tokens": {
                    "<s>": { "id": "<s>", "ids": [0], "tokens": ["<s>"] },
                    "</s>": { "id": "</s>", "ids": [2], "tokens": ["</s>"] },
                } },
            ] });
        },
    ];
    let expected = changed(|_| ()).unwrap().encode_pair("the cat", " <mask> </s>").unwrap();
    for change in changes {
        let tokenizer = changed(change).unwrap();
        assert_eq!(tokenizer.encode_pair("the cat", " <mask> </s>").unwrap(), expected);
    }
}

#[test]
fn a_normalizer_is_applied() {
    let tokenizer = changed(|t| {
        t["normalizer"] = json!({ "type": "Sequence", "normalizers": [
            { "type": "NFC" }, { "type": "Lowercase" },
        ] });
    })
    .unwrap();
    let plain = changed(|_| ()).unwrap();
    assert_eq!(
        tokenizer.encode_pair("THE CAT", "e\u{301}").unwrap(),
        plain.encode_pair("the cat", "\u{e9}").unwrap()
    );
}

#[test]
fn a_vocabulary_that_does_not_fit_is_refused() {
    let size = serde_json::from_slice::<HashMap<String, u32>>(VOCAB).unwrap().len();
    Tokenizer::from_json("t.json", JSON, &config(size, 512)).unwrap();
    for result in [
        Tokenizer::from_json("t.json", JSON, &config(size - 1, 512)),
        Tokenizer::from_vocab_and_merges(VOCAB, MERGES, &config(size - 1, 512)),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tokenizer);
        assert!(error.to_string().contains("does not fit the model"), "{error}");
    }
}

#[test]
fn positions_are_counted_by_the_models_padding_token() {
    let config = Config { pad_token_id: 0, ..config(600, 512) };
    let tokenizer = Tokenizer::from_json("t.json", JSON, &config).unwrap();
    // As torch's create_position_ids_from_input_ids has it for a padding_idx of 0, which is <s>.
    let pair = tokenizer.encode_pair("<pad>", "a").unwrap();
    assert_eq!(pair.ids[..4], [0, 1, 2, 2]);
    assert_eq!(pair.position_ids, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn broken_vocab_and_merges_are_named() {
    let merges = str::from_utf8(MERGES).unwrap();
    let without_mask = str::from_utf8(VOCAB).unwrap().replace("\"<mask>\"", "\"<musk>\"");
    let unknown = format!("{merges}q 猫\n");
    let lines = merges.lines().count();
    for (vocab, merges, message) in [
        (VOCAB, unknown.as_bytes(), format!("merges.txt: line {}: ", lines + 1)),
        (VOCAB, b"#version: 0.2\n\nt h e\n", "merges.txt: line 3: ".into()),
        (VOCAB, b"\xff\xfe", "merges.txt: is not UTF-8".into()),
        (&VOCAB[..100], MERGES, "vocab.json: does not map".into()),
        (without_mask.as_bytes(), MERGES, "vocab.json: has no <mask> token".into()),
    ] {
        let error = Tokenizer::from_vocab_and_merges(vocab, merges, &config(600, 512)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tokenizer);
        assert!(error.to_string().starts_with(&message), "{error}");
    }
}

/// A folder that lies in memory.
struct Folder(Vec<(&'static str, &'static [u8])>);

struct Bytes(&'static str, &'static [u8]);

impl ByteSource for Bytes {
    fn name(&self) -> &str {
        self.0
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
        let found = self.0.iter().find(|(file, _)| *file == name);
        Box::pin(async move {
            Ok(found.map(|&(file, bytes)| Box::new(Bytes(file, bytes)) as Box<dyn ByteSource>))
        })
    }
}

#[test]
fn a_folder_is_loaded_from_either_form() {
    let config = config(600, 512);
    for files in [
        vec![("tokenizer.json", JSON)],
        vec![("vocab.json", VOCAB), ("merges.txt", MERGES)],
        vec![("tokenizer.json", JSON), ("vocab.json", b"broken")],
    ] {
        block_on(Tokenizer::load(&Folder(files), &config)).unwrap();
    }
    for (files, message) in [
        (vec![], "folder: has no tokenizer"),
        (vec![("vocab.json", VOCAB)], "folder: has vocab.json but not merges.txt"),
        (vec![("merges.txt", MERGES)], "folder: has merges.txt but not vocab.json"),
    ] {
        let error = block_on(Tokenizer::load(&Folder(files), &config)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

/// Replaces one value somewhere in the tree by a strange one.
fn mutate(value: &mut Value, mut at: usize, strange: &Value) {
    fn walk(value: &mut Value, at: &mut usize, strange: &Value) -> bool {
        if *at == 0 {
            *value = strange.clone();
            return true;
        }
        *at -= 1;
        match value {
            Value::Array(all) => all.iter_mut().any(|one| walk(one, at, strange)),
            Value::Object(all) => all.values_mut().any(|one| walk(one, at, strange)),
            _ => false,
        }
    }
    walk(value, &mut at, strange);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn strange_bytes_do_not_panic(at in 0..JSON.len(), byte: u8, cut in 0..JSON.len()) {
        let config = config(600, 16);
        let mut bytes = JSON.to_vec();
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..cut]] {
            if let Ok(tokenizer) = Tokenizer::from_json("t.json", bytes, &config) {
                let _ = tokenizer.encode_pair("the cat </s> <mask> \u{1f469} 猫", "\0 é");
            }
        }
        let _ = Tokenizer::from_vocab_and_merges(VOCAB, &bytes[..cut], &config);
        let _ = Tokenizer::from_vocab_and_merges(&bytes[..cut], MERGES, &config);
    }

    #[test]
    fn strange_values_do_not_panic(at in 0usize..1200, which in 0usize..9) {
        let strange = [
            json!(null), json!(""), json!(" "), json!(4_294_967_295u32), json!(-1), json!([]),
            json!({}), json!({ "type": "Sequence" }), json!("</s>"),
        ];
        if let Ok(tokenizer) = changed(|json| mutate(json, at, &strange[which])) {
            let pair = tokenizer.encode_pair("the cat </s> <mask> \u{1f469} 猫", "\0 é");
            prop_assert!(pair.is_ok_and(|pair| pair.ids.iter().all(|&id| id < 600)));
        }
    }

    #[test]
    fn any_text_keeps_the_layout(first in ".*", second in "(<s>|</s>|<pad>|<mask>| |\\PC)*") {
        let tokenizer = Tokenizer::from_json("t.json", JSON, &config(600, 16)).unwrap();
        let pair = tokenizer.encode_pair(&first, &second).unwrap();
        prop_assert!((4..=16).contains(&pair.ids.len()));
        prop_assert_eq!((pair.ids[0], pair.ids[pair.ids.len() - 1]), (0, 2));
        prop_assert_eq!(pair.position_ids.len(), pair.ids.len());
        prop_assert!(pair.position_ids.iter().all(|&position| position <= 17));
    }
}
