//! What is done to texts before they are split; RoBERTa's own tokenizer does nothing.

use serde::Deserialize;
use serde_json::Value;
use tokenizers::normalizers::{BertNormalizer, Precompiled, Strip};
use tokenizers::normalizers::{Lowercase, NFC, NFD, NFKC, NFKD};
use tokenizers::{NormalizedString, Normalizer};

use super::charsmap::Map;
use super::families::OfFamilies;
use super::files::part;
use super::parts::refuse;
use crate::config::OtherFamilies;
use crate::error::{Error, ErrorKind, Result};

/// Whether this build can normalize texts. RoBERTa's own tokenizer does not, and the tables of Unicode
/// that it takes would be a tenth of what a page downloads. Native builds can afford them.
const NORMALIZES: bool = OtherFamilies::BUILT || cfg!(not(target_arch = "wasm32"));

/// Real normalizers have a handful of steps. Each one goes through the whole text.
const MOST_STEPS: usize = 64;

/// The most bytes that a text may have before any step and after it. The crate takes up to 100 more
/// for each of them, and a WebAssembly instance has 4 GiB.
const MOST_TEXT: usize = 16 << 20;

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
    Bert(OtherFamilies, BertNormalizer),
    Precompiled(OtherFamilies, Map),
    Strip(OtherFamilies, Strip),
    Replace(OtherFamilies, Replace),
}

impl Normalization {
    /// The text, normalized.
    pub(super) fn of(&self, text: &str) -> tokenizers::Result<String> {
        let mut normalized = NormalizedString::from(text);
        self.normalize(&mut normalized)?;
        Ok(normalized.get().into())
    }
}

impl Normalizer for Normalization {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        if !NORMALIZES {
            // `read` refuses steps before.
            let what = "this build does not normalize texts";
            return if self.0.is_empty() { Ok(()) } else { Err(what.into()) };
        }
        check_size(text.get(), text.get().len())?;
        self.0.iter().try_for_each(|step| {
            check_size(text.get(), step.most_bytes(text.get()))?;
            step.normalize(text)
        })
    }
}

/// Refuses a text that could have `most` bytes, if that is too much.
fn check_size(text: &str, most: usize) -> Result<()> {
    if most <= MOST_TEXT {
        return Ok(());
    }
    let what = format!(
        "of {} bytes could have {most} when it is normalized, at most {MOST_TEXT} are supported; \
         give a shorter one",
        text.len()
    );
    Err(Error::new(ErrorKind::Input, "text", what))
}

impl NormalizerStep {
    /// The most bytes that `text` can have after this step.
    fn most_bytes(&self, text: &str) -> usize {
        let ascii = text.bytes().filter(u8::is_ascii).count();
        // How much a byte of ASCII, and one of another character, can become.
        let (of_ascii, of_other) = match self {
            NormalizerStep::Lowercase => (1, 2),
            // U+0390 and others of two bytes come apart into six.
            NormalizerStep::Nfc | NormalizerStep::Nfd => (1, 3),
            // U+FDFA becomes 18 characters.
            NormalizerStep::Nfkc | NormalizerStep::Nfkd => (1, 11),
            // Spaces around a Chinese character, which comes apart, and has lower case.
            NormalizerStep::Bert(..) => (1, 8),
            NormalizerStep::Precompiled(_, map) => map.growth(),
            NormalizerStep::Strip(..) => (1, 1),
            NormalizerStep::Replace(_, replace) => return replace.most_bytes(text),
        };
        ascii.saturating_mul(of_ascii).saturating_add((text.len() - ascii).saturating_mul(of_other))
    }

    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        match self {
            NormalizerStep::Lowercase => Lowercase.normalize(text),
            NormalizerStep::Nfc => NFC.normalize(text),
            NormalizerStep::Nfd => NFD.normalize(text),
            NormalizerStep::Nfkc => NFKC.normalize(text),
            NormalizerStep::Nfkd => NFKD.normalize(text),
            NormalizerStep::Bert(_, bert) => bert.normalize(text),
            NormalizerStep::Precompiled(_, map) => Precompiled::normalize(map.get(), text),
            NormalizerStep::Strip(_, strip) => strip.normalize(text),
            NormalizerStep::Replace(_, replace) => text.replace(replace, &replace.content),
        }
    }
}

/// BERT's own step, as transformers builds it.
pub(super) fn bert(
    families: OtherFamilies,
    chinese: bool,
    accents: Option<bool>,
    lowercase: bool,
) -> NormalizerStep {
    NormalizerStep::Bert(families, BertNormalizer::new(true, chinese, accents, lowercase))
}

/// Puts `bert` in the place of a step of its kind, or first where there is no step at all.
pub(super) fn replace_bert(steps: &mut Vec<NormalizerStep>, bert: NormalizerStep) {
    if steps.is_empty() {
        steps.push(bert.clone());
    }
    for step in steps.iter_mut().filter(|step| matches!(step, NormalizerStep::Bert(..))) {
        *step = bert.clone();
    }
}

/// Replaces a text, or a run of two or more spaces, wherever it occurs.
#[derive(Debug, Clone)]
pub(super) struct Replace {
    /// `None` for spaces.
    text: Option<String>,
    content: String,
}

impl Replace {
    /// Where to replace in `inside`.
    fn places<'a>(&'a self, inside: &'a str) -> Box<dyn Iterator<Item = (usize, usize)> + 'a> {
        if let Some(text) = &self.text {
            return Box::new(inside.match_indices(&text[..]).map(|(at, it)| (at, at + it.len())));
        }
        let mut at = 0;
        Box::new(std::iter::from_fn(move || {
            let start = at + inside[at..].find("  ")?;
            at = start + inside[start..].find(|c| c != ' ').unwrap_or(inside.len() - start);
            Some((start, at))
        }))
    }

    fn most_bytes(&self, inside: &str) -> usize {
        let (mut places, mut bytes) = (0_usize, 0);
        for (start, end) in self.places(inside) {
            (places, bytes) = (places + 1, bytes + end - start);
        }
        places.saturating_mul(self.content.len()).saturating_add(inside.len() - bytes)
    }
}

impl tokenizers::pattern::Pattern for &Replace {
    fn find_matches(&self, inside: &str) -> tokenizers::Result<Vec<((usize, usize), bool)>> {
        let mut parts = Vec::new();
        let mut done = 0;
        for (start, end) in self.places(inside) {
            if done < start {
                parts.push(((done, start), false));
            }
            parts.push(((start, end), true));
            done = end;
        }
        if done < inside.len() || inside.is_empty() {
            parts.push(((done, inside.len()), false));
        }
        Ok(parts)
    }
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
    BertNormalizer(OfFamilies<RawBert>),
    Precompiled(OfFamilies<RawPrecompiled>),
    Strip(OfFamilies<RawStrip>),
    Replace(OfFamilies<RawReplace>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBert {
    clean_text: bool,
    handle_chinese_chars: bool,
    strip_accents: Option<bool>,
    lowercase: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrecompiled {
    precompiled_charsmap: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStrip {
    strip_left: bool,
    strip_right: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReplace {
    pattern: RawPattern,
    content: String,
}

#[derive(Deserialize)]
enum RawPattern {
    String(String),
    Regex(String),
}

/// The one regular expression that tokenizers made of SentencePiece models have. Any other might
/// take time without end.
const SPACES: &str = " {2,}";

/// Reads the normalizer of a `tokenizer.json`, if it has one.
pub(super) fn read(file: &str, normalizer: Value) -> Result<Vec<NormalizerStep>> {
    let mut all = Vec::new();
    if normalizer.is_null() {
        return Ok(all);
    }
    if !NORMALIZES {
        // A sequence without steps does nothing.
        return match normalizer["normalizers"].as_array() {
            Some(steps) if steps.is_empty() => Ok(all),
            _ => Err(refuse(file, "has a normalizer, which this build does not support")),
        };
    }
    steps(part(file, "normalizer", normalizer)?, &mut all)
        .map_err(|why| refuse(format!("{file}: normalizer"), why))?;
    Ok(all)
}

/// Flattens nested sequences into `into`.
fn steps(raw: RawNormalizer, into: &mut Vec<NormalizerStep>) -> Result<(), String> {
    into.push(match raw {
        RawNormalizer::Sequence { normalizers: all } => {
            return all.into_iter().try_for_each(|one| steps(one, into));
        }
        RawNormalizer::Nfc => NormalizerStep::Nfc,
        RawNormalizer::Nfd => NormalizerStep::Nfd,
        RawNormalizer::Nfkc => NormalizerStep::Nfkc,
        RawNormalizer::Nfkd => NormalizerStep::Nfkd,
        RawNormalizer::Lowercase => NormalizerStep::Lowercase,
        RawNormalizer::BertNormalizer(OfFamilies(families, raw)) => NormalizerStep::Bert(
            families,
            BertNormalizer::new(
                raw.clean_text,
                raw.handle_chinese_chars,
                raw.strip_accents,
                raw.lowercase,
            ),
        ),
        RawNormalizer::Precompiled(OfFamilies(families, raw)) => {
            NormalizerStep::Precompiled(families, Map::read(&raw.precompiled_charsmap)?)
        }
        RawNormalizer::Strip(OfFamilies(families, raw)) => {
            NormalizerStep::Strip(families, Strip::new(raw.strip_left, raw.strip_right))
        }
        RawNormalizer::Replace(OfFamilies(families, RawReplace { pattern, content })) => {
            let text = match pattern {
                RawPattern::Regex(regex) if regex == SPACES => None,
                RawPattern::Regex(regex) => {
                    return Err(format!("replaces {regex:?}; only {SPACES:?} is supported"));
                }
                RawPattern::String(text) if text.is_empty() => {
                    return Err("replaces the empty text".into());
                }
                RawPattern::String(text) => Some(text),
            };
            NormalizerStep::Replace(families, Replace { text, content })
        }
    });
    match into.len() {
        0..=MOST_STEPS => Ok(()),
        _ => Err(format!("has more than {MOST_STEPS} steps")),
    }
}
