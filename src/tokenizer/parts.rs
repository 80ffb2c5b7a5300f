//! What a tokenizer consists of, however it was written down, and whether it fits the model.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, BpeBuilder, Vocab};
#[cfg(not(target_arch = "wasm32"))]
use tokenizers::normalizers::{Lowercase, NFC, NFD, NFKC, NFKD};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, NormalizedString, Normalizer, TokenizerImpl};

use super::Tokenizer;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// A special token and its id.
pub(super) type Special = (String, u32);

/// The kinds of parts are named, so that the WebAssembly holds no others. The last two are never
/// set: ids are not post-processed there, and never decoded.
pub(super) type Inner = TokenizerImpl<BPE, Normalization, ByteLevel, ByteLevel, ByteLevel>;

/// What is done to texts before anything else; RoBERTa's own tokenizer does nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Normalization(pub(super) Vec<NormalizerStep>);

/// One step of [`Normalization`].
#[derive(Debug, Clone, Copy)]
pub(super) enum NormalizerStep {
    Lowercase,
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl Normalizer for Normalization {
    #[cfg(target_arch = "wasm32")]
    fn normalize(&self, _: &mut NormalizedString) -> tokenizers::Result<()> {
        // `Parts::build` refuses them before.
        if self.0.is_empty() { Ok(()) } else { Err("this build does not normalize texts".into()) }
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        self.0.iter().try_for_each(|step| match step {
            NormalizerStep::Lowercase => Lowercase.normalize(text),
            NormalizerStep::Nfc => NFC.normalize(text),
            NormalizerStep::Nfd => NFD.normalize(text),
            NormalizerStep::Nfkc => NFKC.normalize(text),
            NormalizerStep::Nfkd => NFKD.normalize(text),
        })
    }
}

/// Everything that decides which ids a text gets.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) vocab: HashMap<String, u32>,
    pub(super) merges: Vec<(String, String)>,
    pub(super) unk_token: Option<String>,
    pub(super) fuse_unk: bool,
    pub(super) ignore_merges: bool,
    pub(super) normalizers: Vec<NormalizerStep>,
    pub(super) add_prefix_space: bool,
    /// Each with the id that the file says it has.
    pub(super) added_tokens: Vec<(AddedToken, u32)>,
    pub(super) cls: Special,
    pub(super) sep: Special,
}

/// An [`ErrorKind::Tokenizer`] that names what is at fault.
pub(super) fn refuse(at_fault: impl Into<String>, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tokenizer, at_fault, why)
}

impl Parts {
    /// Builds the tokenizer after checking that it fits `config`. Messages name `file`.
    pub(super) fn build(self, file: &str, config: &Config) -> Result<Tokenizer> {
        self.check_ids(file, config)?;
        if cfg!(target_arch = "wasm32") && !self.normalizers.is_empty() {
            // The tables for it are a tenth of what a page would download, and no RoBERTa has one.
            return Err(refuse(file, "has a normalizer, which only the native build supports"));
        }

        let broken = |source: tokenizers::Error| {
            refuse(file, format!("cannot be used: {source}")).with_source(source)
        };
        let mut bpe = BpeBuilder::new()
            .vocab_and_merges(self.vocab.into_iter().collect::<Vocab>(), self.merges)
            .fuse_unk(self.fuse_unk)
            .ignore_merges(self.ignore_merges);
        if let Some(unk_token) = self.unk_token {
            bpe = bpe.unk_token(unk_token);
        }
        let mut inner = Inner::new(bpe.build().map_err(broken)?);
        inner.with_pre_tokenizer(Some(ByteLevel::new(self.add_prefix_space, true, true)));
        if !self.normalizers.is_empty() {
            inner.with_normalizer(Some(Normalization(self.normalizers)));
        }
        let tokens: Vec<_> = self.added_tokens.iter().map(|(token, _)| token.clone()).collect();
        inner.add_tokens(&tokens);

        for (token, id) in self
            .added_tokens
            .iter()
            .map(|(token, id)| (&token.content, *id))
            .chain([(&self.cls.0, self.cls.1), (&self.sep.0, self.sep.1)])
        {
            match inner.token_to_id(token) {
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
        if let Some(pad) = inner.token_to_id("<pad>").filter(|&pad| pad != config.pad_token_id) {
            return Err(refuse(
                file,
                format!(
                    "<pad> is token {pad}, the model's pad_token_id is {}",
                    config.pad_token_id
                ),
            ));
        }
        Ok(Tokenizer {
            inner,
            cls: self.cls.1,
            sep: self.sep.1,
            pad: config.pad_token_id,
            max_tokens: config.max_tokens(),
        })
    }

    /// Refuses ids outside the model's word table and two tokens of one id.
    fn check_ids(&self, file: &str, config: &Config) -> Result<()> {
        let fits = |token: &str, id: u32| {
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
        };
        let mut names = vec![None; config.vocab_size];
        for (token, &id) in &self.vocab {
            fits(token, id)?;
            if let Some(other) = names[id as usize].replace(token) {
                return Err(refuse(file, format!("{token:?} and {other:?} have one id, {id}")));
            }
        }
        for (token, id) in &self.added_tokens {
            if token.content.is_empty() {
                return Err(refuse(file, format!("the added token with id {id} is empty")));
            }
            fits(&token.content, *id)?;
        }
        if let Some(unk) = self.unk_token.as_ref().filter(|&unk| !self.vocab.contains_key(unk)) {
            return Err(refuse(
                file,
                format!("the unknown token {unk:?} is not in the vocabulary"),
            ));
        }
        Ok(())
    }
}
