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

#[test]
fn what_the_output_means_is_said() {
    assert!(parse(&valid()).unwrap().output().contains("as Cappy"));
    let mut config = valid();
    config["id2label"] = serde_json::json!({"0": "no", "1": "yes"});
    assert!(parse(&config).unwrap().output().starts_with("a raw logit for each label"));
}

#[cfg(not(feature = "families"))]
#[test]
fn other_families_name_the_feature() {
    let mut config = valid();
    config["architectures"] = serde_json::json!(["BertForSequenceClassification"]);
    let error = parse(&config).unwrap_err();
    assert_eq!(error.at_fault(), "config.json: architectures");
    assert!(error.to_string().contains("need a build with the feature \"families\""), "{error}");
}

#[cfg(feature = "families")]
mod families {
    use super::*;

    fn other(architecture: &str, model_type: &str) -> Value {
        let mut config = valid();
        config["architectures"] = serde_json::json!([architecture]);
        config["model_type"] = model_type.into();
        config
    }

    fn distilbert() -> Value {
        serde_json::json!({
            "architectures": ["DistilBertForSequenceClassification"], "model_type": "distilbert",
            "vocab_size": 100, "dim": 48, "n_layers": 2, "n_heads": 2, "hidden_dim": 96,
            "activation": "gelu", "max_position_embeddings": 40, "sinusoidal_pos_embds": false,
        })
    }

    #[test]
    fn each_family_has_its_own_rules() {
        let mut config = other("XLMRobertaForSequenceClassification", "xlm-roberta");
        let xlm_roberta = parse(&config).unwrap();
        assert_eq!((xlm_roberta.family, xlm_roberta.max_tokens()), (Family::XlmRoberta, 38));
        config["max_position_embeddings"] = 8194.into();
        assert_eq!(parse(&config).unwrap().max_tokens(), 1024);
        assert!(parse(&config).unwrap().output().contains("sigmoid"));

        let mut config = other("BertForSequenceClassification", "bert");
        config["layer_norm_eps"] = 1e-12.into();
        config.as_object_mut().unwrap().remove("pad_token_id");
        let bert = parse(&config).unwrap();
        assert_eq!((bert.max_tokens(), bert.pad_token_id, bert.layer_norm_eps), (40, 0, 1e-12));

        let distilbert = parse(&distilbert()).unwrap();
        assert_eq!((distilbert.hidden_size, distilbert.intermediate_size), (48, 96));
        assert_eq!((distilbert.type_vocab_size, distilbert.layer_norm_eps), (0, 1e-12));
        assert_eq!(distilbert.labels, ["LABEL_0", "LABEL_1"]);
    }

    #[test]
    fn distilberts_fields_are_named_as_it_names_them() {
        for field in ["dim", "n_layers", "n_heads", "hidden_dim", "activation", "vocab_size"] {
            let mut config = distilbert();
            config.as_object_mut().unwrap().remove(field);
            let error = parse(&config).unwrap_err();
            assert_eq!(error.at_fault(), format!("config.json: {field}"));
        }
    }

    #[test]
    fn an_architecture_of_another_type_is_refused() {
        let error = parse(&other("BertForSequenceClassification", "roberta")).unwrap_err();
        assert_eq!(error.at_fault(), "config.json: model_type");
        let error = parse(&other("BertForMaskedLM", "bert")).unwrap_err();
        assert!(error.to_string().contains("DistilBertForSequenceClassification"), "{error}");
    }
}
