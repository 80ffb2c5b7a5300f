#![cfg(feature = "families")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::Family;

const XLM_ROBERTA: &[u8] = include_bytes!("../../tests/golden/tokenizers/xlm-roberta.json");
const BERT: &[u8] = include_bytes!("../../tests/golden/tokenizers/bert-uncased.json");

fn config(family: Family) -> Config {
    let pad = if family.is_roberta() { 1 } else { 0 };
    let json = json!({
        "architectures": [family.architecture()], "model_type": family.model_type(),
        "vocab_size": 1202, "hidden_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 96, "hidden_act": "gelu",
        "max_position_embeddings": 64, "type_vocab_size": 2,
        "layer_norm_eps": 1e-5, "pad_token_id": pad, "id2label": { "0": "LABEL_0" },
    });
    Config::from_json("config.json", json.to_string().as_bytes()).unwrap()
}

fn changed(json: &[u8], family: Family, change: impl FnOnce(&mut Value)) -> Result<Tokenizer> {
    let mut json: Value = serde_json::from_slice(json).unwrap();
    change(&mut json);
    Tokenizer::from_json("tokenizer.json", json.to_string().as_bytes(), &config(family))
}

type Change = fn(&mut Value);

fn check_faults(json: &[u8], family: Family, cases: &[(&str, Change)]) {
    changed(json, family, |_| ()).unwrap();
    for (index, (at_fault, change)) in cases.iter().enumerate() {
        let error = changed(json, family, change).expect_err(&format!("case {index}"));
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Tokenizer, *at_fault), "{error}");
    }
}

#[test]
fn each_broken_part_of_unigram_is_named() {
    check_faults(
        XLM_ROBERTA,
        Family::XlmRoberta,
        &[
            ("tokenizer.json: model", |t| t["model"]["vocab"] = json!({ "a": 1 })),
            ("tokenizer.json: model", |t| t["model"]["new_idea"] = true.into()),
            ("tokenizer.json: model", |t| t["model"]["type"] = "WordLevel".into()),
            ("tokenizer.json: model.byte_fallback", |t| t["model"]["byte_fallback"] = true.into()),
            ("tokenizer.json: model.unk_id", |t| t["model"]["unk_id"] = 1202.into()),
            ("tokenizer.json: model.vocab[9]", |t| t["model"]["vocab"][9][0] = "".into()),
            ("tokenizer.json: model.vocab[9]", |t| {
                t["model"]["vocab"][9][0] = "x".repeat(2000).into();
            }),
            ("tokenizer.json", |t| {
                t["model"]["vocab"].as_array_mut().unwrap().push(json!(["one too many", 0.0]));
            }),
            ("tokenizer.json: pre_tokenizer", |t| t["pre_tokenizer"] = Value::Null),
            ("tokenizer.json: pre_tokenizer", |t| {
                t["pre_tokenizer"] = json!({ "type": "WhitespaceSplit" });
            }),
            ("tokenizer.json: pre_tokenizer", |t| {
                t["pre_tokenizer"] = json!({ "type": "BertPreTokenizer" });
            }),
            ("tokenizer.json: pre_tokenizer", |t| {
                t["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = false.into();
            }),
            ("tokenizer.json: pre_tokenizer", |t| {
                t["pre_tokenizer"]["pretokenizers"][1]["new_idea"] = 1.into();
            }),
            ("tokenizer.json: normalizer", |t| t["normalizer"]["type"] = "Nmt".into()),
            ("tokenizer.json: normalizer", |t| {
                t["normalizer"]["precompiled_charsmap"] = "?".into();
            }),
            ("tokenizer.json: normalizer", |t| {
                t["normalizer"]["precompiled_charsmap"] = "AAAA".into();
            }),
            ("tokenizer.json: normalizer", |t| {
                let pattern = json!({ "Regex": "(a*)*b" });
                t["normalizer"] = json!({ "type": "Replace", "pattern": pattern, "content": "" });
            }),
            ("tokenizer.json: normalizer", |t| {
                let pattern = json!({ "String": "" });
                t["normalizer"] = json!({ "type": "Replace", "pattern": pattern, "content": "" });
            }),
            ("tokenizer.json: post_processor", |t| {
                t["post_processor"]["pair"].as_array_mut().unwrap().remove(2);
            }),
            ("tokenizer.json", |t| t["added_tokens"][4]["id"] = 5.into()),
        ],
    );
}

#[test]
fn each_broken_part_of_word_piece_is_named() {
    check_faults(
        BERT,
        Family::Bert,
        &[
            ("tokenizer.json: model", |t| t["model"]["vocab"] = json!([])),
            ("tokenizer.json: model.max_input_chars_per_word", |t| {
                t["model"]["max_input_chars_per_word"] = 1_000_000.into();
            }),
            ("tokenizer.json", |t| t["model"]["unk_token"] = "<unk>".into()),
            ("tokenizer.json: pre_tokenizer", |t| {
                t["pre_tokenizer"] = json!({ "type": "WhitespaceSplit" });
            }),
            ("tokenizer.json: normalizer", |t| t["normalizer"]["lowercase"] = "yes".into()),
            ("tokenizer.json: post_processor", |t| {
                t["post_processor"]["pair"][3]["Sequence"]["type_id"] = 0.into();
            }),
            ("tokenizer.json: post_processor", |t| {
                for (at, kind) in [(3, "Sequence"), (4, "SpecialToken")] {
                    t["post_processor"]["pair"][at][kind]["type_id"] = 2.into();
                }
            }),
        ],
    );
}

#[test]
fn a_layout_of_another_family_is_refused_where_it_does_not_fit() {
    // Fewer tokens than any of XLM-RoBERTa's pairs has.
    let error = changed(BERT, Family::XlmRoberta, |t| {
        t["added_tokens"].as_array_mut().unwrap().remove(0);
        t["model"]["vocab"].as_object_mut().unwrap().remove("[PAD]");
    });
    assert!(error.unwrap_err().to_string().contains("does not lay pairs out as XLMRoberta"));
    // BERT's layers under XLM-RoBERTa's tokenizer: all tokens are of type 0.
    let tokenizer = changed(XLM_ROBERTA, Family::Bert, |_| ()).unwrap();
    let pair = tokenizer.encode_pair("a", "b").unwrap();
    assert_eq!(pair.type_ids, vec![0; pair.ids.len()]);
    assert_eq!(pair.position_ids[0], 0);
}

#[test]
fn bert_processing_is_its_template() {
    let template = changed(BERT, Family::Bert, |_| ()).unwrap();
    let processing = changed(BERT, Family::Bert, |t| {
        t["post_processor"] =
            json!({ "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] });
    });
    let pair = ("The cat [SEP]", "caf\u{e9} [MASK] \u{732b}");
    let expected = template.encode_pair(pair.0, pair.1).unwrap();
    assert_eq!(processing.unwrap().encode_pair(pair.0, pair.1).unwrap(), expected);
    // The separator in the text is of the first type, too, and the one after it.
    let first = template.encode_pair(pair.0, "").unwrap().ids.len() - 1;
    let types = (0..expected.ids.len()).map(|at| u32::from(at >= first));
    assert!(types.eq(expected.type_ids));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_text_keeps_the_layout(
        first in ".*",
        second in "(<s>|</s>|<mask>|\\[SEP\\]| |[\\x01-\\x1f]|\\PC)*",
    ) {
        for (json, family) in [(XLM_ROBERTA, Family::XlmRoberta), (BERT, Family::Bert)] {
            let tokenizer = changed(json, family, |_| ()).unwrap();
            for (first, second) in [(&first, &second), (&second, &first)] {
                let pair = tokenizer.encode_pair(first, second).unwrap();
                let least = family.template_tokens();
                prop_assert!((least..=tokenizer.max_tokens).contains(&pair.ids.len()));
                prop_assert!(pair.position_ids.iter().all(|&position| position < 64));
            }
        }
    }
}
