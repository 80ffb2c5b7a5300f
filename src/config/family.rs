//! The families of models, and how they differ apart from the names of their tensors.

use serde::Serialize;

use super::OtherFamilies;
use super::fields::Fields;
use crate::error::Result;

/// Which of Hugging Face's classes a model is one of. They are the same encoder with other
/// embeddings, names and heads.
///
/// All but [`Family::Roberta`] need the feature `families`: a build without it refuses their
/// `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Family {
    /// `RobertaForSequenceClassification`: positions are counted from the padding token's id on,
    /// the head is dense, tanh, projection.
    #[serde(rename = "roberta")]
    Roberta,
    /// `XLMRobertaForSequenceClassification`: RoBERTa with a larger vocabulary.
    #[serde(rename = "xlm-roberta")]
    XlmRoberta,
    /// `BertForSequenceClassification`: positions from 0, two token types; the head is the pooler
    /// (dense, tanh) and a projection.
    #[serde(rename = "bert")]
    Bert,
    /// `DistilBertForSequenceClassification`: positions from 0, no token types; the head is dense,
    /// ReLU, projection.
    #[serde(rename = "distilbert")]
    DistilBert,
    /// `ModernBertForSequenceClassification`: rotary positions, attention to neighbours in most
    /// layers, LayerNorm before each part of a layer, a gated feed-forward network; the head is
    /// dense, GELU, LayerNorm, projection.
    #[serde(rename = "modernbert")]
    ModernBert,
}

/// Fields of `config.json` that DistilBERT names differently. For the first three transformers
/// accepts either name and prefers the usual one.
const DISTILBERT_FIELDS: [(&str, &str); 5] = [
    ("hidden_size", "dim"),
    ("num_hidden_layers", "n_layers"),
    ("num_attention_heads", "n_heads"),
    ("intermediate_size", "hidden_dim"),
    ("hidden_act", "activation"),
];

/// Fields that ModernBERT names differently.
const MODERNBERT_FIELDS: [(&str, &str); 2] =
    [("hidden_act", "hidden_activation"), ("layer_norm_eps", "norm_eps")];

/// The families whose `config.json` this build accepts, and how an error names them.
pub(super) const SUPPORTED: (&[Family], &str) = if OtherFamilies::BUILT {
    let names = "RobertaForSequenceClassification, XLMRobertaForSequenceClassification, \
        BertForSequenceClassification, DistilBertForSequenceClassification and \
        ModernBertForSequenceClassification are supported";
    (Family::ALL, names)
} else {
    let why = "only \"RobertaForSequenceClassification\" is supported; \
        XLM-RoBERTa, BERT, DistilBERT and ModernBERT need a build with the feature \"families\"";
    (&[Family::Roberta], why)
};

impl Family {
    /// Every family, whether or not this build accepts it.
    pub(crate) const ALL: &[Family] = &[
        Family::Roberta,
        Family::XlmRoberta,
        Family::Bert,
        Family::DistilBert,
        Family::ModernBert,
    ];

    /// `architectures` in `config.json`.
    pub fn architecture(self) -> &'static str {
        match self {
            Family::Roberta => "RobertaForSequenceClassification",
            Family::XlmRoberta => "XLMRobertaForSequenceClassification",
            Family::Bert => "BertForSequenceClassification",
            Family::DistilBert => "DistilBertForSequenceClassification",
            Family::ModernBert => "ModernBertForSequenceClassification",
        }
    }

    /// `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Family::Roberta => "roberta",
            Family::XlmRoberta => "xlm-roberta",
            Family::Bert => "bert",
            Family::DistilBert => "distilbert",
            Family::ModernBert => "modernbert",
        }
    }

    /// Whether it names its tensors, builds its head and counts positions as RoBERTa does.
    pub fn is_roberta(self) -> bool {
        matches!(self, Family::Roberta | Family::XlmRoberta)
    }

    /// Whether it has DistilBERT's names, head and lack of token types.
    pub fn is_distilbert(self) -> bool {
        self == Family::DistilBert
    }

    /// Whether it is ModernBERT, whose layers are others.
    pub fn is_modernbert(self) -> bool {
        self == Family::ModernBert
    }

    /// How many rows of the token type table its tokenizers use.
    pub fn token_types(self) -> usize {
        if self == Family::Bert { 2 } else { 1 }
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
            Family::XlmRoberta | Family::ModernBert => 8192,
            _ => 512,
        }
    }

    /// What the encoder's names begin with in a checkpoint of the whole classifier; one of the bare
    /// encoder leaves it out.
    pub fn prefix(self) -> &'static str {
        if self.is_roberta() {
            "roberta."
        } else if self.is_distilbert() {
            "distilbert."
        } else if self.is_modernbert() {
            "model."
        } else {
            "bert."
        }
    }

    /// The name of a field in this family's `config.json`.
    pub(super) fn field(self, field: &'static str) -> &'static str {
        let others: &[(&str, &str)] = match self {
            Family::DistilBert => &DISTILBERT_FIELDS,
            Family::ModernBert => &MODERNBERT_FIELDS,
            _ => &[],
        };
        let other = others.iter().find(|(ours, _)| *ours == field);
        other.map_or(field, |(_, theirs)| theirs)
    }

    /// The name of a field in this very file, where DistilBERT may use either of two.
    pub(super) fn present(self, field: &'static str, fields: &Fields) -> Result<&'static str> {
        if self.is_distilbert() {
            let mut by_both = DISTILBERT_FIELDS[..3].iter();
            let usual = by_both.any(|(usual, _)| *usual == field) && fields.get(field)?.is_some();
            return Ok(if usual { field } else { self.field(field) });
        }
        Ok(self.field(field))
    }

    /// The padding token's id where `config.json` leaves it out.
    pub(super) fn default_pad_token_id(self) -> u32 {
        match self {
            Family::ModernBert => 50_283,
            _ => u32::from(self.is_roberta()),
        }
    }
}
