//! `config.json` of a sequence classifier, checked before anything is loaded.

mod family;
mod module;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
pub(crate) use family::FAMILIES;
pub use family::Family;
use family::SUPPORTED;
pub use module::Module;

/// The largest head size the attention kernel holds in registers.
pub const MAX_HEAD_SIZE: usize = 128;

/// The shape of one model. Every number was checked to be one that the kernels can compute.
///
/// ```
/// let json = br#"{
///     "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
///     "vocab_size": 50265, "hidden_size": 1024, "num_hidden_layers": 24,
///     "num_attention_heads": 16, "intermediate_size": 4096, "hidden_act": "gelu",
///     "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
///     "pad_token_id": 1, "id2label": { "0": "LABEL_0" }
/// }"#;
/// let config = cappy::Config::from_json("config.json", json)?;
/// assert_eq!(config.head_size(), 64);
/// assert_eq!(config.max_tokens(), 512);
/// assert_eq!(config.labels, ["LABEL_0"]);
/// # Ok::<(), cappy::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Which class of models it is one of.
    #[serde(rename = "model_type")]
    pub family: Family,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads a layer.
    pub num_attention_heads: usize,
    /// Width of the feed-forward network's inside.
    pub intermediate_size: usize,
    /// Rows of the position table, of which RoBERTa never uses the first two for text.
    pub max_position_embeddings: usize,
    /// Rows of the token type table; RoBERTa uses row 0 alone, DistilBERT has no table: 0.
    pub type_vocab_size: usize,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f32,
    /// The padding token. With RoBERTa it keeps position `pad_token_id` wherever it stands.
    pub pad_token_id: u32,
    /// The name of each output, in order. One name means regression: the score is its raw logit.
    pub labels: Vec<String>,
}

/// The fields as they stand in the file. A field that changes what is computed is listed here
/// so that a value nobody implemented is refused instead of ignored.
#[derive(Deserialize)]
struct RawConfig {
    architectures: Option<Vec<String>>,
    model_type: Option<String>,
    vocab_size: Option<usize>,
    #[cfg_attr(feature = "families", serde(alias = "dim"))]
    hidden_size: Option<usize>,
    #[cfg_attr(feature = "families", serde(alias = "n_layers"))]
    num_hidden_layers: Option<usize>,
    #[cfg_attr(feature = "families", serde(alias = "n_heads"))]
    num_attention_heads: Option<usize>,
    #[cfg_attr(feature = "families", serde(alias = "hidden_dim"))]
    intermediate_size: Option<usize>,
    #[cfg_attr(feature = "families", serde(alias = "activation"))]
    hidden_act: Option<String>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    pad_token_id: Option<u32>,
    position_embedding_type: Option<String>,
    id2label: Option<serde_json::Map<String, Value>>,
    num_labels: Option<usize>,
    is_decoder: Option<bool>,
    add_cross_attention: Option<bool>,
    pruned_heads: Option<serde_json::Map<String, Value>>,
    quantization_config: Option<Value>,
}

impl Config {
    /// Reads `json`, the bytes of a file called `file` in messages.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the field that is missing, of the wrong type, or asks for an
    /// architecture, activation or position embedding that is not RoBERTa's.
    pub fn from_json(file: &str, json: &[u8]) -> Result<Config> {
        let raw: RawConfig = serde_json::from_slice(json).map_err(|source| {
            Error::new(ErrorKind::Config, file, format!("is not a model config: {source}"))
        })?;
        let family = family(file, &raw)?;
        let refuse = |field: &'static str, why: String| {
            Error::new(ErrorKind::Config, format!("{file}: {}", family.field(field)), why)
        };

        let only = |field: &'static str, value: Option<&str>, known: &str| match value {
            Some(value) if value == known => Ok(()),
            Some(value) => Err(refuse(field, format!("is {value:?}, only {known:?} is supported"))),
            None => Err(refuse(field, format!("is missing, expected {known:?}"))),
        };
        only("model_type", raw.model_type.as_deref(), family.model_type())?;
        only("hidden_act", raw.hidden_act.as_deref(), "gelu")?;
        only(
            "position_embedding_type",
            Some(raw.position_embedding_type.as_deref().unwrap_or("absolute")),
            "absolute",
        )?;
        for (field, set) in [
            ("is_decoder", raw.is_decoder == Some(true)),
            ("add_cross_attention", raw.add_cross_attention == Some(true)),
            ("pruned_heads", raw.pruned_heads.is_some_and(|heads| !heads.is_empty())),
            ("quantization_config", raw.quantization_config.is_some_and(|q| !q.is_null())),
        ] {
            if set {
                return Err(refuse(field, "is set, which is not supported".into()));
            }
        }

        let size = |field: &'static str, value: Option<usize>, most: usize| match value {
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(value) => Err(refuse(field, format!("is {value}, expected 1 to {most}"))),
            None => Err(refuse(field, "is missing".into())),
        };
        let config = Config {
            family,
            vocab_size: size("vocab_size", raw.vocab_size, 1 << 20)?,
            hidden_size: size("hidden_size", raw.hidden_size, 1 << 13)?,
            num_hidden_layers: size("num_hidden_layers", raw.num_hidden_layers, 1 << 10)?,
            num_attention_heads: size("num_attention_heads", raw.num_attention_heads, 1 << 10)?,
            intermediate_size: size("intermediate_size", raw.intermediate_size, 1 << 15)?,
            max_position_embeddings: size(
                "max_position_embeddings",
                raw.max_position_embeddings,
                1 << 16,
            )?,
            type_vocab_size: match family.is_distilbert() {
                true => 0,
                false => size("type_vocab_size", raw.type_vocab_size, 1 << 10)?,
            },
            layer_norm_eps: match family.fixed_eps().or(raw.layer_norm_eps) {
                Some(eps) if eps > 0.0 && eps < 1.0 => eps as f32,
                Some(eps) => {
                    return Err(refuse("layer_norm_eps", format!("is {eps}, expected 0 to 1")));
                }
                None => return Err(refuse("layer_norm_eps", "is missing".into())),
            },
            pad_token_id: raw
                .pad_token_id
                // BERT's positions do not hang on it.
                .or((!family.is_roberta()).then_some(0))
                .ok_or_else(|| refuse("pad_token_id", "is missing".into()))?,
            labels: labels(raw.id2label, raw.num_labels).map_err(|why| refuse("id2label", why))?,
        };

        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(refuse(
                "num_attention_heads",
                format!(
                    "{} does not divide hidden_size {}",
                    config.num_attention_heads, config.hidden_size
                ),
            ));
        }
        if config.head_size() > MAX_HEAD_SIZE {
            return Err(refuse(
                "num_attention_heads",
                format!(
                    "makes heads of {}, at most {MAX_HEAD_SIZE} are supported",
                    config.head_size()
                ),
            ));
        }
        if config.pad_token_id as usize >= config.vocab_size {
            return Err(refuse(
                "pad_token_id",
                format!("{} is outside vocab_size {}", config.pad_token_id, config.vocab_size),
            ));
        }
        // What the pair's template alone takes.
        let least_positions = config.first_position() + family.template_tokens();
        if config.max_position_embeddings < least_positions {
            return Err(refuse(
                "max_position_embeddings",
                format!(
                    "is {}, a pair needs at least {least_positions}",
                    config.max_position_embeddings
                ),
            ));
        }
        Ok(config)
    }

    /// Width of one attention head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// The position of a sequence's first token.
    pub fn first_position(&self) -> usize {
        if self.family.is_roberta() { self.pad_token_id as usize + 1 } else { 0 }
    }

    /// The most tokens of a pair, special tokens included: what the position table allows, and 512
    /// at the most, with XLM-RoBERTa 1,024. The table of bge-reranker-v2-m3 has room for 8,192, but
    /// every batch must hold the longest pair, and would take 16 times the memory; its authors' own
    /// code cuts at 512 unless told otherwise.
    pub fn max_tokens(&self) -> usize {
        (self.max_position_embeddings - self.first_position()).min(self.family.most_tokens())
    }

    /// What the output means, for people.
    pub fn output(&self) -> &'static str {
        if self.labels.len() > 1 {
            return "a raw logit for each label, in their order; softmax makes probabilities of them";
        }
        match self.family {
            Family::Roberta => {
                "a score, the raw logit: higher is better; about 0 to 1 where the model learned such \
                 scores, as Cappy did"
            }
            #[cfg(feature = "families")]
            _ => {
                "the relevance, a raw logit: any real number, higher is better; its sigmoid is the \
                 probability for rerankers such as bge-reranker and ms-marco-MiniLM"
            }
        }
    }
}

/// The family that `architectures` names.
fn family(file: &str, raw: &RawConfig) -> Result<Family> {
    let refuse =
        |why: String| Err(Error::new(ErrorKind::Config, format!("{file}: architectures"), why));
    let Some(named) = raw.architectures.as_deref().unwrap_or_default().first() else {
        return refuse(format!("is missing; {SUPPORTED}"));
    };
    match FAMILIES.iter().find(|family| family.architecture() == named) {
        Some(family) => Ok(*family),
        None => refuse(format!("is {named:?}; {SUPPORTED}")),
    }
}

/// The labels in order. Hugging Face leaves `id2label` out of the file when there are two of them
/// with their default names.
fn labels(
    id2label: Option<serde_json::Map<String, Value>>,
    num_labels: Option<usize>,
) -> Result<Vec<String>, String> {
    let Some(map) = id2label else {
        let count = num_labels.unwrap_or(2);
        if !(1..=1 << 16).contains(&count) {
            return Err(format!("num_labels is {count}, expected 1 to 65536"));
        }
        return Ok((0..count).map(|i| format!("LABEL_{i}")).collect());
    };
    if map.is_empty() {
        return Err("is empty".into());
    }
    (0..map.len())
        .map(|i| match map.get(&i.to_string()) {
            Some(Value::String(name)) => Ok(name.clone()),
            Some(_) => Err(format!("entry {i} is not a string")),
            None => Err(format!("has {} entries but none for {i}", map.len())),
        })
        .collect()
}

#[cfg(test)]
mod tests;
