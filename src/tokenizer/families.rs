//! The models of `tokenizer.json` besides RoBERTa's byte-level BPE, and how each splits texts into
//! words: Unigram for XLM-RoBERTa, WordPiece for BERT and DistilBERT.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{PreTokenizedString, PreTokenizer};

use super::files::part;
use super::parts::refuse;
use crate::config::OtherFamilies;
use crate::error::Result;

/// No piece of a real vocabulary is near this many bytes; a tree of pieces is as deep as the
/// longest, and is taken down recursively.
const LONGEST_PIECE: usize = 1024;

/// BERT's are of 100 characters. Time grows with the third power.
const LONGEST_WORD: usize = 1000;

/// The JSON of a part that only other families' tokenizers have. A build without those families
/// refuses it.
pub(super) struct OfFamilies<T>(pub(super) OtherFamilies, pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OfFamilies<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OfFamilies<T>, D::Error> {
        match OtherFamilies::built() {
            Some(built) => Ok(OfFamilies(built, T::deserialize(deserializer)?)),
            None => Err(serde::de::Error::custom("needs a build with the feature \"families\"")),
        }
    }
}

/// Pieces with the logarithms of their probabilities; an id is a place in the list.
pub(super) struct Unigram {
    pub(super) pieces: Vec<(String, f64)>,
    pub(super) unknown: usize,
    pub(super) splits: Splits,
}

/// Words are cut into the longest pieces that the vocabulary has.
pub(super) struct WordPiece {
    pub(super) vocab: HashMap<String, u32>,
    pub(super) unk_token: String,
    pub(super) prefix: String,
    pub(super) longest_word: usize,
}

/// How texts are split into words, step by step.
#[derive(Debug)]
pub(super) struct Splits(Vec<Split>);

#[derive(Debug)]
enum Split {
    Whitespace,
    Metaspace(Metaspace),
}

impl Splits {
    /// As transformers builds XLM-RoBERTa's.
    pub(super) fn xlm_roberta() -> Splits {
        let metaspace = Metaspace::new('▁', PrependScheme::Always, true);
        Splits(vec![Split::Whitespace, Split::Metaspace(metaspace)])
    }

    /// Whether each word begins with the sign for a space, though there is none.
    pub(super) fn set_prefix(&mut self, prefix: bool) {
        let scheme = if prefix { PrependScheme::Always } else { PrependScheme::Never };
        for split in &mut self.0 {
            if let Split::Metaspace(metaspace) = split {
                metaspace.prepend_scheme = scheme;
            }
        }
    }
}

impl PreTokenizer for Splits {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        self.0.iter().try_for_each(|split| match split {
            Split::Whitespace => WhitespaceSplit.pre_tokenize(text),
            Split::Metaspace(metaspace) => metaspace.pre_tokenize(text),
        })
    }
}

// Fields that this crate does not know could change the ids, so they are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUnigram {
    #[serde(rename = "type")]
    _type: Option<String>,
    unk_id: usize,
    vocab: Vec<(String, f64)>,
    byte_fallback: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWordPiece {
    #[serde(rename = "type")]
    _type: Option<String>,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: HashMap<String, u32>,
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum RawSplit {
    Sequence {
        pretokenizers: Vec<RawSplit>,
    },
    WhitespaceSplit,
    Metaspace {
        replacement: char,
        prepend_scheme: Option<PrependScheme>,
        add_prefix_space: Option<bool>,
        split: Option<bool>,
        #[serde(rename = "str_rep")]
        _str_rep: Option<String>,
    },
    BertPreTokenizer,
}

/// Reads a Unigram model and its pre-tokenizer.
pub(super) fn unigram(file: &str, model: Value, pre_tokenizer: Value) -> Result<Unigram> {
    let RawUnigram { unk_id, vocab: pieces, byte_fallback, .. } = part(file, "model", model)?;
    if byte_fallback == Some(true) {
        let at = format!("{file}: model.byte_fallback");
        return Err(refuse(at, "is set, which is not supported"));
    }
    let mut all = Vec::new();
    splits(part(file, "pre_tokenizer", pre_tokenizer)?, &mut all)
        .map_err(|why| refuse(format!("{file}: pre_tokenizer"), why))?;
    if !all.iter().any(|split| matches!(split, Split::Metaspace(_))) {
        return Err(refuse(format!("{file}: pre_tokenizer"), "has no Metaspace"));
    }
    Unigram::new(file, pieces, unk_id, Splits(all))
}

impl Unigram {
    pub(super) fn new(
        file: &str,
        pieces: Vec<(String, f64)>,
        unknown: usize,
        splits: Splits,
    ) -> Result<Unigram> {
        if unknown >= pieces.len() {
            return Err(refuse(format!("{file}: model.unk_id"), "is outside of the vocabulary"));
        }
        let odd = |(piece, score): &(String, f64)| {
            piece.is_empty() || piece.len() > LONGEST_PIECE || !score.is_finite()
        };
        if let Some(index) = pieces.iter().position(odd) {
            let at = format!("{file}: model.vocab[{index}]");
            return Err(refuse(at, format!("is not 1 to {LONGEST_PIECE} bytes with a score")));
        }
        Ok(Unigram { pieces, unknown, splits })
    }
}

/// Flattens nested sequences.
fn splits(raw: RawSplit, into: &mut Vec<Split>) -> Result<(), String> {
    match raw {
        RawSplit::Sequence { pretokenizers } => {
            return pretokenizers.into_iter().try_for_each(|one| splits(one, into));
        }
        RawSplit::WhitespaceSplit => into.push(Split::Whitespace),
        RawSplit::Metaspace { replacement, prepend_scheme, add_prefix_space, split, .. } => {
            let scheme = prepend_scheme.unwrap_or(PrependScheme::Always);
            if add_prefix_space == Some(false) && scheme != PrependScheme::Never {
                return Err("has add_prefix_space against its prepend_scheme".into());
            }
            let split = split.unwrap_or(true);
            into.push(Split::Metaspace(Metaspace::new(replacement, scheme, split)));
        }
        RawSplit::BertPreTokenizer => {
            return Err("is BertPreTokenizer, which Unigram models do not have".into());
        }
    }
    Ok(())
}

/// Reads a WordPiece model and its pre-tokenizer.
pub(super) fn word_piece(file: &str, model: Value, pre_tokenizer: Value) -> Result<WordPiece> {
    let raw: RawWordPiece = part(file, "model", model)?;
    let longest_word = raw.max_input_chars_per_word;
    if longest_word > LONGEST_WORD {
        return Err(refuse(
            format!("{file}: model.max_input_chars_per_word"),
            format!("is {longest_word}, at most {LONGEST_WORD} are supported"),
        ));
    }
    let mut splits = part(file, "pre_tokenizer", pre_tokenizer)?;
    // A sequence of one is that one.
    while let RawSplit::Sequence { pretokenizers: all } = &mut splits
        && all.len() == 1
    {
        splits = all.remove(0);
    }
    match splits {
        RawSplit::BertPreTokenizer => Ok(WordPiece {
            vocab: raw.vocab,
            unk_token: raw.unk_token,
            prefix: raw.continuing_subword_prefix,
            longest_word,
        }),
        _ => Err(refuse(format!("{file}: pre_tokenizer"), "is not BertPreTokenizer")),
    }
}
