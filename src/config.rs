//! `config.json` of a RoBERTa sequence classifier, checked before anything is loaded.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

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
    /// Rows of the position table, two of which RoBERTa never uses for text.
    pub max_position_embeddings: usize,
    /// Rows of the token type table; only row 0 is used by RoBERTa.
    pub type_vocab_size: usize,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f32,
    /// The token that keeps position `pad_token_id` wherever it stands.
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
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    intermediate_size: Option<usize>,
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
        let refuse = |field: &str, why: String| {
            Error::new(ErrorKind::Config, format!("{file}: {field}"), why)
        };
        let raw: RawConfig = serde_json::from_slice(json).map_err(|source| {
            Error::new(ErrorKind::Config, file, format!("is not a model config: {source}"))
        })?;

        let only = |field: &str, value: Option<&str>, known: &str| match value {
            Some(value) if value == known => Ok(()),
            Some(value) => Err(refuse(field, format!("is {value:?}, only {known:?} is supported"))),
            None => Err(refuse(field, format!("is missing, expected {known:?}"))),
        };
        let architectures = raw.architectures.as_deref().unwrap_or_default();
        only(
            "architectures",
            architectures.first().map(String::as_str),
            "RobertaForSequenceClassification",
        )?;
        only("model_type", raw.model_type.as_deref(), "roberta")?;
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

        let size = |field: &str, value: Option<usize>, most: usize| match value {
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(value) => Err(refuse(field, format!("is {value}, expected 1 to {most}"))),
            None => Err(refuse(field, "is missing".into())),
        };
        let config = Config {
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
            type_vocab_size: size("type_vocab_size", raw.type_vocab_size, 1 << 10)?,
            layer_norm_eps: match raw.layer_norm_eps {
                Some(eps) if eps > 0.0 && eps < 1.0 => eps as f32,
                Some(eps) => {
                    return Err(refuse("layer_norm_eps", format!("is {eps}, expected 0 to 1")));
                }
                None => return Err(refuse("layer_norm_eps", "is missing".into())),
            },
            pad_token_id: raw
                .pad_token_id
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
        // The pair template alone takes four tokens: <s> </s></s> </s>.
        let least_positions = config.pad_token_id as usize + 1 + 4;
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

    /// The most tokens of a pair, special tokens included: 512, or what the position table allows.
    pub fn max_tokens(&self) -> usize {
        (self.max_position_embeddings - (self.pad_token_id as usize + 1)).min(512)
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
mod tests {
    use super::*;

    fn valid() -> Value {
        serde_json::json!({
            "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
            "vocab_size": 100, "hidden_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 96, "hidden_act": "gelu",
            "max_position_embeddings": 40, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
            "pad_token_id": 1, "id2label": { "0": "LABEL_0" }, "use_cache": true,
        })
    }

    fn parse(config: &Value) -> Result<Config> {
        Config::from_json("config.json", config.to_string().as_bytes())
    }

    #[test]
    fn valid_config_is_read() {
        let config = parse(&valid()).unwrap();
        assert_eq!((config.head_size(), config.max_tokens()), (24, 38));
    }

    #[test]
    fn each_needed_field_is_named_when_missing() {
        for field in [
            "architectures",
            "model_type",
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "hidden_act",
            "max_position_embeddings",
            "type_vocab_size",
            "layer_norm_eps",
            "pad_token_id",
        ] {
            let mut config = valid();
            config.as_object_mut().unwrap().remove(field);
            let error = parse(&config).unwrap_err();
            assert_eq!(error.at_fault(), format!("config.json: {field}"));
        }
    }

    #[test]
    fn each_unsupported_value_is_named() {
        for (field, value) in [
            ("architectures", serde_json::json!(["RobertaForMaskedLM"])),
            ("model_type", "bert".into()),
            ("hidden_act", "relu".into()),
            ("position_embedding_type", "relative_key".into()),
            ("num_attention_heads", 5.into()),
            ("hidden_size", 0.into()),
            ("layer_norm_eps", (-1.0).into()),
            ("pad_token_id", 100.into()),
            ("max_position_embeddings", 5.into()),
            ("is_decoder", true.into()),
            ("quantization_config", serde_json::json!({"bits": 4})),
            ("id2label", serde_json::json!({"1": "LABEL_1"})),
        ] {
            let mut config = valid();
            config[field] = value;
            let error = parse(&config).unwrap_err();
            assert_eq!(error.at_fault(), format!("config.json: {field}"));
        }
    }

    #[test]
    fn two_labels_are_the_default() {
        let mut config = valid();
        config.as_object_mut().unwrap().remove("id2label");
        assert_eq!(parse(&config).unwrap().labels, ["LABEL_0", "LABEL_1"]);
    }
}
