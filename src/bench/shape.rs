//! The shapes that can be measured.

use serde::Serialize;
use serde_json::json;

use crate::config::Config;
use crate::error::Result;

/// A model shape with random weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// 4 layers of 256.
    Mini,
    /// 12 layers of 768, as RoBERTa-base.
    Base,
    /// 24 layers of 1024, as RoBERTa-large and Cappy-large.
    Large,
    /// A ModernBERT of 7 layers of 256, as Ettin's encoder of 17 million parameters.
    #[serde(rename = "ettin-17m")]
    Ettin17m,
    /// A ModernBERT of 19 layers of 512, as Ettin's encoder of 68 million parameters.
    #[serde(rename = "ettin-68m")]
    Ettin68m,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 5] =
        [Shape::Mini, Shape::Base, Shape::Large, Shape::Ettin17m, Shape::Ettin68m];

    /// What it is called on the command line, on the bench page and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Mini => "mini",
            Shape::Base => "base",
            Shape::Large => "large",
            Shape::Ettin17m => "ettin-17m",
            Shape::Ettin68m => "ettin-68m",
        }
    }

    /// The shape of this name.
    pub fn of_name(name: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.name() == name)
    }

    /// The config of the shape.
    ///
    /// # Errors
    /// For a ModernBERT in builds without the feature `families`.
    pub fn config(self) -> Result<Config> {
        let config = match self {
            Shape::Mini => roberta(4, 256, 4, 8192),
            Shape::Base => roberta(12, 768, 12, 50_265),
            Shape::Large => roberta(24, 1024, 16, 50_265),
            Shape::Ettin17m => ettin(7, 256, 4),
            Shape::Ettin68m => ettin(19, 512, 8),
        };
        Config::from_json(self.name(), config.to_string().as_bytes())
    }
}

fn roberta(layers: usize, hidden: usize, heads: usize, words: usize) -> serde_json::Value {
    json!({
        "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
        "vocab_size": words, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": 4 * hidden, "hidden_act": "gelu",
        "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
        "pad_token_id": 1, "id2label": { "0": "LABEL_0" },
    })
}

/// As the published encoders, but for the longest pair: those read 7,999 tokens, and this one 8,192, so
/// that the longest pair which any model may have can be measured.
fn ettin(layers: usize, hidden: usize, heads: usize) -> serde_json::Value {
    json!({
        "architectures": ["ModernBertForSequenceClassification"], "model_type": "modernbert",
        "vocab_size": 50_368, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": 3 * hidden / 2,
        "hidden_activation": "gelu", "max_position_embeddings": 8192, "norm_eps": 1e-5,
        "pad_token_id": 50_283, "local_attention": 128, "global_attn_every_n_layers": 3,
        "global_rope_theta": 160_000.0, "local_rope_theta": 10_000.0,
        "classifier_pooling": "cls", "classifier_activation": "gelu", "classifier_bias": false,
        "attention_bias": false, "mlp_bias": false, "norm_bias": false,
        "id2label": { "0": "LABEL_0" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_a_config_and_the_name_that_reports_call_it() {
        for shape in Shape::ALL {
            assert_eq!(serde_json::to_value(shape).unwrap(), shape.name());
            assert_eq!(Shape::of_name(shape.name()), Some(shape));
            shape.config().unwrap();
        }
    }
}
