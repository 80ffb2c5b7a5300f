//! What stands in `tokenizer.json`, or in `vocab.json` and `merges.txt`, checked part by part.
//!
//! The `tokenizers` crate can read `tokenizer.json` itself, but panics on some broken files (a
//! character map that is not base64, a truncation shorter than the pair template, a prefix longer
//! than its token), which wasm could not survive, and accepts parts that would silently give
//! other ids than a RoBERTa expects. So only the parts that a RoBERTa tokenizer consists of are
//! read, and its builders are given nothing that they could stumble over.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::AddedToken;

use super::parts::{NormalizerStep, Parts, Special, refuse};
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
enum RawNormalizer {
    Sequence {
        normalizers: Vec<RawNormalizer>,
    },
    #[serde(rename = "NFC")]
    Nfc,
    #[serde(rename = "NFD")]
    Nfd,
    #[serde(rename = "NFKC")]
    Nfkc,
    #[serde(rename = "NFKD")]
    Nfkd,
    Lowercase,
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

#[derive(Deserialize)]
#[serde(tag = "type")]
enum RawPostProcessor {
    RobertaProcessing { sep: Special, cls: Special },
    TemplateProcessing { pair: Vec<RawPiece>, special_tokens: HashMap<String, RawSpecialToken> },
    ByteLevel {},
    Sequence { processors: Vec<RawPostProcessor> },
}

#[derive(Deserialize)]
enum RawPiece {
    SpecialToken { id: String },
    Sequence { id: String },
}

#[derive(Deserialize)]
struct RawSpecialToken {
    ids: Vec<u32>,
}

/// Reads the part called `field`; `type` names are answered with those that are supported.
fn part<T: DeserializeOwned>(file: &str, field: &str, value: Value) -> Result<T> {
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
    let mut parts = model(file, raw.model)?;

    let RawPreTokenizer::ByteLevel { add_prefix_space, use_regex, .. } =
        part(file, "pre_tokenizer", raw.pre_tokenizer)?;
    if use_regex == Some(false) {
        return Err(refuse(format!("{file}: pre_tokenizer"), "does not split text into words"));
    }
    parts.add_prefix_space = add_prefix_space;

    if !raw.normalizer.is_null() {
        normalizers(part(file, "normalizer", raw.normalizer)?, &mut parts.normalizers);
    }
    (parts.cls, parts.sep) = template(part(file, "post_processor", raw.post_processor)?)
        .map_err(|why| refuse(format!("{file}: post_processor"), why))?;
    parts.added_tokens = raw
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
    Ok(parts)
}

/// Reads the BPE model in `tokenizer.json`.
fn model(file: &str, mut value: Value) -> Result<Parts> {
    // Asked first, because the fields of another model would make a less helpful message.
    if let Some(kind) = value.get_mut("type").filter(|kind| *kind != "BPE") {
        return Err(refuse(
            format!("{file}: model"),
            format!("is of type {kind}, only \"BPE\" is supported"),
        ));
    }
    let raw: RawModel = part(file, "model", value)?;
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
    Ok(Parts {
        vocab: raw.vocab,
        merges,
        unk_token: raw.unk_token,
        fuse_unk: raw.fuse_unk == Some(true),
        ignore_merges: raw.ignore_merges == Some(true),
        ..Parts::default()
    })
}

/// Flattens nested sequences.
fn normalizers(raw: RawNormalizer, into: &mut Vec<NormalizerStep>) {
    match raw {
        RawNormalizer::Sequence { normalizers: all } => {
            all.into_iter().for_each(|one| normalizers(one, into));
        }
        RawNormalizer::Nfc => into.push(NormalizerStep::Nfc),
        RawNormalizer::Nfd => into.push(NormalizerStep::Nfd),
        RawNormalizer::Nfkc => into.push(NormalizerStep::Nfkc),
        RawNormalizer::Nfkd => into.push(NormalizerStep::Nfkd),
        RawNormalizer::Lowercase => into.push(NormalizerStep::Lowercase),
    }
}

/// The two special tokens of a post-processor that lays a pair out as RoBERTa does.
fn template(raw: RawPostProcessor) -> Result<(Special, Special), String> {
    match raw {
        RawPostProcessor::RobertaProcessing { sep, cls } => Ok((cls, sep)),
        RawPostProcessor::TemplateProcessing { pair, special_tokens } => {
            use RawPiece::{Sequence, SpecialToken};
            let wrong = || "does not lay a pair out as <s> A </s></s> B </s>".to_string();
            let [
                SpecialToken { id: cls },
                Sequence { id: first },
                SpecialToken { id: sep },
                SpecialToken { id: middle },
                Sequence { id: second },
                SpecialToken { id: end },
            ] = pair.as_slice()
            else {
                return Err(wrong());
            };
            if first != "A" || second != "B" || sep != middle || sep != end || cls == sep {
                return Err(wrong());
            }
            let token = |name: &String| match special_tokens.get(name).map(|t| t.ids.as_slice()) {
                Some([id]) => Ok((name.clone(), *id)),
                _ => Err(format!("has not one id for {name:?}")),
            };
            Ok((token(cls)?, token(sep)?))
        }
        RawPostProcessor::ByteLevel {} => Err("has no pair template".into()),
        RawPostProcessor::Sequence { processors } => {
            // ByteLevel as a post-processor changes offsets only.
            let mut templates =
                processors.into_iter().filter(|one| !matches!(one, RawPostProcessor::ByteLevel {}));
            match (templates.next(), templates.next()) {
                (Some(one), None) => template(one),
                _ => Err("has not exactly one pair template".into()),
            }
        }
    }
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
    Ok(Parts { vocab, merges, added_tokens, cls, sep, ..Parts::default() })
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
