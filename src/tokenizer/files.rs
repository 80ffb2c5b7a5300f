//! What stands in `tokenizer.json`, or in `vocab.json` and `merges.txt`, checked part by part.
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
use tokenizers::AddedToken;

#[cfg(feature = "families")]
use super::families;
use super::normalization::steps;
use super::parts::{Bpe, Model, Parts, refuse};
use super::template::{Template, template};
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
}

/// Reads the part called `field`; `type` names are answered with those that are supported.
pub(super) fn part<T: DeserializeOwned>(file: &str, field: &str, value: Value) -> Result<T> {
    if value.is_null() {
        return Err(refuse(format!("{file}: {field}"), "is missing"));
    }
    serde_json::from_value(value).map_err(|source| {
        refuse(format!("{file}: {field}"), format!("is not supported: {source}"))
            .with_source(source)
    })
}

/// Reads `tokenizer.json`.
pub(super) fn from_json(file: &str, json: &[u8]) -> Result<Parts> {
    let raw: RawFile = serde_json::from_slice(json).map_err(|source| {
        refuse(file, format!("is not a tokenizer: {source}")).with_source(source)
    })?;
    if let Some(version) = raw.version.filter(|version| version != "1.0") {
        return Err(refuse(format!("{file}: version"), format!("is {version:?}, not \"1.0\"")));
    }
    let model = model(file, raw.model, raw.pre_tokenizer)?;
    let mut normalizers = Vec::new();
    if !raw.normalizer.is_null() {
        steps(part(file, "normalizer", raw.normalizer)?, &mut normalizers)
            .map_err(|why| refuse(format!("{file}: normalizer"), why))?;
    }
    let template = template(part(file, "post_processor", raw.post_processor)?)
        .map_err(|why| refuse(format!("{file}: post_processor"), why))?;
    let added_tokens = raw
        .added_tokens
        .into_iter()
        .map(|token| {
            let added = AddedToken::from(token.content, token.special)
                .single_word(token.single_word)
                .lstrip(token.lstrip)
                .rstrip(token.rstrip)
                .normalized(token.normalized);
            (added, token.id)
        })
        .collect();
    Ok(Parts { model, normalizers, added_tokens, template })
}

/// Reads the model in `tokenizer.json`, and how it splits texts into words.
fn model(file: &str, value: Value, pre_tokenizer: Value) -> Result<Model> {
    // Asked first, because the fields of another model would make a less helpful message.
    match value.get("type") {
        #[cfg(feature = "families")]
        Some(kind) if kind == "Unigram" => {
            families::unigram(file, value, pre_tokenizer).map(Model::Unigram)
        }
        #[cfg(feature = "families")]
        Some(kind) if kind == "WordPiece" => {
            families::word_piece(file, value, pre_tokenizer).map(Model::WordPiece)
        }
        Some(kind) if kind != "BPE" => {
            let known = match cfg!(feature = "families") {
                true => "\"BPE\", \"Unigram\" and \"WordPiece\" are",
                false => "only \"BPE\" is",
            };
            let what = format!("is of type {kind}, {known} supported");
            Err(refuse(format!("{file}: model"), what))
        }
        _ => bpe(file, value, pre_tokenizer).map(Model::Bpe),
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
    let RawPreTokenizer::ByteLevel { add_prefix_space, use_regex, .. } =
        part(file, "pre_tokenizer", pre_tokenizer)?;
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

/// Reads `vocab.json` and `merges.txt` and adds RoBERTa's own special tokens and layout.
pub(super) fn from_vocab_and_merges(vocab: &[u8], merges: &[u8]) -> Result<Parts> {
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

    let special = |token: &str| match vocab.get(token) {
        Some(&id) => Ok((token.to_string(), id)),
        None => Err(refuse("vocab.json", format!("has no {token} token"))),
    };
    let (cls, sep) = (special("<s>")?, special("</s>")?);
    let added_tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        .into_iter()
        .map(|token| {
            let (content, id) = special(token)?;
            // RoBERTa's mask stands for a word together with the space before it.
            Ok((AddedToken::from(content, true).lstrip(token == "<mask>"), id))
        })
        .collect::<Result<_>>()?;
    Ok(Parts {
        model: Model::Bpe(Bpe { vocab, merges, ..Bpe::default() }),
        normalizers: Vec::new(),
        added_tokens,
        template: Template { cls, sep, doubled: true, second_type: 0 },
    })
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
