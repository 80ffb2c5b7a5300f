//! Reads `tokenizer.json`, or `vocab.json` and `merges.txt`, and checks them part by part.
//!
//! The `tokenizers` crate can read `tokenizer.json` itself, but panics on some broken files (a
//! character map that is not base64, a truncation shorter than the pair template, a prefix longer
//! than its token), which wasm could not survive, and accepts parts that would silently give
//! other ids than a model expects. So only the parts that tokenizers of the known families consist of
//! are read, and its builders are given nothing that they could stumble over.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::added::Added;
use super::parts::{Bpe, Model, Parts, refuse};
use super::settings::{Class, Settings};
use super::template::{Template, template};
use super::{families, normalization};
use crate::config::OtherFamilies;
use crate::error::Result;

#[derive(Deserialize)]
struct RawFile {
    version: Option<String>,
    #[serde(default)]
    added_tokens: Vec<RawAddedToken>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    model: Value,
    truncation: Option<RawTruncation>,
}

#[derive(Deserialize)]
struct RawTruncation {
    direction: Option<String>,
}

#[derive(Deserialize)]
struct RawAddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

// Fields that this crate does not know could change the ids, so they are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    #[serde(rename = "type")]
    _type: Option<String>,
    vocab: HashMap<String, u32>,
    merges: RawMerges,
    unk_token: Option<String>,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: Option<bool>,
    #[serde(default)]
    byte_fallback: Option<bool>,
    #[serde(default)]
    ignore_merges: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawMerges {
    Pairs(Vec<(String, String)>),
    Lines(Vec<String>),
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum RawPreTokenizer {
    ByteLevel {
        add_prefix_space: bool,
        #[serde(rename = "trim_offsets")]
        _trim_offsets: Option<bool>,
        use_regex: Option<bool>,
    },
    Sequence {
        pretokenizers: Vec<RawPreTokenizer>,
    },
}

/// Reads the part called `field`. If its `type` is unknown, the error lists the known ones.
pub(super) fn part<T: DeserializeOwned>(file: &str, field: &str, value: Value) -> Result<T> {
    if value.is_null() {
        return Err(refuse(format!("{file}: {field}"), "is missing"));
    }
    serde_json::from_value(value).map_err(|source| {
        refuse(format!("{file}: {field}"), format!("is not supported: {source}"))
            .with_source(source)
    })
}

/// Reads `tokenizer.json`. With `settings` a pair is laid out as their class does it.
pub(super) fn from_json(file: &str, json: &[u8], settings: Option<&mut Settings>) -> Result<Parts> {
    let raw: RawFile = serde_json::from_slice(json).map_err(|source| {
        refuse(file, format!("is not a tokenizer: {source}")).with_source(source)
    })?;
    if let Some(version) = raw.version.filter(|version| version != "1.0") {
        return Err(refuse(format!("{file}: version"), format!("is {version:?}, not \"1.0\"")));
    }
    let model = model(file, raw.model, raw.pre_tokenizer)?;
    let normalizers = normalization::read(file, raw.normalizer)?;
    let mut own = part(file, "post_processor", raw.post_processor).and_then(|raw| {
        template(raw).map_err(|why| refuse(format!("{file}: post_processor"), why))
    });
    if let Some(settings) = settings {
        if !settings.class.has(&model) {
            settings.class = Class::Other;
        } else if settings.class != Class::Other {
            let class = settings.template();
            own = Ok(match own {
                Ok(Template { cls, sep, .. }) => Template { cls, sep, ..class },
                Err(_) => class,
            });
        }
    }
    let added_tokens = raw.added_tokens.into_iter().map(|token| Added {
        content: token.content,
        id: Some(token.id),
        single_word: token.single_word,
        lstrip: token.lstrip,
        rstrip: token.rstrip,
        normalized: token.normalized,
        special: token.special,
        ignored: false,
    });
    let left = raw.truncation.and_then(|truncation| truncation.direction);
    Ok(Parts {
        normalizers,
        added_tokens: added_tokens.collect(),
        from_the_left: left.as_deref() == Some("Left"),
        ..Parts::new(model, own?)
    })
}

/// Reads the model in `tokenizer.json`, and how it splits texts into words.
fn model(file: &str, value: Value, pre_tokenizer: Value) -> Result<Model> {
    // Checked first, because an error about the fields of another model would be less helpful. Files
    // of tokenizers before 0.10 have no type, but each type has fields of its own.
    let has = |field: &str| value.get(field).is_some();
    let kind = match value.get("type") {
        Some(kind) => kind.as_str().unwrap_or_default().to_owned(),
        None if has("merges") || !OtherFamilies::BUILT => "BPE".into(),
        None if value.get("vocab").is_some_and(Value::is_array) => "Unigram".into(),
        None if has("continuing_subword_prefix") => "WordPiece".into(),
        None => "BPE".into(),
    };
    match (&kind[..], OtherFamilies::built()) {
        ("BPE", _) => bpe(file, value, pre_tokenizer).map(Model::Bpe),
        ("Unigram", Some(built)) => {
            Ok(Model::Unigram(built, families::unigram(file, value, pre_tokenizer)?))
        }
        ("WordPiece", Some(built)) => {
            Ok(Model::WordPiece(built, families::word_piece(file, value, pre_tokenizer)?))
        }
        (_, built) => {
            let known = match built {
                Some(_) => "\"BPE\", \"Unigram\" and \"WordPiece\" are",
                None => "only \"BPE\" is",
            };
            let what = format!("is of type {kind:?}, {known} supported");
            Err(refuse(format!("{file}: model"), what))
        }
    }
}

/// Reads a byte-level BPE model and its pre-tokenizer.
fn bpe(file: &str, model: Value, pre_tokenizer: Value) -> Result<Bpe> {
    let raw: RawModel = part(file, "model", model)?;
    for (field, set) in [
        ("dropout", raw.dropout.is_some_and(|dropout| dropout != 0.0)),
        ("continuing_subword_prefix", raw.continuing_subword_prefix.is_some_and(|s| !s.is_empty())),
        ("end_of_word_suffix", raw.end_of_word_suffix.is_some_and(|s| !s.is_empty())),
        ("byte_fallback", raw.byte_fallback == Some(true)),
    ] {
        if set {
            return Err(refuse(format!("{file}: model.{field}"), "is set, which is not supported"));
        }
    }
    let at_merge = |index: usize| format!("{file}: model.merges[{index}]");
    let merges = match raw.merges {
        RawMerges::Pairs(pairs) => pairs,
        RawMerges::Lines(lines) => lines
            .iter()
            .enumerate()
            .map(|(index, line)| split_merge(line).map_err(|why| refuse(at_merge(index), why)))
            .collect::<Result<_>>()?,
    };
    for (index, merge) in merges.iter().enumerate() {
        check_merge(merge, &raw.vocab).map_err(|why| refuse(at_merge(index), why))?;
    }
    let mut splits = part(file, "pre_tokenizer", pre_tokenizer)?;
    // A sequence of one is that one.
    let (add_prefix_space, use_regex) = loop {
        match splits {
            RawPreTokenizer::ByteLevel { add_prefix_space, use_regex, .. } => {
                break (add_prefix_space, use_regex);
            }
            RawPreTokenizer::Sequence { mut pretokenizers } if pretokenizers.len() == 1 => {
                splits = pretokenizers.remove(0);
            }
            RawPreTokenizer::Sequence { .. } => {
                let what = "is a sequence that is not of ByteLevel alone";
                return Err(refuse(format!("{file}: pre_tokenizer"), what));
            }
        }
    };
    if use_regex == Some(false) {
        return Err(refuse(format!("{file}: pre_tokenizer"), "does not split text into words"));
    }
    Ok(Bpe {
        vocab: raw.vocab,
        merges,
        unk_token: raw.unk_token,
        fuse_unk: raw.fuse_unk == Some(true),
        ignore_merges: raw.ignore_merges == Some(true),
        add_prefix_space,
    })
}

/// Reads `vocab.json` and `merges.txt`.
pub(super) fn vocab_and_merges(vocab: &[u8], merges: &[u8], template: Template) -> Result<Parts> {
    let vocab: HashMap<String, u32> = serde_json::from_slice(vocab).map_err(|source| {
        refuse("vocab.json", format!("does not map tokens to ids: {source}")).with_source(source)
    })?;
    let merges = str::from_utf8(merges).map_err(|source| {
        refuse("merges.txt", format!("is not UTF-8: {source}")).with_source(source)
    })?;
    let merges = merges
        .lines()
        .enumerate()
        .filter(|(index, line)| !(line.is_empty() || *index == 0 && line.starts_with("#version")))
        .map(|(index, line)| {
            split_merge(line)
                .and_then(|merge| check_merge(&merge, &vocab).map(|()| merge))
                .map_err(|why| refuse(format!("merges.txt: line {}", index + 1), why))
        })
        .collect::<Result<_>>()?;

    let model = Model::Bpe(Bpe { vocab, merges, ..Bpe::default() });
    Ok(Parts::new(model, template))
}

/// Reads `vocab.json` and `merges.txt`, and adds RoBERTa's own special tokens and layout.
pub(super) fn roberta(vocab: &[u8], merges: &[u8]) -> Result<Parts> {
    let [cls, sep] = ["<s>", "</s>"].map(|token| (token.to_string(), None));
    let template = Template { cls, sep, doubled: true, second_type: 0 };
    let mut parts = vocab_and_merges(vocab, merges, template)?;
    for token in ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] {
        if !matches!(&parts.model, Model::Bpe(bpe) if bpe.vocab.contains_key(token)) {
            return Err(refuse("vocab.json", format!("has no {token} token")));
        }
        // RoBERTa's mask takes the place of a word together with the space before it.
        parts.added_tokens.push(Added { lstrip: token == "<mask>", ..Added::special(token) });
    }
    Ok(parts)
}

fn split_merge(line: &str) -> Result<(String, String), String> {
    match line.split_once(' ') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
            Ok((left.into(), right.into()))
        }
        _ => Err(format!("{line:?} is not two tokens with a space between them")),
    }
}

fn check_merge(
    (left, right): &(String, String),
    vocab: &HashMap<String, u32>,
) -> Result<(), String> {
    for token in [left, right, &format!("{left}{right}")] {
        if !vocab.contains_key(token) {
            return Err(format!("{token:?} is not in the vocabulary"));
        }
    }
    Ok(())
}
