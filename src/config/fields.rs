//! The fields of `config.json` that decide what is computed, as the file has them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// Every field that is read for some family; all others are ignored. A field that changes what is
/// computed must be listed here, so that a value which is not implemented is refused.
const READ: &[&str] = &[
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
    "position_embedding_type",
    "id2label",
    "num_labels",
    "is_decoder",
    "add_cross_attention",
    "pruned_heads",
    "quantization_config",
    "sentence_transformers",
    "sbert_ce_default_activation_function",
    "dim",
    "n_layers",
    "n_heads",
    "hidden_dim",
    "activation",
    "hidden_activation",
    "norm_eps",
    "norm_bias",
    "attention_bias",
    "mlp_bias",
    "classifier_bias",
    "classifier_activation",
    "classifier_pooling",
    "local_attention",
    "layer_types",
    "global_attn_every_n_layers",
    "rope_parameters",
    "rope_scaling",
    "global_rope_theta",
    "local_rope_theta",
];

/// The fields of one file.
pub(super) struct Fields {
    file: String,
    read: Read,
}

#[derive(Default)]
struct Read {
    values: BTreeMap<&'static str, Value>,
    twice: Vec<&'static str>,
}

impl Fields {
    pub(super) fn read(file: &str, json: &[u8]) -> Result<Fields> {
        let read = serde_json::from_slice(&quote_constants(json)).map_err(|source| {
            Error::new(ErrorKind::Config, file, format!("is not a model config: {source}"))
        })?;
        Ok(Fields { file: file.into(), read })
    }

    /// An error that names a field.
    pub(super) fn refuse(&self, field: &str, why: impl Into<String>) -> Error {
        Error::new(ErrorKind::Config, format!("{}: {field}", self.file), why)
    }

    /// The value of a field that is there and not null.
    pub(super) fn get(&self, field: &'static str) -> Result<Option<&Value>> {
        if self.read.twice.contains(&field) {
            return Err(self.refuse(field, "stands there twice"));
        }
        Ok(self.read.values.get(field).filter(|value| !value.is_null()))
    }

    /// A field of text.
    pub(super) fn text(&self, field: &'static str) -> Result<Option<&str>> {
        match self.get(field)? {
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.refuse(field, "is not a text")),
            None => Ok(None),
        }
    }

    /// A whole number of `least` to `most`.
    pub(super) fn whole(
        &self,
        field: &'static str,
        least: usize,
        most: usize,
    ) -> Result<Option<usize>> {
        let Some(value) = self.get(field)? else { return Ok(None) };
        match value.as_u64().and_then(|value| usize::try_from(value).ok()) {
            Some(value) if (least..=most).contains(&value) => Ok(Some(value)),
            Some(value) => {
                Err(self.refuse(field, format!("is {value}, expected {least} to {most}")))
            }
            None => {
                Err(self.refuse(field, format!("is not a whole number from {least} to {most}")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Read, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Read;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Read, A::Error> {
                let mut read = Read::default();
                while let Some(name) = fields.next_key::<String>()? {
                    match READ.iter().find(|known| **known == name) {
                        Some(known) => {
                            if read.values.insert(known, fields.next_value()?).is_some() {
                                read.twice.push(known);
                            }
                        }
                        None => _ = fields.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// `json` with the constants `NaN`, `Infinity` and `-Infinity`, which Python writes and JSON does
/// not have, as texts: a field that is not read may hold them, and one that is read is refused.
pub(crate) fn quote_constants(json: &[u8]) -> Cow<'_, [u8]> {
    const CONSTANTS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut quoted = Vec::new();
    let mut copied = 0;
    let (mut at, mut in_text) = (0, false);
    while at < json.len() {
        let constant = CONSTANTS.iter().find(|constant| json[at..].starts_with(constant));
        match (json[at], constant) {
            (b'"', _) => in_text = !in_text,
            (b'\\', _) if in_text => at += 1,
            (_, Some(constant)) if !in_text => {
                quoted.extend_from_slice(&json[copied..at]);
                quoted.extend([b"\"", *constant, b"\""].concat());
                at += constant.len();
                copied = at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    quoted.extend_from_slice(&json[copied..]);
    Cow::Owned(quoted)
}
