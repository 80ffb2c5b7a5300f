//! The names, shapes and settings of an adapter that is to be written.

use serde_json::{Value, json};

use super::adapter::{A, B, PREFIX};
use super::names::{is_head, layers, tensor_shapes};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// The matrices of a layer that can be adapted, as `target_modules` calls them.
pub fn adapted_matrices(config: &Config) -> &'static [&'static str] {
    match config.modernbert {
        Some(_) => &["attn.Wqkv", "attn.Wo", "mlp.Wi", "mlp.Wo"],
        None => &[
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
        ],
    }
}

/// The tensors of an adapter of rank `rank` on `matrices` (some of [`adapted_matrices`]) of every
/// layer, with the whole head: names and shapes, sorted by name as `peft` writes them. No matrices:
/// the head alone. DistilBERT's layers have none of these matrices.
///
/// A is `[rank, inputs]`, B is `[outputs, rank]`.
///
/// # Errors
/// [`ErrorKind::Input`] naming a matrix that no layer has.
pub fn adapter_shapes(
    config: &Config,
    rank: usize,
    matrices: &[&str],
) -> Result<Vec<(String, Vec<usize>)>> {
    let known = adapted_matrices(config);
    if let Some(unknown) = matrices.iter().find(|name| !known.contains(name)) {
        let message = format!("is no matrix of a layer; they are {}", known.join(", "));
        return Err(Error::new(ErrorKind::Input, *unknown, message));
    }
    let layers = layers(config.family);
    let mut tensors = Vec::new();
    for (name, shape) in tensor_shapes(config) {
        if is_head(&name, config.family) {
            tensors.push((format!("{PREFIX}{name}"), shape));
            continue;
        }
        let layer_part = name
            .strip_prefix(&layers)
            .and_then(|rest| rest.split_once('.')?.1.strip_suffix(".weight"));
        if layer_part.is_some_and(|part| matrices.contains(&part)) {
            let part = name.strip_suffix(".weight").unwrap_or(&name);
            tensors.push((format!("{PREFIX}{part}{A}"), vec![rank, shape[1]]));
            tensors.push((format!("{PREFIX}{part}{B}"), vec![shape[0], rank]));
        }
    }
    tensors.sort();
    Ok(tensors)
}

/// `adapter_config.json` for [`adapter_shapes`] with the same `config`, `rank` and `matrices`. What
/// B A adds is scaled by `alpha / rank`. `base` is the hub id or folder of the adapted model, which
/// `peft` loads where it is not given the model itself.
pub fn adapter_config(
    config: &Config,
    rank: usize,
    alpha: f32,
    matrices: &[&str],
    base: Option<&str>,
) -> Value {
    // BERT's pooler and ModernBERT's head stand outside of the classifier; `peft` would pass them over unless they
    // are named.
    let whole: &[&str] = match config.modernbert {
        _ if config.family.is_roberta() => &["classifier"],
        Some(_) => &["classifier", "head"],
        None => &["classifier", "pooler"],
    };
    json!({
        "peft_type": "LORA",
        "task_type": "SEQ_CLS",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "use_rslora": false,
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
        "inference_mode": true,
        "target_modules": matrices,
        "modules_to_save": whole,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::names::tests::small_config;

    #[test]
    fn modernbert_has_four_matrices_and_its_whole_head() {
        let json = br#"{"architectures": ["ModernBertForSequenceClassification"],
            "model_type": "modernbert", "vocab_size": 11, "hidden_size": 6, "num_hidden_layers": 2,
            "num_attention_heads": 1, "intermediate_size": 10, "max_position_embeddings": 9,
            "pad_token_id": 1, "num_labels": 1}"#;
        let config = Config::from_json("config.json", json).unwrap();
        let matrices = adapted_matrices(&config);
        let tensors = adapter_shapes(&config, 3, matrices).unwrap();
        assert_eq!(tensors.len(), 2 * 4 * 2 + 4);
        for (name, shape) in [
            ("model.layers.0.attn.Wqkv.lora_B.weight", vec![18, 3]),
            ("model.layers.1.attn.Wo.lora_A.weight", vec![3, 6]),
            ("model.layers.1.mlp.Wi.lora_B.weight", vec![20, 3]),
            ("model.layers.1.mlp.Wo.lora_A.weight", vec![3, 10]),
            ("head.dense.weight", vec![6, 6]),
            ("head.norm.weight", vec![6]),
            ("classifier.bias", vec![1]),
        ] {
            assert!(tensors.contains(&(format!("base_model.model.{name}"), shape)), "{name}");
        }
        let settings = adapter_config(&config, 3, 6.0, matrices, None);
        assert_eq!(settings["modules_to_save"], json!(["classifier", "head"]));
    }

    #[test]
    fn every_matrix_has_its_halves() {
        let all = adapted_matrices(&small_config());
        let tensors = adapter_shapes(&small_config(), 3, all).unwrap();
        assert_eq!(tensors.len(), 2 * 6 * 2 + 4);
        assert!(tensors.is_sorted());
        for (name, shape) in [
            ("roberta.encoder.layer.0.attention.self.query.lora_A.weight", [3, 6]),
            ("roberta.encoder.layer.1.intermediate.dense.lora_A.weight", [3, 6]),
            ("roberta.encoder.layer.1.intermediate.dense.lora_B.weight", [10, 3]),
            ("roberta.encoder.layer.1.output.dense.lora_A.weight", [3, 10]),
            ("roberta.encoder.layer.0.attention.output.dense.lora_B.weight", [6, 3]),
            ("classifier.out_proj.weight", [1, 6]),
        ] {
            let wanted = (format!("base_model.model.{name}"), shape.to_vec());
            assert!(tensors.contains(&wanted), "{name}");
        }
        let some = adapter_shapes(&small_config(), 3, &["output.dense"]).unwrap();
        assert_eq!(some.len(), 2 * 2 + 4);
        assert_eq!(adapter_shapes(&small_config(), 3, &[]).unwrap().len(), 4);
        let error = adapter_shapes(&small_config(), 3, &["query"]).unwrap_err();
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, "query"));
    }
}
