//! The names and shapes of a RoBERTa classifier's tensors.

use crate::config::Config;

/// What stands before the encoder's names in a checkpoint of the whole classifier, and is left out
/// in one of the bare encoder.
pub(super) const PREFIX: &str = "roberta.";

/// Every tensor that a model of this shape computes with, in the order of the forward pass, and its
/// shape: matrices are `[outputs, inputs]`, tables `[rows, hidden]`, the rest vectors.
pub fn tensor_shapes(config: &Config) -> Vec<(String, Vec<usize>)> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mut tensors = Vec::new();
    let mut add = |name: String, shape: &[usize]| tensors.push((name, shape.to_vec()));

    for (table, rows) in [
        ("word", config.vocab_size),
        ("position", config.max_position_embeddings),
        ("token_type", config.type_vocab_size),
    ] {
        add(format!("roberta.embeddings.{table}_embeddings.weight"), &[rows, hidden]);
    }
    add("roberta.embeddings.LayerNorm.weight".into(), &[hidden]);
    add("roberta.embeddings.LayerNorm.bias".into(), &[hidden]);
    for layer in 0..config.num_hidden_layers {
        for (part, shape) in [
            ("attention.self.query", &[hidden, hidden] as &[usize]),
            ("attention.self.key", &[hidden, hidden]),
            ("attention.self.value", &[hidden, hidden]),
            ("attention.output.dense", &[hidden, hidden]),
            ("attention.output.LayerNorm", &[hidden]),
            ("intermediate.dense", &[inner, hidden]),
            ("output.dense", &[hidden, inner]),
            ("output.LayerNorm", &[hidden]),
        ] {
            add(format!("roberta.encoder.layer.{layer}.{part}.weight"), shape);
            add(format!("roberta.encoder.layer.{layer}.{part}.bias"), &shape[..1]);
        }
    }
    for (part, outputs) in [("dense", hidden), ("out_proj", config.labels.len())] {
        add(format!("classifier.{part}.weight"), &[outputs, hidden]);
        add(format!("classifier.{part}.bias"), &[outputs]);
    }
    tensors
}

/// Up to three of `names` that somebody who asked for `wanted` may have meant, best first.
pub(super) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // Names come from a file: neither many nor long ones may cost more than a moment.
    const MOST_NAMES: usize = 10_000;
    const LONGEST: usize = 200;
    let mut scored: Vec<_> = names
        .take(MOST_NAMES)
        .filter(|name| name.len() <= LONGEST)
        .map(|name| (strsim::normalized_levenshtein(wanted, name), name))
        .filter(|(likeness, _)| *likeness > 0.6)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Small enough to read in a test, with no two sizes alike.
    pub(crate) fn small_config() -> Config {
        Config {
            vocab_size: 11,
            hidden_size: 6,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            intermediate_size: 10,
            max_position_embeddings: 9,
            type_vocab_size: 1,
            layer_norm_eps: 1e-5,
            pad_token_id: 1,
            labels: vec!["LABEL_0".into()],
        }
    }

    #[test]
    fn shapes_of_a_small_model() {
        let tensors = tensor_shapes(&small_config());
        assert_eq!(tensors.len(), 5 + 2 * 16 + 4);
        let shape = |wanted: &str| {
            let (_, shape) = tensors.iter().find(|(name, _)| name == wanted).expect(wanted);
            shape.clone()
        };
        for (name, expected) in [
            ("roberta.embeddings.word_embeddings.weight", vec![11, 6]),
            ("roberta.embeddings.position_embeddings.weight", vec![9, 6]),
            ("roberta.embeddings.token_type_embeddings.weight", vec![1, 6]),
            ("roberta.embeddings.LayerNorm.bias", vec![6]),
            ("roberta.encoder.layer.1.attention.self.query.bias", vec![6]),
            ("roberta.encoder.layer.1.attention.output.LayerNorm.weight", vec![6]),
            ("roberta.encoder.layer.0.intermediate.dense.weight", vec![10, 6]),
            ("roberta.encoder.layer.0.intermediate.dense.bias", vec![10]),
            ("roberta.encoder.layer.0.output.dense.weight", vec![6, 10]),
            ("classifier.dense.weight", vec![6, 6]),
            ("classifier.out_proj.weight", vec![1, 6]),
            ("classifier.out_proj.bias", vec![1]),
        ] {
            assert_eq!(shape(name), expected, "{name}");
        }
    }

    #[test]
    fn near_names_are_few_and_best_first() {
        let long = "x".repeat(1 << 20);
        let names = ["classifier.dense.bias", "classifier.dense.weights", "lm_head.bias", &long];
        assert_eq!(
            near("classifier.dense.weight", names.into_iter()),
            ["classifier.dense.weights", "classifier.dense.bias"]
        );
    }
}
