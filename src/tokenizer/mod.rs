//! Pairs of texts to token ids and position ids, and how much was cut off.

mod added;
mod charsmap;
mod classes;
mod cross_encoder;
mod families;
mod files;
mod normalization;
mod parts;
mod settings;
mod template;
mod vocabularies;
mod words;

use std::fmt;

use crate::checkpoint::source::Files;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
pub(crate) use cross_encoder::CrossEncoder;
use parts::Parts;
use settings::{Class, Settings};

/// No tokenizer file is near this size; RoBERTa's takes 2 MB, XLM-RoBERTa's 17 MB.
const MOST_FILE_BYTES: u64 = 128 << 20;

/// No file of settings is near this size.
const MOST_SETTINGS_BYTES: u64 = 16 << 20;

const TOKENIZER: &str = "tokenizer.json";
const MERGES: &str = "merges.txt";

/// A tokenizer: from pairs of texts to what the model takes.
///
/// RoBERTa's is byte-level BPE with the pair layout `<s> A </s></s> B </s>`. With the feature
/// `families` there are XLM-RoBERTa's, which is Unigram with the same layout, and BERT's, which is
/// WordPiece with `[CLS] A [SEP] B [SEP]`.
///
/// Merging, and all of the other families, is done by the `tokenizers` crate; matching special
/// tokens and splitting for byte-level BPE is done here. So is the reading of the files, strictly,
/// so that a broken or unknown one is refused with a name.
///
/// ```
/// # let config = cappy::Config::from_json("config.json", br#"{
/// #     "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
/// #     "vocab_size": 8, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
/// #     "intermediate_size": 96, "hidden_act": "gelu", "max_position_embeddings": 12,
/// #     "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1,
/// #     "id2label": { "0": "LABEL_0" }
/// # }"#)?;
/// let vocab = br#"{ "<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "ab": 6,
///     "<mask>": 7 }"#;
/// let merges = b"#version: 0.2\na b\n";
/// let tokenizer = cappy::Tokenizer::from_vocab_and_merges(vocab, merges, &config)?;
/// let pair = tokenizer.encode_pair("ab", "ba")?;
/// assert_eq!(pair.ids, [0, 6, 2, 2, 5, 4, 2]);
/// assert_eq!(pair.position_ids, [2, 3, 4, 5, 6, 7, 8]);
/// assert_eq!(pair.truncated, 0);
/// # Ok::<(), cappy::Error>(())
/// ```
pub struct Tokenizer {
    /// Without truncation, padding or template: those are done here.
    inner: Box<dyn parts::Ids>,
    /// `<s>` or `[CLS]`, the token whose last hidden state is scored.
    cls: u32,
    /// `</s>` or `[SEP]`, between the texts and at the end.
    sep: u32,
    /// How many separators there are between the texts.
    separators: usize,
    /// The token type of the second text and the separator after it.
    second_type: u32,
    /// The token that positions are counted over and from, with RoBERTa.
    padding: Option<u32>,
    /// The model's, for tokens that it does not have.
    vocab_size: usize,
    max_tokens: usize,
    /// Put before each instruction.
    prompt: String,
    /// Whether a text that is too long loses its beginning instead of its end.
    from_the_left: bool,
}

/// One pair as the model takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids, special tokens included: at least 4 (with BERT 3) and at most
    /// [`Config::max_tokens`].
    pub ids: Vec<u32>,
    /// The row of the position table for each token.
    pub position_ids: Vec<u32>,
    /// The row of the token type table for each token: with BERT 0 up to the first separator and 1
    /// from there on, otherwise 0.
    pub type_ids: Vec<u32>,
    /// How many tokens were cut from the ends of the two texts together.
    pub truncated: usize,
}

impl Tokenizer {
    /// Reads a model's folder as transformers 5 does: `tokenizer.json`, else the vocabulary alone
    /// (`vocab.json` and `merges.txt`, `vocab.txt`, or `sentencepiece.bpe.model`), and the
    /// settings in `tokenizer_config.json`, or in `special_tokens_map.json` and `added_tokens.json`
    /// where that one names no added tokens.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the folder has no vocabulary; [`ErrorKind::Tokenizer`] naming
    /// the file and the part that is broken, is not one of those that are known, or does not fit
    /// `config`; or what reading the folder gives.
    pub async fn load(files: &dyn Files, config: &Config) -> Result<Tokenizer> {
        let small = async |name| read(files, name, MOST_SETTINGS_BYTES).await;
        let mut settings = Settings::read(small(settings::FILE).await?.as_deref(), config)?;
        let json = read(files, TOKENIZER, MOST_FILE_BYTES).await?;
        if !settings.has_added_tokens() {
            let special = small(settings::SPECIAL_TOKENS).await?;
            let added = small(settings::ADDED_TOKENS).await?;
            settings.read_older(special.as_deref(), added.as_deref())?;
        }
        let (file, mut parts) = match json {
            Some(json) => (TOKENIZER, files::from_json(TOKENIZER, &json, Some(&mut settings))?),
            None => vocabulary(files, &settings, config).await?,
        };
        settings.apply(&mut parts)?;
        parts.build(file, config)
    }

    /// Reads `json`, the bytes of a `tokenizer.json` that is called `file` in messages, just as it
    /// is. Its lengths for truncation and padding are ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Tokenizer`] naming the part that is broken, is not one of those that are known
    /// (another model, pre-tokenizer, normalizer or pair layout), or does not fit `config`'s
    /// vocabulary, padding token or token types.
    pub fn from_json(file: &str, json: &[u8], config: &Config) -> Result<Tokenizer> {
        files::from_json(file, json, None)?.build(file, config)
    }

    /// Builds RoBERTa's tokenizer from `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// [`ErrorKind::Tokenizer`] naming the file, line or special token at fault.
    pub fn from_vocab_and_merges(
        vocab: &[u8],
        merges: &[u8],
        config: &Config,
    ) -> Result<Tokenizer> {
        files::roberta(vocab, merges)?.build("vocab.json", config)
    }

    /// Encodes a pair as `<s> instruction </s></s> response </s>`, or as
    /// `[CLS] instruction [SEP] response [SEP]` with BERT's layout. Nothing is trimmed. A pair of
    /// more than [`Config::max_tokens`] tokens loses tokens from the end of the longer text until
    /// it fits, or of both when they are equally long.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when a text has an added token that the model has no row for, or could
    /// have more than 16 MiB when it is normalized; byte-level BPE without a normalizer takes any.
    pub fn encode_pair(&self, instruction: &str, response: &str) -> Result<Encoded> {
        let first = self.encode(&[&self.prompt, instruction].concat())?;
        let second = self.encode(response)?;
        let special = 2 + self.separators;
        let most = self.max_tokens - special;
        let (kept_first, kept_second) = longest_first(first.len(), second.len(), most);

        let mut ids = Vec::with_capacity(kept_first + kept_second + special);
        ids.push(self.cls);
        ids.extend_from_slice(self.kept(&first, kept_first));
        ids.extend(std::iter::repeat_n(self.sep, self.separators));
        let of_first = ids.len();
        ids.extend_from_slice(self.kept(&second, kept_second));
        ids.push(self.sep);
        Ok(Encoded {
            position_ids: position_ids(&ids, self.padding),
            type_ids: (0..ids.len())
                .map(|at| if at < of_first { 0 } else { self.second_type })
                .collect(),
            ids,
            truncated: first.len() + second.len() - kept_first - kept_second,
        })
    }

    /// The most tokens of a pair, special tokens included.
    pub(crate) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The ids of one text alone, without a template. Truncating here instead of in the
    /// `tokenizers` crate avoids its list of all combinations of what was cut from both texts,
    /// which grows with the product of their lengths.
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let ids = self.inner.ids(text).map_err(|source| match source.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(source) => {
                Error::new(ErrorKind::Tokenizer, "tokenizer", format!("cannot encode: {source}"))
                    .with_source(source)
            }
        })?;
        match ids.iter().find(|id| **id as usize >= self.vocab_size) {
            Some(id) => {
                let what = format!(
                    "has an added token with the id {id}, the model's vocab_size is {}",
                    self.vocab_size
                );
                Err(Error::new(ErrorKind::Input, "text", what))
            }
            None => Ok(ids),
        }
    }

    /// The `count` of `ids` that stay.
    fn kept<'a>(&self, ids: &'a [u32], count: usize) -> &'a [u32] {
        if self.from_the_left { &ids[ids.len() - count..] } else { &ids[..count] }
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocab_size", &self.vocab_size)
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

/// The vocabulary of a folder without `tokenizer.json`, in the form that its class has.
async fn vocabulary(
    files: &dyn Files,
    settings: &Settings,
    config: &Config,
) -> Result<(&'static str, Parts)> {
    let lacks = |what: String| Error::new(ErrorKind::NotFound, files.describe(), what);
    let none = |form: &str| lacks(format!("has no tokenizer: neither {TOKENIZER} nor {form}"));
    let read = async |name| read(files, name, MOST_FILE_BYTES).await;
    let file = match settings.class {
        Class::Roberta => "vocab.json",
        Class::XlmRoberta(_) => vocabularies::SENTENCE_PIECE,
        Class::Bert(_) => vocabularies::VOCAB,
        Class::Other => return Err(none("a tokenizer_class that is known")),
    };
    let vocab = read(file).await?;
    let merges = if settings.class == Class::Roberta { read(MERGES).await? } else { None };
    // Only after the last `await`: the compiler could not leave out an arm that waits.
    let parts = match (settings.class, vocab, merges) {
        (Class::Roberta, Some(vocab), Some(merges)) => {
            files::vocab_and_merges(&vocab, &merges, settings.template())
        }
        (Class::Roberta, None, None) => Err(none("vocab.json with merges.txt")),
        (Class::Roberta, None, Some(_)) => Err(lacks(format!("has {MERGES} but not {file}"))),
        (Class::Roberta, Some(_), None) => Err(lacks(format!("has {file} but not {MERGES}"))),
        (Class::XlmRoberta(families), Some(bytes), _) => {
            vocabularies::sentence_piece(families, &bytes, settings, config)
        }
        (Class::Bert(families), Some(bytes), _) => {
            vocabularies::lines(families, &bytes, settings, config)
        }
        (_, _, _) => Err(none(file)),
    };
    Ok((file, parts?))
}

/// The whole file `name`, if the folder has one.
async fn read(files: &dyn Files, name: &str, most: u64) -> Result<Option<Vec<u8>>> {
    let Some(source) = files.open(name).await? else {
        return Ok(None);
    };
    if source.size() > most {
        return Err(Error::new(
            ErrorKind::Tokenizer,
            source.name(),
            format!("is {} bytes long, at most {most} are expected", source.size()),
        ));
    }
    source.read(0..source.size()).await.map(Some)
}

/// How many tokens of texts of lengths `first` and `second` stay, so that they fit in `most`.
/// The longer one is cut first; when both are longer than half of `most`, each gets half, and
/// an odd token goes to the longer one (to the second of two equally long ones).
fn longest_first(first: usize, second: usize, most: usize) -> (usize, usize) {
    if first + second <= most {
        return (first, second);
    }
    let kept_short = first.min(second).min(most / 2);
    let kept_long = most - kept_short;
    if first > second { (kept_long, kept_short) } else { (kept_short, kept_long) }
}

/// RoBERTa counts positions from `pad + 1` over the tokens that are not padding; padding itself
/// has position `pad`, also where somebody wrote it in the text. The others count from 0.
fn position_ids(ids: &[u32], pad: Option<u32>) -> Vec<u32> {
    let Some(pad) = pad else { return (0..ids.len() as u32).collect() };
    let mut position = pad;
    ids.iter()
        .map(|&id| {
            if id == pad {
                pad
            } else {
                position += 1;
                position
            }
        })
        .collect()
}

#[cfg(test)]
mod family_tests;
#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod split_tests;
#[cfg(test)]
mod tests;
