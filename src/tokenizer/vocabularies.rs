//! Files that have the vocabulary alone: BERT's `vocab.txt`, and a SentencePiece model.
//!
//! Everything else is as in the tokenizer that transformers 5 builds for the model's class.

use std::collections::HashMap;

use super::added::Added;
use super::charsmap::Map;
use super::families::{Splits, Unigram, WordPiece};
use super::normalization::NormalizerStep;
use super::parts::{Model, Parts, refuse};
use super::settings::Settings;
use crate::config::{Config, OtherFamilies};
use crate::error::Result;

pub(super) const VOCAB: &str = "vocab.txt";
pub(super) const SENTENCE_PIECE: &str = "sentencepiece.bpe.model";

/// Reads `vocab.txt`: a token a line, whose number is its id.
pub(super) fn lines(
    families: OtherFamilies,
    bytes: &[u8],
    settings: &Settings,
    config: &Config,
) -> Result<Parts> {
    let text = str::from_utf8(bytes)
        .map_err(|source| refuse(VOCAB, format!("is not UTF-8: {source}")).with_source(source))?;
    let count = text.lines().count();
    check_count(VOCAB, count, config)?;
    // The last of two equal tokens counts, and white space at the end of a line does not.
    let vocab: HashMap<_, _> =
        text.lines().map(|line| line.trim_end().to_owned()).zip(0..).collect();
    let word_piece = WordPiece {
        vocab,
        unk_token: settings.special("unk_token").unwrap_or_default(),
        prefix: "##".into(),
        longest_word: 100,
    };
    Ok(Parts::new(Model::WordPiece(families, word_piece), settings.template()))
}

/// Reads XLM-RoBERTa's `sentencepiece.bpe.model`.
pub(super) fn sentence_piece(
    families: OtherFamilies,
    bytes: &[u8],
    settings: &Settings,
    config: &Config,
) -> Result<Parts> {
    let broken = || refuse(SENTENCE_PIECE, "is not a SentencePiece model");
    let mut pieces = Vec::new();
    let mut charsmap: &[u8] = &[];
    for field in Message(bytes) {
        match field.ok_or_else(broken)? {
            (PIECES, Field::Bytes(piece)) => {
                check_count(SENTENCE_PIECE, pieces.len(), config)?;
                pieces.push(Piece::read(piece).ok_or_else(broken)?);
            }
            (NORMALIZER, Field::Bytes(spec)) => {
                for field in Message(spec) {
                    if let (CHARSMAP, Field::Bytes(map)) = field.ok_or_else(broken)? {
                        charsmap = map;
                    }
                }
            }
            _ => {}
        }
    }
    // XLM-RoBERTa has other special tokens than the model, and in another order.
    let special = |name| (settings.special(name).unwrap_or_default(), 0.0);
    let mut vocab: Vec<_> =
        ["bos_token", "pad_token", "eos_token", "unk_token"].map(special).into();
    let set_apart = pieces.iter().filter(|piece| [CONTROL, USER_DEFINED].contains(&piece.kind));
    let set_apart = set_apart
        .map(|piece| Added { special: piece.kind == CONTROL, ..Added::special(&piece.text) })
        .collect();
    vocab.extend(pieces.into_iter().skip(3).map(|piece| (piece.text, piece.score)));
    vocab.push(special("mask_token"));
    let unigram = Unigram::new(SENTENCE_PIECE, vocab, 3, Splits::xlm_roberta())?;
    let mut parts = Parts::new(Model::Unigram(families, unigram), settings.template());
    if !charsmap.is_empty() {
        let map = Map::from_bytes(charsmap)
            .map_err(|why| refuse(format!("{SENTENCE_PIECE}: precompiled_charsmap"), why))?;
        parts.normalizers.push(NormalizerStep::Precompiled(families, map));
    }
    parts.set_apart = Some(set_apart);
    Ok(parts)
}

/// Refuses a vocabulary that the model has no rows for, before it is read.
fn check_count(file: &str, count: usize, config: &Config) -> Result<()> {
    if count <= config.vocab_size {
        return Ok(());
    }
    let what =
        format!("does not fit the model: it has more tokens than vocab_size {}", config.vocab_size);
    Err(refuse(file, what))
}

// What is read of SentencePiece's messages: fields by number, and kinds of pieces.
const PIECES: u64 = 1;
const NORMALIZER: u64 = 3;
const CHARSMAP: u64 = 2;
const TEXT: u64 = 1;
const SCORE: u64 = 2;
const KIND: u64 = 3;
const NORMAL: u64 = 1;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

struct Piece {
    text: String,
    score: f64,
    kind: u64,
}

impl Piece {
    fn read(bytes: &[u8]) -> Option<Piece> {
        let mut piece = Piece { text: String::new(), score: 0.0, kind: NORMAL };
        for field in Message(bytes) {
            match field? {
                (TEXT, Field::Bytes(text)) => piece.text = str::from_utf8(text).ok()?.into(),
                (SCORE, Field::Four(bytes)) => piece.score = f32::from_le_bytes(bytes).into(),
                (KIND, Field::Number(kind)) => piece.kind = kind,
                _ => {}
            }
        }
        Some(piece)
    }
}

/// The fields of a message of Protocol Buffers, one after the other; `None` where it is broken.
struct Message<'a>(&'a [u8]);

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Eight,
}

impl<'a> Iterator for Message<'a> {
    type Item = Option<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Message<'a> {
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = self.number()?;
        let field = match tag & 7 {
            0 => Field::Number(self.number()?),
            1 => self.take(8).map(|_| Field::Eight)?,
            2 => {
                let length = self.number()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Four(self.take(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((tag >> 3, field))
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// Seven bits a byte, the lowest first; the eighth says that there are more.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 127) << shift;
            if byte & 128 == 0 {
                return Some(number);
            }
        }
        None
    }
}
