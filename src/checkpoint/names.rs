//! The names and shapes of a classifier's tensors.

use crate::config::{Config, Family, ModernBert, Module};

/// The name of the same tensor in a checkpoint of the bare encoder.
pub(super) fn bare(name: &str) -> Option<&str> {
    Family::ALL.iter().find_map(|family| name.strip_prefix(family.prefix()))
}

/// What a LayerNorm's tensor was called before PyTorch had a LayerNorm of its own: checkpoints that
/// were made of TensorFlow's still have it so.
pub(super) fn older(name: &str) -> Option<String> {
    let norm = |name: &str, old: &str| name.ends_with("LayerNorm").then(|| format!("{name}.{old}"));
    match name.rsplit_once('.')? {
        (name, "weight") => norm(name, "gamma"),
        (name, "bias") => norm(name, "beta"),
        _ => None,
    }
}

/// Every tensor that a model of this shape computes with, in the order of the forward pass, and its
/// shape: matrices are `[outputs, inputs]`, tables `[rows, hidden]`, the rest vectors.
pub fn tensor_shapes(config: &Config) -> Vec<(String, Vec<usize>)> {
    if let Some(modernbert) = &config.modernbert {
        return modernbert_shapes(config, modernbert);
    }
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mut tensors = Vec::new();
    for (table, rows) in [
        (Module::Words, config.vocab_size),
        (Module::Positions, config.max_position_embeddings),
        (Module::TokenTypes, config.type_vocab_size),
    ] {
        if rows > 0 {
            tensors.push((table.weight(config.family), vec![rows, hidden]));
        }
    }
    let mut add = |module: Module, shape: &[usize]| {
        let name = module.name(config.family);
        tensors.push((format!("{name}.weight"), shape.to_vec()));
        tensors.push((format!("{name}.bias"), shape[..1].to_vec()));
    };
    add(Module::EmbedNorm, &[hidden]);
    for index in 0..config.num_hidden_layers {
        for module in [Module::Query, Module::Key, Module::Value, Module::AttentionOut] {
            add(module(index), &[hidden, hidden]);
        }
        add(Module::AttentionNorm(index), &[hidden]);
        add(Module::Up(index), &[inner, hidden]);
        add(Module::Down(index), &[hidden, inner]);
        add(Module::FfnNorm(index), &[hidden]);
    }
    add(Module::Dense, &[hidden, hidden]);
    add(Module::Project, &[config.labels.len(), hidden]);
    tensors
}

/// The same of ModernBERT, whose first layer has no LayerNorm before attention.
fn modernbert_shapes(config: &Config, of: &ModernBert) -> Vec<(String, Vec<usize>)> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mut tensors = Vec::new();
    let mut add = |module: Module, shape: &[usize]| {
        let name = module.name(config.family);
        tensors.push((format!("{name}.weight"), shape.to_vec()));
        if of.has_bias(module) {
            tensors.push((format!("{name}.bias"), shape[..1].to_vec()));
        }
    };
    add(Module::Words, &[config.vocab_size, hidden]);
    add(Module::EmbedNorm, &[hidden]);
    for index in 0..config.num_hidden_layers {
        if index > 0 {
            add(Module::AttentionNorm(index), &[hidden]);
        }
        add(Module::Query(index), &[3 * hidden, hidden]);
        add(Module::AttentionOut(index), &[hidden, hidden]);
        add(Module::FfnNorm(index), &[hidden]);
        add(Module::Up(index), &[2 * inner, hidden]);
        add(Module::Down(index), &[hidden, inner]);
    }
    add(Module::FinalNorm, &[hidden]);
    add(Module::Dense, &[hidden, hidden]);
    add(Module::HeadNorm, &[hidden]);
    add(Module::Project, &[config.labels.len(), hidden]);
    tensors
}

/// Whether `name` is one of the tensors of the head, the part that an adapter replaces as a whole.
pub(super) fn is_head(name: &str, family: Family) -> bool {
    let module = name.strip_suffix(".weight").or_else(|| name.strip_suffix(".bias"));
    [Module::Dense, Module::HeadNorm, Module::Project]
        .iter()
        .any(|head| module == Some(&head.name(family)))
}

/// What the names of a layer's tensors begin with, before its number.
pub(super) fn layers(family: Family) -> String {
    let layers = if family.is_modernbert() { "layers." } else { "encoder.layer." };
    format!("{}{layers}", family.prefix())
}

/// Up to three of `names` that are like `wanted`, the likeliest first.
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
    use crate::config::Activation;

    /// Small enough to read in a test, with no two sizes alike.
    pub(crate) fn small_config() -> Config {
        Config {
            family: Family::Roberta,
            vocab_size: 11,
            hidden_size: 6,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            intermediate_size: 10,
            hidden_act: Activation::Gelu,
            max_position_embeddings: 9,
            type_vocab_size: 1,
            layer_norm_eps: 1e-5,
            pad_token_id: 1,
            labels: vec!["LABEL_0".into()],
            modernbert: None,
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
    fn each_family_has_its_names() {
        for (family, types, tensors, names) in [
            (
                Family::XlmRoberta,
                1,
                5 + 2 * 16 + 4,
                &["roberta.embeddings.LayerNorm.bias", "classifier.out_proj.weight"][..],
            ),
            (
                Family::Bert,
                2,
                5 + 2 * 16 + 4,
                &[
                    "bert.embeddings.token_type_embeddings.weight",
                    "bert.encoder.layer.1.attention.output.LayerNorm.bias",
                    "bert.pooler.dense.weight",
                    "classifier.bias",
                ],
            ),
            (
                Family::DistilBert,
                0,
                4 + 2 * 16 + 4,
                &[
                    "distilbert.embeddings.position_embeddings.weight",
                    "distilbert.transformer.layer.0.attention.q_lin.weight",
                    "distilbert.transformer.layer.0.attention.out_lin.bias",
                    "distilbert.transformer.layer.1.sa_layer_norm.weight",
                    "distilbert.transformer.layer.1.ffn.lin2.bias",
                    "distilbert.transformer.layer.1.output_layer_norm.bias",
                    "pre_classifier.bias",
                    "classifier.weight",
                ],
            ),
        ] {
            let config = Config { family, type_vocab_size: types, ..small_config() };
            let all = tensor_shapes(&config);
            assert_eq!(all.len(), tensors, "{family:?}");
            for wanted in names {
                assert!(all.iter().any(|(name, _)| name == wanted), "{family:?}: {wanted}");
            }
        }
        assert_eq!(bare("bert.pooler.dense.bias"), Some("pooler.dense.bias"));
        assert_eq!(bare("distilbert.embeddings"), Some("embeddings"));
        assert_eq!(bare("classifier.bias"), None);
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
