//! What is done to texts before they are split; RoBERTa's own tokenizer does nothing.

use serde::Deserialize;
#[cfg(feature = "families")]
use tokenizers::normalizers::{BertNormalizer, Precompiled, Replace, Strip};
#[cfg(any(not(target_arch = "wasm32"), feature = "families"))]
use tokenizers::normalizers::{Lowercase, NFC, NFD, NFKC, NFKD};
use tokenizers::{NormalizedString, Normalizer};

/// The steps, one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Normalization(pub(super) Vec<NormalizerStep>);

/// One step of [`Normalization`].
#[derive(Debug, Clone)]
pub(super) enum NormalizerStep {
    Lowercase,
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
    #[cfg(feature = "families")]
    Bert(BertNormalizer),
    #[cfg(feature = "families")]
    Precompiled(Precompiled),
    #[cfg(feature = "families")]
    Strip(Strip),
    #[cfg(feature = "families")]
    Replace(Replace),
}

impl Normalizer for Normalization {
    #[cfg(all(target_arch = "wasm32", not(feature = "families")))]
    fn normalize(&self, _: &mut NormalizedString) -> tokenizers::Result<()> {
        // `Parts::build` refuses them before.
        if self.0.is_empty() { Ok(()) } else { Err("this build does not normalize texts".into()) }
    }

    #[cfg(any(not(target_arch = "wasm32"), feature = "families"))]
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        self.0.iter().try_for_each(|step| match step {
            NormalizerStep::Lowercase => Lowercase.normalize(text),
            NormalizerStep::Nfc => NFC.normalize(text),
            NormalizerStep::Nfd => NFD.normalize(text),
            NormalizerStep::Nfkc => NFKC.normalize(text),
            NormalizerStep::Nfkd => NFKD.normalize(text),
            #[cfg(feature = "families")]
            NormalizerStep::Bert(bert) => bert.normalize(text),
            #[cfg(feature = "families")]
            NormalizerStep::Precompiled(map) => map.normalize(text),
            #[cfg(feature = "families")]
            NormalizerStep::Strip(strip) => strip.normalize(text),
            #[cfg(feature = "families")]
            NormalizerStep::Replace(replace) => replace.normalize(text),
        })
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub(super) enum RawNormalizer {
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
    #[cfg(feature = "families")]
    BertNormalizer {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
    #[cfg(feature = "families")]
    Precompiled {
        precompiled_charsmap: String,
    },
    #[cfg(feature = "families")]
    Strip {
        strip_left: bool,
        strip_right: bool,
    },
    #[cfg(feature = "families")]
    Replace {
        pattern: RawPattern,
        content: String,
    },
}

#[cfg(feature = "families")]
#[derive(Deserialize)]
pub(super) enum RawPattern {
    String(String),
    Regex(String),
}

/// The one regular expression that tokenizers made of SentencePiece models have. Any other might
/// take time without end.
#[cfg(feature = "families")]
const SPACES: &str = " {2,}";

/// Flattens nested sequences into `into`.
pub(super) fn steps(raw: RawNormalizer, into: &mut Vec<NormalizerStep>) -> Result<(), String> {
    into.push(match raw {
        RawNormalizer::Sequence { normalizers: all } => {
            return all.into_iter().try_for_each(|one| steps(one, into));
        }
        RawNormalizer::Nfc => NormalizerStep::Nfc,
        RawNormalizer::Nfd => NormalizerStep::Nfd,
        RawNormalizer::Nfkc => NormalizerStep::Nfkc,
        RawNormalizer::Nfkd => NormalizerStep::Nfkd,
        RawNormalizer::Lowercase => NormalizerStep::Lowercase,
        #[cfg(feature = "families")]
        RawNormalizer::BertNormalizer {
            clean_text,
            handle_chinese_chars,
            strip_accents,
            lowercase,
        } => NormalizerStep::Bert(BertNormalizer::new(
            clean_text,
            handle_chinese_chars,
            strip_accents,
            lowercase,
        )),
        #[cfg(feature = "families")]
        RawNormalizer::Precompiled { precompiled_charsmap: map } => {
            NormalizerStep::Precompiled(super::charsmap::read(&map)?)
        }
        #[cfg(feature = "families")]
        RawNormalizer::Strip { strip_left, strip_right } => {
            NormalizerStep::Strip(Strip::new(strip_left, strip_right))
        }
        #[cfg(feature = "families")]
        RawNormalizer::Replace { pattern, content } => {
            use tokenizers::normalizers::replace::ReplacePattern;
            let pattern = match pattern {
                RawPattern::Regex(regex) if regex == SPACES => ReplacePattern::Regex(regex),
                RawPattern::Regex(regex) => {
                    return Err(format!("replaces {regex:?}; only {SPACES:?} is supported"));
                }
                RawPattern::String(text) if text.is_empty() => {
                    return Err("replaces the empty text".into());
                }
                RawPattern::String(text) => ReplacePattern::String(text),
            };
            let replace = Replace::new(pattern, content);
            NormalizerStep::Replace(replace.map_err(|source| source.to_string())?)
        }
    });
    Ok(())
}
