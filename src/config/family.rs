//! The families of models, and all in which they differ besides the names of their tensors.

use serde::Serialize;

use super::fields::Fields;
use crate::error::Result;

/// Which of Hugging Face's classes a model is one of. They are the same encoder with other
/// embeddings, names and heads.
///
/// All but [`Family::Roberta`] need the feature `families`: a build without it holds nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Family {
    /// `RobertaForSequenceClassification`: positions are counted from the padding token's id on,
    /// the head is dense, tanh, projection.
    #[serde(rename = "roberta")]
    Roberta,
    /// `XLMRobertaForSequenceClassification`: RoBERTa with a larger vocabulary.
    #[cfg(feature = "families")]
    #[serde(rename = "xlm-roberta")]
    XlmRoberta,
    /// `BertForSequenceClassification`: positions from 0, two token types; the head is the pooler
    /// (dense, tanh) and a projection.
    #[cfg(feature = "families")]
    #[serde(rename = "bert")]
    Bert,
    /// `DistilBertForSequenceClassification`: positions from 0, no token types; the head is dense,
    /// ReLU, projection.
    #[cfg(feature = "families")]
    #[serde(rename = "distilbert")]
    DistilBert,
}

/// What of them this build computes.
pub(crate) const FAMILIES: &[Family] = &[
    Family::Roberta,
    #[cfg(feature = "families")]
    Family::XlmRoberta,
    #[cfg(feature = "families")]
    Family::Bert,
    #[cfg(feature = "families")]
    Family::DistilBert,
];

/// Fields of `config.json` that DistilBERT calls by other names. transformers takes the first three
/// by both, and prefers the usual one.
#[cfg(feature = "families")]
const DISTILBERT_FIELDS: [(&str, &str); 5] = [
    ("hidden_size", "dim"),
    ("num_hidden_layers", "n_layers"),
    ("num_attention_heads", "n_heads"),
    ("intermediate_size", "hidden_dim"),
    ("hidden_act", "activation"),
];

/// The classes that are supported, and how to have more.
#[cfg(feature = "families")]
pub(super) const SUPPORTED: &str = "RobertaForSequenceClassification, \
    XLMRobertaForSequenceClassification, BertForSequenceClassification and \
    DistilBertForSequenceClassification are supported";
#[cfg(not(feature = "families"))]
pub(super) const SUPPORTED: &str = "only \"RobertaForSequenceClassification\" is supported; \
    XLM-RoBERTa, BERT and DistilBERT need a build with the feature \"families\"";

impl Family {
    /// `architectures` in `config.json`.
    pub fn architecture(self) -> &'static str {
        match self {
            Family::Roberta => "RobertaForSequenceClassification",
            #[cfg(feature = "families")]
            Family::XlmRoberta => "XLMRobertaForSequenceClassification",
            #[cfg(feature = "families")]
            Family::Bert => "BertForSequenceClassification",
            #[cfg(feature = "families")]
            Family::DistilBert => "DistilBertForSequenceClassification",
        }
    }

    /// `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Family::Roberta => "roberta",
            #[cfg(feature = "families")]
            Family::XlmRoberta => "xlm-roberta",
            #[cfg(feature = "families")]
            Family::Bert => "bert",
            #[cfg(feature = "families")]
            Family::DistilBert => "distilbert",
        }
    }

    /// Whether it has RoBERTa's names, head and way of counting positions.
    pub fn is_roberta(self) -> bool {
        match self {
            Family::Roberta => true,
            #[cfg(feature = "families")]
            other => other == Family::XlmRoberta,
        }
    }

    /// Whether it has DistilBERT's names, head and lack of token types.
    pub fn is_distilbert(self) -> bool {
        match self {
            #[cfg(feature = "families")]
            Family::DistilBert => true,
            _ => false,
        }
    }

    /// Rows of the token type table that a token can be of.
    pub fn token_types(self) -> usize {
        if self.is_roberta() || self.is_distilbert() { 1 } else { 2 }
    }

    /// Special tokens of a pair: `<s> A </s></s> B </s>` or `[CLS] A [SEP] B [SEP]`.
    pub fn template_tokens(self) -> usize {
        if self.is_roberta() { 4 } else { 3 }
    }

    /// What its tokenizers call the padding token.
    pub fn padding(self) -> &'static str {
        if self.is_roberta() { "<pad>" } else { "[PAD]" }
    }

    /// The most tokens of a pair, if the position table has so many.
    pub(super) fn most_tokens(self) -> usize {
        match self {
            #[cfg(feature = "families")]
            Family::XlmRoberta => 1024,
            _ => 512,
        }
    }

    /// What stands before the encoder's names in a checkpoint of the whole classifier, and is left
    /// out in one of the bare encoder.
    pub fn prefix(self) -> &'static str {
        if self.is_roberta() {
            "roberta."
        } else if self.is_distilbert() {
            "distilbert."
        } else {
            "bert."
        }
    }

    /// What `config.json` calls a field.
    pub(super) fn field(self, field: &'static str) -> &'static str {
        #[cfg(feature = "families")]
        if self.is_distilbert() {
            let other = DISTILBERT_FIELDS.iter().find(|(ours, _)| *ours == field);
            return other.map_or(field, |(_, theirs)| theirs);
        }
        field
    }

    /// What `config.json` calls a field in this file, where it may have either of two names.
    pub(super) fn present(self, field: &'static str, fields: &Fields) -> Result<&'static str> {
        #[cfg(feature = "families")]
        if self.is_distilbert() {
            let mut by_both = DISTILBERT_FIELDS[..3].iter();
            let usual = by_both.any(|(usual, _)| *usual == field) && fields.get(field)?.is_some();
            return Ok(if usual { field } else { self.field(field) });
        }
        let _ = fields;
        Ok(field)
    }

    /// The padding token where `config.json` does not say it.
    pub(super) fn default_pad_token_id(self) -> u32 {
        u32::from(self.is_roberta())
    }
}
