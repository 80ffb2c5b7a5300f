//! What a tokenizer consists of, however it was written down, and whether it fits the model.

use std::collections::HashMap;

use tokenizers::Model as _;
use tokenizers::models::bpe::{BpeBuilder, Vocab};
use tokenizers::{NormalizedString, Normalizer as _};

use super::Tokenizer;
use super::added::{Added, AddedTokens, LONGEST};
use super::families::{Unigram, WordPiece};
use super::normalization::{Normalization, NormalizerStep};
use super::template::Template;
use super::{settings, words};
use crate::config::{Config, OtherFamilies};
use crate::error::{Error, ErrorKind, Result};

/// How many bytes an error may have, whatever it quotes from a file.
const LONGEST_MESSAGE: usize = 300;

/// From a text to its ids.
pub(super) trait Ids: Send + Sync {
    /// The ids of `text`, without a template.
    fn ids(&self, text: &str) -> tokenizers::Result<Vec<u32>>;
    fn added(&self) -> &AddedTokens;
    fn in_vocab(&self, token: &str) -> Option<u32>;

    fn id(&self, token: &str) -> Option<u32> {
        self.added().id(token).or_else(|| self.in_vocab(token))
    }
}

/// Byte-level BPE: the crate's model on words that are split here. Its own splitter would need
/// regular expressions, which are most of a tokenizer's size.
pub(super) struct ByteLevel {
    added: AddedTokens,
    normalization: Normalization,
    add_prefix_space: bool,
    signs: [char; 256],
    model: tokenizers::models::bpe::BPE,
}

impl Ids for ByteLevel {
    fn ids(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        let mut ids = Vec::new();
        for (token, place) in self.added.split_plain(text) {
            if let Some(id) = token {
                ids.push(id);
            } else if self.normalization.0.is_empty() {
                self.split_normalized(&text[place], &mut ids)?;
            } else {
                self.split_normalized(&self.normalization.of(&text[place])?, &mut ids)?;
            }
        }
        Ok(ids)
    }

    fn added(&self) -> &AddedTokens {
        &self.added
    }

    fn in_vocab(&self, token: &str) -> Option<u32> {
        self.model.token_to_id(token)
    }
}

impl ByteLevel {
    fn split_normalized(&self, text: &str, ids: &mut Vec<u32>) -> tokenizers::Result<()> {
        for (token, place) in self.added.split_normalized(text) {
            let text = &text[place];
            match token {
                Some(id) => ids.push(id),
                None if self.add_prefix_space && !text.starts_with(' ') => {
                    self.tokenize(&format!(" {text}"), ids)?;
                }
                None => self.tokenize(text, ids)?,
            }
        }
        Ok(())
    }

    fn tokenize(&self, text: &str, ids: &mut Vec<u32>) -> tokenizers::Result<()> {
        for word in words::words(text) {
            let word: String = word.bytes().map(|byte| self.signs[usize::from(byte)]).collect();
            ids.extend(self.model.tokenize(&word)?.into_iter().map(|token| token.id));
        }
        Ok(())
    }
}

/// A model of another family: the crate's, with what splits texts into words for it.
struct Pieces<M, P> {
    added: AddedTokens,
    normalization: Normalization,
    splits: P,
    model: M,
}

impl<M, P> Ids for Pieces<M, P>
where
    M: tokenizers::Model + Send + Sync,
    P: tokenizers::PreTokenizer + Send + Sync,
{
    fn ids(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        let mut text = tokenizers::PreTokenizedString::from(text);
        text.split(|_, text| cut(&text, self.added.split_plain(text.get())))?;
        text.split(|_, mut text| {
            self.normalization.normalize(&mut text)?;
            cut(&text, self.added.split_normalized(text.get()))
        })?;
        self.splits.pre_tokenize(&mut text)?;
        text.tokenize(|word| self.model.tokenize(word.get()))?;
        let encoding = text.into_encoding(None, 0, tokenizers::OffsetType::None)?;
        Ok(encoding.get_ids().to_vec())
    }

    fn added(&self) -> &AddedTokens {
        &self.added
    }

    fn in_vocab(&self, token: &str) -> Option<u32> {
        self.model.token_to_id(token)
    }
}

/// Cuts a text into parts, which still know the bytes that they were made from.
fn cut(
    text: &NormalizedString,
    parts: Vec<super::added::Part>,
) -> tokenizers::Result<Vec<(NormalizedString, Option<Vec<tokenizers::Token>>)>> {
    use tokenizers::normalizer::Range;
    let part = |(id, place): super::added::Part| {
        let part = text.slice(Range::Normalized(place)).ok_or("a part is outside of its text")?;
        let token = |id| vec![tokenizers::Token::new(id, String::new(), (0, 0))];
        Ok((part, id.map(token)))
    };
    parts.into_iter().map(part).collect()
}

/// What makes tokens of words, and splits texts into words.
pub(super) enum Model {
    Bpe(Bpe),
    Unigram(OtherFamilies, Unigram),
    WordPiece(OtherFamilies, WordPiece),
}

/// Byte-level BPE, RoBERTa's.
#[derive(Default)]
pub(super) struct Bpe {
    pub(super) vocab: HashMap<String, u32>,
    pub(super) merges: Vec<(String, String)>,
    pub(super) unk_token: Option<String>,
    pub(super) fuse_unk: bool,
    pub(super) ignore_merges: bool,
    pub(super) add_prefix_space: bool,
}

/// Everything that decides which ids a text gets.
pub(super) struct Parts {
    pub(super) model: Model,
    pub(super) normalizers: Vec<NormalizerStep>,
    pub(super) added_tokens: Vec<Added>,
    /// The added tokens that a SentencePiece model itself lists.
    pub(super) set_apart: Option<Vec<Added>>,
    pub(super) template: Template,
    /// The most tokens of a pair, where a file limits them.
    pub(super) max_tokens: Option<usize>,
    /// Whether long texts lose their beginnings instead of their ends.
    pub(super) from_the_left: bool,
    /// Whether the model gets token types, which tell the two texts apart.
    pub(super) has_types: bool,
}

/// An [`ErrorKind::Tokenizer`] that names what is at fault.
pub(super) fn refuse(at_fault: impl Into<String>, why: impl Into<String>) -> Error {
    let mut why = why.into();
    if why.len() > LONGEST_MESSAGE {
        why.truncate(why.floor_char_boundary(LONGEST_MESSAGE));
        why.push('…');
    }
    Error::new(ErrorKind::Tokenizer, at_fault, why)
}

impl Model {
    /// Puts the pieces together.
    fn build(
        self,
        normalizers: Vec<NormalizerStep>,
        added: Vec<Added>,
    ) -> tokenizers::Result<Box<dyn Ids>> {
        let normalization = Normalization(normalizers);
        match self {
            Model::Bpe(parts) => {
                let mut model = BpeBuilder::new()
                    .vocab_and_merges(parts.vocab.into_iter().collect::<Vocab>(), parts.merges)
                    .fuse_unk(parts.fuse_unk)
                    .ignore_merges(parts.ignore_merges);
                if let Some(unk_token) = parts.unk_token {
                    model = model.unk_token(unk_token);
                }
                let model = model.build()?;
                Ok(Box::new(ByteLevel {
                    added: add(added, &model, &normalization)?,
                    normalization,
                    add_prefix_space: parts.add_prefix_space,
                    signs: words::signs(),
                    model,
                }))
            }
            Model::Unigram(_, Unigram { pieces, unknown, splits }) => {
                let unigram = tokenizers::models::unigram::Unigram::from;
                let model = unigram(pieces, Some(unknown), false)?;
                let added = add(added, &model, &normalization)?;
                Ok(Box::new(Pieces { added, normalization, splits, model }))
            }
            Model::WordPiece(_, parts) => {
                let model = tokenizers::models::wordpiece::WordPiece::builder()
                    .vocab(parts.vocab.into_iter().collect::<Vocab>())
                    .unk_token(parts.unk_token)
                    .continuing_subword_prefix(parts.prefix)
                    .max_input_chars_per_word(parts.longest_word)
                    .build()?;
                let added = add(added, &model, &normalization)?;
                let splits = tokenizers::pre_tokenizers::bert::BertPreTokenizer;
                Ok(Box::new(Pieces { added, normalization, splits, model }))
            }
        }
    }
}

fn add(
    added: Vec<Added>,
    model: &impl tokenizers::Model,
    normalization: &Normalization,
) -> tokenizers::Result<AddedTokens> {
    let next = model.get_vocab_size() as u32;
    AddedTokens::new(added, next, |token| model.token_to_id(token), |text| normalization.of(text))
}

impl Parts {
    /// What every tokenizer has, and nothing more.
    pub(super) fn new(model: Model, template: Template) -> Parts {
        Parts {
            model,
            normalizers: Vec::new(),
            added_tokens: Vec::new(),
            set_apart: None,
            template,
            max_tokens: None,
            from_the_left: false,
            has_types: true,
        }
    }

    /// Builds the tokenizer after checking that it fits `config`. Messages name `file`.
    pub(super) fn build(self, file: &str, config: &Config) -> Result<Tokenizer> {
        self.check_ids(file, config)?;
        let given: Vec<_> =
            self.added_tokens.iter().map(|token| (token.content.clone(), token.id)).collect();
        let inner = self.model.build(self.normalizers, self.added_tokens).map_err(|source| {
            refuse(file, format!("cannot be used: {source}")).with_source(source)
        })?;

        let id = |token: &str, expected: Option<u32>| match inner.id(token) {
            None => Err(refuse(file, format!("has no {token:?} token"))),
            Some(id) if expected.is_some_and(|expected| expected != id) => {
                let expected = expected.unwrap_or_default();
                let what = format!("has the id {expected} in one place and {id} in another");
                Err(refuse(file, format!("token {token:?} {what}")))
            }
            Some(id) => Ok(id),
        };
        for (token, expected) in &given {
            id(token, *expected)?;
        }
        let template = self.template;
        let [cls, sep] = [template.cls, template.sep].map(|(token, expected)| {
            let id = id(&token, expected)?;
            check_id(file, config, &token, id).map(|()| id)
        });
        let (cls, sep) = (cls?, sep?);

        let separators = if template.doubled { 2 } else { 1 };
        let family = config.family;
        // A model with a single type ignores those of the file, as in Python.
        let types = family.token_types();
        let second_type = if types == 1 || !self.has_types { 0 } else { template.second_type };
        let fits = (family.template_tokens()..=config.max_tokens()).contains(&(2 + separators))
            && (types == 1 || (second_type as usize) < types.min(config.type_vocab_size));
        if !fits {
            let what = format!("does not lay pairs out as {} needs it", family.architecture());
            return Err(refuse(format!("{file}: post_processor"), what));
        }
        let max_tokens = self.max_tokens.unwrap_or(usize::MAX).min(config.max_tokens());
        if max_tokens < 2 + separators {
            let what =
                format!("allows {max_tokens} tokens, a pair has {} without texts", 2 + separators);
            return Err(refuse(format!("{}: model_max_length", settings::FILE), what));
        }
        Ok(Tokenizer {
            inner,
            cls,
            sep,
            separators,
            second_type,
            padding: family.is_roberta().then_some(config.pad_token_id),
            vocab_size: config.vocab_size,
            max_tokens,
            prompt: String::new(),
            from_the_left: self.from_the_left,
        })
    }

    /// Refuses ids outside the model's word table and two tokens of one id.
    fn check_ids(&self, file: &str, config: &Config) -> Result<()> {
        let unknown = match &self.model {
            Model::Bpe(Bpe { vocab, unk_token, .. }) => {
                check_vocab(file, config, vocab.iter().map(|(token, id)| (&token[..], *id)))?;
                unk_token.as_ref().filter(|&unk| !vocab.contains_key(unk))
            }
            Model::Unigram(_, Unigram { pieces, .. }) => {
                let pieces = pieces.iter().map(|(piece, _)| &piece[..]);
                check_vocab(file, config, pieces.zip(0..))?;
                None
            }
            Model::WordPiece(_, WordPiece { vocab, unk_token, .. }) => {
                check_vocab(file, config, vocab.iter().map(|(token, id)| (&token[..], *id)))?;
                Some(unk_token).filter(|&unk| !vocab.contains_key(unk))
            }
        };
        for token in &self.added_tokens {
            if !(1..=LONGEST).contains(&token.content.len()) {
                let size = token.content.len();
                let what = format!("has an added token of {size} bytes, expected 1 to {LONGEST}");
                return Err(refuse(file, what));
            }
            // One without an id is only refused in a text that has it, as in Python.
            if let Some(id) = token.id {
                check_id(file, config, &token.content, id)?;
            }
        }
        match unknown {
            Some(unk) => {
                Err(refuse(file, format!("the unknown token {unk:?} is not in the vocabulary")))
            }
            None => Ok(()),
        }
    }
}

fn check_vocab<'a>(
    file: &str,
    config: &Config,
    tokens: impl Iterator<Item = (&'a str, u32)>,
) -> Result<()> {
    let mut names = vec![None; config.vocab_size];
    // Maps come in another order each time; the error should not.
    let mut beyond: Option<(u32, &str)> = None;
    for (token, id) in tokens {
        if id as usize >= names.len() {
            beyond = Some(beyond.map_or((id, token), |least| least.min((id, token))));
            continue;
        }
        if let Some(other) = names[id as usize].replace(token) {
            return Err(refuse(file, format!("{token:?} and {other:?} have one id, {id}")));
        }
    }
    beyond.map_or(Ok(()), |(id, token)| check_id(file, config, token, id))
}

fn check_id(file: &str, config: &Config, token: &str, id: u32) -> Result<()> {
    if (id as usize) < config.vocab_size {
        return Ok(());
    }
    Err(refuse(
        file,
        format!(
            "does not fit the model: token {token:?} has id {id}, vocab_size is {}",
            config.vocab_size
        ),
    ))
}
