//! `config.json` of a sequence classifier, checked before anything is loaded.

mod activation;
mod family;
mod fields;
mod modernbert;
mod module;
mod other_families;

use serde::Serialize;
use serde_json::Value;

use crate::error::Result;
pub use activation::Activation;
pub use family::Family;
use family::SUPPORTED;
use fields::Fields;
pub(crate) use fields::quote_constants;
pub(crate) use modernbert::Head;
pub use modernbert::{ModernBert, Pooling, Reach};
pub use module::Module;
pub(crate) use other_families::OtherFamilies;

/// The largest head size the attention kernel holds in registers.
pub const MAX_HEAD_SIZE: usize = 128;

/// What transformers adds to the variance, in every family, where the file does not say.
const DEFAULT_EPS: f32 = 1e-12;

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
    /// Width between the two dense layers of the feed-forward network.
    pub intermediate_size: usize,
    /// The function between them.
    pub hidden_act: Activation,
    /// Rows of the position table, of which RoBERTa never uses the first two for text.
    pub max_position_embeddings: usize,
    /// Rows of the token type table; RoBERTa uses row 0 alone, DistilBERT has no table: 0.
    pub type_vocab_size: usize,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f32,
    /// The padding token. With RoBERTa it has position `pad_token_id` wherever it occurs.
    pub pad_token_id: u32,
    /// The name of each output, in order. One name means regression: the score is its raw logit.
    pub labels: Vec<String>,
    /// What only ModernBERT has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modernbert: Option<ModernBert>,
}

impl Config {
    /// Reads `json`, the bytes of a file called `file` in messages. A missing size is
    /// an error. Other missing fields get the value that transformers gives them in this family:
    /// `layer_norm_eps`, `hidden_act`, `pad_token_id`, `type_vocab_size`, the labels, and
    /// `architectures`, which is the sequence classifier of the `model_type`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the field that is missing, of the wrong type, or asks for an
    /// architecture, activation or position embedding that is not supported.
    ///
    /// [`ErrorKind::Config`]: crate::ErrorKind::Config
    pub fn from_json(file: &str, json: &[u8]) -> Result<Config> {
        let fields = Fields::read(file, json)?;
        Config::of(&fields, family(&fields)?, None)
    }

    /// The same of a ModernBERT without a head, whose head comes from other files.
    pub(crate) fn with_head(file: &str, json: &[u8], head: &Head) -> Result<Config> {
        let fields = Fields::read(file, json)?;
        let config = Config::of(&fields, Family::ModernBert, Some(head))?;
        if config.hidden_size != head.width {
            let why = format!("is {}, the head reads {}", config.hidden_size, head.width);
            return Err(fields.refuse("hidden_size", why));
        }
        if config.layer_norm_eps != modernbert::HEAD_NORM_EPS {
            let why = format!(
                "is {:e}; with modules for a head only {:e}, that of their LayerNorm, is supported",
                config.layer_norm_eps,
                modernbert::HEAD_NORM_EPS
            );
            return Err(fields.refuse("norm_eps", why));
        }
        Ok(config)
    }

    fn of(fields: &Fields, family: Family, head: Option<&Head>) -> Result<Config> {
        let refuse = |field: &'static str, why: String| fields.refuse(family.field(field), why);

        match fields.text("model_type")? {
            Some(named) if named == family.model_type() => {}
            Some(named) => {
                let known = family.model_type();
                let why = format!("is {named:?}, only {known:?} is supported");
                return Err(refuse("model_type", why));
            }
            None => {
                let why = format!("is missing, expected {:?}", family.model_type());
                return Err(refuse("model_type", why));
            }
        }
        let hidden_act = match fields.text(family.field("hidden_act"))? {
            Some(named) => Activation::named(named).ok_or_else(|| {
                let why = format!(
                    "is {named:?}; gelu, gelu_python, gelu_new, gelu_fast, gelu_pytorch_tanh and \
                     relu are supported"
                );
                refuse("hidden_act", why)
            })?,
            None => Activation::default(),
        };
        // ModernBERT's class does not read it, and its checkpoints have different texts in it.
        if let Some(other) = fields.text("position_embedding_type")?
            && other != "absolute"
            && !family.is_modernbert()
        {
            let why = format!("is {other:?}, only \"absolute\" is supported");
            return Err(refuse("position_embedding_type", why));
        }
        for field in ["is_decoder", "add_cross_attention", "pruned_heads", "quantization_config"] {
            let set = match fields.get(field)? {
                None | Some(Value::Bool(false)) => false,
                Some(Value::Object(heads)) if field == "pruned_heads" => !heads.is_empty(),
                Some(_) => true,
            };
            if set {
                return Err(refuse(field, "is set, which is not supported".into()));
            }
        }

        let size = |field: &'static str, most: usize| {
            let value = fields.whole(family.present(field, fields)?, 1, most)?;
            value.ok_or_else(|| refuse(field, "is missing".into()))
        };
        let config = Config {
            family,
            vocab_size: size("vocab_size", 1 << 20)?,
            hidden_size: size("hidden_size", 1 << 13)?,
            num_hidden_layers: size("num_hidden_layers", 1 << 10)?,
            num_attention_heads: size("num_attention_heads", 1 << 10)?,
            intermediate_size: size("intermediate_size", 1 << 15)?,
            hidden_act,
            max_position_embeddings: size("max_position_embeddings", 1 << 16)?,
            type_vocab_size: match family {
                Family::DistilBert | Family::ModernBert => 0,
                _ => fields.whole("type_vocab_size", 1, 1 << 10)?.unwrap_or(2),
            },
            layer_norm_eps: match family {
                Family::DistilBert => DEFAULT_EPS,
                Family::ModernBert => layer_norm_eps(fields, "norm_eps")?.unwrap_or(1e-5),
                _ => layer_norm_eps(fields, "layer_norm_eps")?.unwrap_or(DEFAULT_EPS),
            },
            pad_token_id: match fields.whole("pad_token_id", 0, u32::MAX as usize)? {
                Some(id) => id as u32,
                None => family.default_pad_token_id(),
            },
            labels: labels(fields, head.map(|head| head.outputs))?,
            modernbert: match OtherFamilies::built() {
                Some(families) if family.is_modernbert() => {
                    let layers = size("num_hidden_layers", 1 << 10)?;
                    Some(ModernBert::read(fields, layers, head, families)?)
                }
                _ => None,
            },
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
        if family.is_modernbert() && !config.head_size().is_multiple_of(2) {
            let why =
                format!("makes heads of {}, which rotary positions halve", config.head_size());
            return Err(refuse("num_attention_heads", why));
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
    /// at the most, with XLM-RoBERTa and ModernBERT 8,192.
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
            _ => {
                "a score, the raw logit: higher is better; about 0 to 1 where the model learned such \
                 scores, as cappy-small did; any real number, whose sigmoid is the probability, for \
                 rerankers such as bge-reranker and ms-marco-MiniLM"
            }
        }
    }
}

/// What older versions of sentence-transformers write into `config.json`: the path of the function that
/// its `CrossEncoder` applies to the logits.
pub(crate) fn function_of_logits(file: &str, json: &[u8]) -> Result<Option<Value>> {
    let fields = Fields::read(file, json)?;
    let newer = fields.get("sentence_transformers")?.and_then(|of| of.get("activation_fn"));
    let path = match newer {
        Some(path) => Some(path),
        None => fields.get("sbert_ce_default_activation_function")?,
    };
    Ok(path.cloned())
}

/// Whether `architectures` names the bare encoder of ModernBERT.
pub(crate) fn is_bare_modernbert(file: &str, json: &[u8]) -> Result<bool> {
    let fields = Fields::read(file, json)?;
    Ok(fields.get("architectures")?.is_some_and(|names| names[0] == "ModernBertModel"))
}

/// The family that `architectures` names or, where that is missing, `model_type`. In the second case
/// only the tensors of the head will show whether the model is a classifier.
fn family(fields: &Fields) -> Result<Family> {
    let first = match fields.get("architectures")? {
        Some(Value::Array(names)) => names.first(),
        other => other,
    };
    let (families, supported) = SUPPORTED;
    let (found, what) = match first {
        Some(Value::String(named)) => {
            let found = families.iter().find(|family| family.architecture() == named);
            (found, format!("is {named:?}"))
        }
        Some(_) => return Err(fields.refuse("architectures", "is not a list of names")),
        None => {
            let named = fields.text("model_type")?.unwrap_or_default();
            let found = families.iter().find(|family| family.model_type() == named);
            (found, "is missing".into())
        }
    };
    found.copied().ok_or_else(|| fields.refuse("architectures", format!("{what}; {supported}")))
}

fn layer_norm_eps(fields: &Fields, field: &'static str) -> Result<Option<f32>> {
    match fields.get(field)?.map(Value::as_f64) {
        None => Ok(None),
        Some(Some(eps)) if eps > 0.0 && eps < 1.0 => Ok(Some(eps as f32)),
        Some(Some(eps)) => Err(fields.refuse(field, format!("is {eps}, expected 0 to 1"))),
        Some(None) => Err(fields.refuse(field, "is not a number")),
    }
}

/// The labels in order. transformers leaves `id2label` out of the file when there are two of them
/// with their default names, and goes by `num_labels` where the two disagree. A head from other files
/// has `outputs` of its own.
fn labels(fields: &Fields, outputs: Option<usize>) -> Result<Vec<String>> {
    let refuse = |why: String| Err(fields.refuse("id2label", why));
    let count = match outputs {
        Some(outputs) => Some(outputs),
        None => fields.whole("num_labels", 1, 1 << 16)?,
    };
    let map = match fields.get("id2label")? {
        Some(Value::Object(map)) if count.is_none_or(|count| count == map.len()) => map,
        Some(Value::Object(_)) | None => {
            return Ok((0..count.unwrap_or(2)).map(|i| format!("LABEL_{i}")).collect());
        }
        Some(_) => return refuse("does not map numbers to names".into()),
    };
    if map.is_empty() {
        return refuse("is empty".into());
    }
    let mut labels = Vec::with_capacity(map.len());
    for i in 0..map.len() {
        labels.push(match map.get(&i.to_string()) {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Number(name)) => name.to_string(),
            Some(_) => return refuse(format!("entry {i} is neither a text nor a number")),
            None => return refuse(format!("has {} entries but none for {i}", map.len())),
        });
    }
    Ok(labels)
}

#[cfg(test)]
mod tests;
