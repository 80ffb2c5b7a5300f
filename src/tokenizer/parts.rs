//! What a tokenizer consists of, however it was written down, and whether it fits the model.

use std::collections::HashMap;

use tokenizers::models::bpe::{BpeBuilder, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Encoding, PreTokenizer, TokenizerImpl};

use super::Tokenizer;
#[cfg(feature = "families")]
use super::families::{Unigram, WordPiece};
use super::normalization::{Normalization, NormalizerStep};
use super::template::Template;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// From a text to its ids. No name is one that `TokenizerImpl` has for something else.
pub(super) trait Ids: Send + Sync {
    /// The tokens of `text`, without a template; where each stands in it, in characters, only with
    /// `offsets`.
    fn tokens(&self, text: &str, offsets: bool) -> tokenizers::Result<Encoding>;
    fn id(&self, token: &str) -> Option<u32>;
    fn vocab_size(&self) -> usize;
}

/// The kinds of parts are named, so that the WebAssembly holds no others. The last two are never
/// set: ids are not post-processed there, and never decoded.
pub(super) type Inner<M, P> = TokenizerImpl<M, Normalization, P, ByteLevel, ByteLevel>;

/// What a tokenizer holds. Without other models there is nothing to choose from at run time.
#[cfg(feature = "families")]
pub(super) type AnyIds = Box<dyn Ids>;
#[cfg(not(feature = "families"))]
pub(super) type AnyIds = Inner<tokenizers::models::bpe::BPE, ByteLevel>;

impl<M, P> Ids for Inner<M, P>
where
    M: tokenizers::Model + Send + Sync,
    P: PreTokenizer + Send + Sync,
{
    fn tokens(&self, text: &str, offsets: bool) -> tokenizers::Result<Encoding> {
        match offsets {
            true => self.encode_char_offsets(text, false),
            false => self.encode_fast(text, false),
        }
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.token_to_id(token)
    }

    fn vocab_size(&self) -> usize {
        self.get_vocab_size(true)
    }
}

/// What makes tokens of words, and splits texts into words.
pub(super) enum Model {
    Bpe(Bpe),
    #[cfg(feature = "families")]
    Unigram(Unigram),
    #[cfg(feature = "families")]
    WordPiece(WordPiece),
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
    /// Each with the id that the file says it has.
    pub(super) added_tokens: Vec<(AddedToken, u32)>,
    pub(super) template: Template,
}

/// An [`ErrorKind::Tokenizer`] that names what is at fault.
pub(super) fn refuse(at_fault: impl Into<String>, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tokenizer, at_fault, why)
}

impl Model {
    /// Puts the pieces together.
    fn build(
        self,
        normalizers: Vec<NormalizerStep>,
        added: &[AddedToken],
    ) -> tokenizers::Result<AnyIds> {
        Ok(match self {
            Model::Bpe(parts) => {
                let mut bpe = BpeBuilder::new()
                    .vocab_and_merges(parts.vocab.into_iter().collect::<Vocab>(), parts.merges)
                    .fuse_unk(parts.fuse_unk)
                    .ignore_merges(parts.ignore_merges);
                if let Some(unk_token) = parts.unk_token {
                    bpe = bpe.unk_token(unk_token);
                }
                let splits = ByteLevel::new(parts.add_prefix_space, true, true);
                any(assemble(bpe.build()?, splits, normalizers, added))
            }
            #[cfg(feature = "families")]
            Model::Unigram(Unigram { pieces, unknown, splits }) => {
                let unigram = tokenizers::models::unigram::Unigram::from;
                any(assemble(unigram(pieces, Some(unknown), false)?, splits, normalizers, added))
            }
            #[cfg(feature = "families")]
            Model::WordPiece(parts) => {
                let word_piece = tokenizers::models::wordpiece::WordPiece::builder()
                    .vocab(parts.vocab.into_iter().collect::<Vocab>())
                    .unk_token(parts.unk_token)
                    .continuing_subword_prefix(parts.prefix)
                    .max_input_chars_per_word(parts.longest_word)
                    .build()?;
                let splits = tokenizers::pre_tokenizers::bert::BertPreTokenizer;
                any(assemble(word_piece, splits, normalizers, added))
            }
        })
    }
}

#[cfg(feature = "families")]
fn any(ids: impl Ids + 'static) -> AnyIds {
    Box::new(ids)
}

#[cfg(not(feature = "families"))]
fn any(ids: AnyIds) -> AnyIds {
    ids
}

fn assemble<M, P>(
    model: M,
    splits: P,
    normalizers: Vec<NormalizerStep>,
    added: &[AddedToken],
) -> Inner<M, P>
where
    M: tokenizers::Model,
    P: PreTokenizer,
{
    let mut inner = Inner::<M, P>::new(model);
    inner.with_pre_tokenizer(Some(splits));
    if !normalizers.is_empty() {
        inner.with_normalizer(Some(Normalization(normalizers)));
    }
    inner.add_tokens(added);
    inner
}

impl Parts {
    /// Builds the tokenizer after checking that it fits `config`. Messages name `file`.
    pub(super) fn build(self, file: &str, config: &Config) -> Result<Tokenizer> {
        self.check_ids(file, config)?;
        let normalizes = cfg!(any(not(target_arch = "wasm32"), feature = "families"));
        if !normalizes && !self.normalizers.is_empty() {
            // The tables for it are a tenth of what a page would download, and no RoBERTa has one.
            let what = "has a normalizer, which this build does not support";
            return Err(refuse(file, what));
        }
        let Parts { model, normalizers, added_tokens, template } = self;
        let by_pattern = matches!(model, Model::Bpe(_));
        let (tokens, ids): (Vec<_>, Vec<_>) = added_tokens.into_iter().unzip();
        let inner = model.build(normalizers, &tokens).map_err(|source| {
            refuse(file, format!("cannot be used: {source}")).with_source(source)
        })?;

        let special = [&template.cls, &template.sep];
        for (token, id) in tokens
            .iter()
            .zip(ids)
            .map(|(token, id)| (&token.content, id))
            .chain(special.map(|(token, id)| (token, *id)))
        {
            match inner.id(token) {
                Some(given) if given == id => {}
                Some(given) => {
                    return Err(refuse(
                        file,
                        format!(
                            "token {token:?} has the id {id} in one place and {given} in another"
                        ),
                    ));
                }
                None => return Err(refuse(file, format!("has no {token:?} token"))),
            }
        }
        let pad = config.family.padding();
        let other = inner.id(pad).filter(|&id| id != config.pad_token_id);
        if let Some(id) = other {
            let expected = config.pad_token_id;
            let what = format!("{pad} is token {id}, the model's pad_token_id is {expected}");
            return Err(refuse(file, what));
        }
        let separators = if template.doubled { 2 } else { 1 };
        let family = config.family;
        // Where there are no types to choose from, the file's are left aside, as in Python.
        let types = family.token_types();
        let second_type = if types == 1 { 0 } else { template.second_type };
        // RoBERTa has one layout.
        let fits = !cfg!(feature = "families")
            || (family.template_tokens()..=config.max_tokens()).contains(&(2 + separators))
                && (types == 1 || (second_type as usize) < types.min(config.type_vocab_size));
        if !fits {
            let what = format!("does not lay pairs out as {} needs it", family.architecture());
            return Err(refuse(format!("{file}: post_processor"), what));
        }
        Ok(Tokenizer {
            inner,
            by_pattern,
            cls: template.cls.1,
            sep: template.sep.1,
            separators,
            second_type,
            padding: family.is_roberta().then_some(config.pad_token_id),
            max_tokens: config.max_tokens(),
            prompt: String::new(),
        })
    }

    /// Refuses ids outside the model's word table and two tokens of one id.
    fn check_ids(&self, file: &str, config: &Config) -> Result<()> {
        let unknown = match &self.model {
            Model::Bpe(Bpe { vocab, unk_token, .. }) => {
                check_vocab(file, config, vocab.iter().map(|(token, id)| (&token[..], *id)))?;
                unk_token.as_ref().filter(|&unk| !vocab.contains_key(unk))
            }
            #[cfg(feature = "families")]
            Model::Unigram(Unigram { pieces, .. }) => {
                let pieces = pieces.iter().map(|(piece, _)| &piece[..]);
                check_vocab(file, config, pieces.zip(0..))?;
                None
            }
            #[cfg(feature = "families")]
            Model::WordPiece(WordPiece { vocab, unk_token, .. }) => {
                check_vocab(file, config, vocab.iter().map(|(token, id)| (&token[..], *id)))?;
                Some(unk_token).filter(|&unk| !vocab.contains_key(unk))
            }
        };
        for (token, id) in &self.added_tokens {
            if token.content.is_empty() {
                return Err(refuse(file, format!("the added token with id {id} is empty")));
            }
            check_id(file, config, &token.content, *id)?;
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
    for (token, id) in tokens {
        check_id(file, config, token, id)?;
        if let Some(other) = names[id as usize].replace(token) {
            return Err(refuse(file, format!("{token:?} and {other:?} have one id, {id}")));
        }
    }
    Ok(())
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
