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
        "model_type",
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
    ] {
        let mut config = valid();
        config.as_object_mut().unwrap().remove(field);
        let error = parse(&config).unwrap_err();
        assert_eq!(error.at_fault(), format!("config.json: {field}"));
    }
}

#[test]
fn what_transformers_has_a_default_for_gets_it() {
    let mut config = valid();
    for field in
        ["architectures", "hidden_act", "type_vocab_size", "layer_norm_eps", "pad_token_id"]
    {
        config.as_object_mut().unwrap().remove(field);
    }
    let expected = Config {
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        pad_token_id: 1,
        ..parse(&valid()).unwrap()
    };
    assert_eq!(parse(&config).unwrap(), expected);
    for none in [serde_json::json!([]), Value::Null] {
        config["architectures"] = none;
        assert_eq!(parse(&config).unwrap(), expected);
    }
    config["model_type"] = "t5".into();
    let error = parse(&config).unwrap_err();
    assert_eq!(error.at_fault(), "config.json: architectures");
}

#[test]
fn each_activation_is_read_by_all_its_names() {
    for (name, expected) in [
        ("gelu", Activation::Gelu),
        ("gelu_python", Activation::Gelu),
        ("gelu_new", Activation::GeluTanh),
        ("gelu_fast", Activation::GeluTanh),
        ("gelu_pytorch_tanh", Activation::GeluTanh),
        ("relu", Activation::Relu),
    ] {
        let mut config = valid();
        config["hidden_act"] = name.into();
        assert_eq!(parse(&config).unwrap().hidden_act, expected, "{name}");
    }
    for name in ["gelu_10", "quick_gelu", "silu", "tanh", "GELU", ""] {
        let mut config = valid();
        config["hidden_act"] = name.into();
        assert_eq!(parse(&config).unwrap_err().at_fault(), "config.json: hidden_act", "{name}");
    }
}

#[test]
fn other_fields_may_hold_anything_and_stand_twice() {
    let text = valid().to_string();
    let with = |more: &str| format!("{}, {more}}}", text.strip_suffix('}').unwrap());
    let parse = |json: String| Config::from_json("config.json", json.as_bytes());
    for more in [
        r#""activation": "tanh", "dim": [1], "hidden_dim": 768, "n_heads": null, "n_layers": {}"#,
        r#""dim": 1, "dim": 2, "own": 1, "own": 2"#,
        r#""own": NaN, "of": {"a": [-Infinity, Infinity, NaN]}, "last": NaN"#,
        r#""text": "a \"NaN\" \\", "x": NaN, "NaN": "Infinity \\\"", "y": 1e999"#,
    ] {
        assert_eq!(parse(with(more)).unwrap(), parse(text.clone()).unwrap(), "{more}");
    }
    for (more, at_fault) in [
        (r#""hidden_size": 48"#, "config.json: hidden_size"),
        (r#""hidden_act": "gelu""#, "config.json: hidden_act"),
        (r#""num_labels": NaN"#, "config.json: num_labels"),
        (r#""own": nan"#, "config.json"),
        (r#""own": NaNs"#, "config.json"),
        (r#""own": - Infinity"#, "config.json"),
    ] {
        assert_eq!(parse(with(more)).unwrap_err().at_fault(), at_fault, "{more}");
    }
    let nan = text.replace("1e-5", "NaN").replace("0.00001", "NaN");
    assert!(nan.contains("NaN"), "{nan}");
    assert_eq!(parse(nan).unwrap_err().at_fault(), "config.json: layer_norm_eps");
}

#[test]
fn labels_are_texts_or_numbers_and_as_many_as_num_labels() {
    for (labels, count, expected) in [
        (serde_json::json!({"0": 7, "1": 0.5}), Value::Null, &["7", "0.5"][..]),
        (serde_json::json!({"1": "b", "0": "a"}), 2.into(), &["a", "b"]),
        (serde_json::json!({"0": "a", "1": "b"}), 1.into(), &["LABEL_0"]),
        (Value::Null, 3.into(), &["LABEL_0", "LABEL_1", "LABEL_2"]),
    ] {
        let mut config = valid();
        config["id2label"] = labels;
        config["num_labels"] = count;
        assert_eq!(parse(&config).unwrap().labels, expected);
    }
}

#[test]
fn each_unsupported_value_is_named() {
    for (field, value) in [
        ("architectures", serde_json::json!(["RobertaForMaskedLM"])),
        ("model_type", "bert".into()),
        ("hidden_act", "silu".into()),
        ("hidden_act", 3.into()),
        ("architectures", "RobertaForMaskedLM".into()),
        ("architectures", serde_json::json!([3])),
        ("position_embedding_type", "relative_key".into()),
        ("num_attention_heads", 5.into()),
        ("hidden_size", 0.into()),
        ("layer_norm_eps", (-1.0).into()),
        ("pad_token_id", 100.into()),
        ("max_position_embeddings", 5.into()),
        ("is_decoder", true.into()),
        ("quantization_config", serde_json::json!({"bits": 4})),
        ("id2label", serde_json::json!({"1": "LABEL_1"})),
        ("id2label", serde_json::json!({"0": [1]})),
        ("id2label", serde_json::json!(["a"])),
        ("hidden_size", "48".into()),
        ("hidden_size", 48.5.into()),
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
    config["model_type"] = "bert".into();
    // The npm package takes another module where this field is at fault.
    for architectures in [serde_json::json!(["BertForSequenceClassification"]), Value::Null] {
        config["architectures"] = architectures;
        let error = parse(&config).unwrap_err();
        assert_eq!(error.at_fault(), "config.json: architectures");
        let what = "need a build with the feature \"families\"";
        assert!(error.to_string().contains(what), "{error}");
    }
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
        assert_eq!(parse(&config).unwrap().max_tokens(), 8192);
        let output = parse(&config).unwrap().output();
        assert!(output.contains("sigmoid") && output.contains("as cappy-small did"), "{output}");

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
        for field in ["dim", "n_layers", "n_heads", "hidden_dim", "vocab_size"] {
            let mut config = distilbert();
            config.as_object_mut().unwrap().remove(field);
            let error = parse(&config).unwrap_err();
            assert_eq!(error.at_fault(), format!("config.json: {field}"));
        }
    }

    #[test]
    fn distilbert_has_a_field_by_two_names_only_where_its_class_has() {
        let expected = parse(&distilbert()).unwrap();
        let mut config = distilbert();
        config["hidden_act"] = "tanh".into();
        config["intermediate_size"] = "none".into();
        config["layer_norm_eps"] = 0.5.into();
        assert_eq!(parse(&config).unwrap(), expected);
        // The class prefers the usual name.
        for (name, value) in
            [("hidden_size", 64), ("num_hidden_layers", 3), ("num_attention_heads", 4)]
        {
            config[name] = value.into();
        }
        let read = parse(&config).unwrap();
        let [hidden, layers, heads] =
            [read.hidden_size, read.num_hidden_layers, read.num_attention_heads];
        assert_eq!((hidden, layers, heads), (64, 3, 4));
        config["activation"] = "relu".into();
        assert_eq!(parse(&config).unwrap().hidden_act, Activation::Relu);
        config.as_object_mut().unwrap().remove("hidden_dim");
        assert_eq!(parse(&config).unwrap_err().at_fault(), "config.json: hidden_dim");
    }

    #[test]
    fn the_type_alone_names_each_family() {
        for family in Family::ALL {
            let mut config = match family.is_distilbert() {
                true => distilbert(),
                false => other("", family.model_type()),
            };
            config.as_object_mut().unwrap().remove("architectures");
            config.as_object_mut().unwrap().remove("pad_token_id");
            config["vocab_size"] = 60_000.into();
            let config = parse(&config).unwrap();
            assert_eq!(config.family, *family);
            let padding = match family {
                Family::ModernBert => 50_283,
                _ => u32::from(family.is_roberta()),
            };
            assert_eq!(config.pad_token_id, padding);
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

#[cfg(feature = "families")]
mod modernbert {
    use super::*;

    fn valid() -> Value {
        serde_json::json!({
            "architectures": ["ModernBertForSequenceClassification"], "model_type": "modernbert",
            "vocab_size": 100, "hidden_size": 48, "num_hidden_layers": 4,
            "num_attention_heads": 2, "intermediate_size": 80, "max_position_embeddings": 8192,
            "pad_token_id": 3, "id2label": { "0": "LABEL_0" },
        })
    }

    #[test]
    fn what_its_file_leaves_out_is_as_in_transformers() {
        let config = parse(&valid()).unwrap();
        assert_eq!((config.max_tokens(), config.layer_norm_eps), (8192, 1e-5));
        let of = config.modernbert.unwrap();
        let global = Reach { window: None, theta: 160_000.0 };
        let local = Reach { window: Some(64), theta: 10_000.0 };
        assert_eq!(of.layers, [global, local, local, global]);
        assert_eq!((of.pooling, of.head_act), (Pooling::Cls, Activation::Gelu));
        let biases = [of.attention_bias, of.mlp_bias, of.norm_bias, of.head_bias];
        assert_eq!(biases, [false; 4]);
    }

    #[test]
    fn its_own_fields_are_read_in_their_older_and_newer_forms() {
        let mut older = valid();
        older["global_attn_every_n_layers"] = 2.into();
        older["global_rope_theta"] = 20_000.0.into();
        older["local_rope_theta"] = 500.into();
        older["local_attention"] = 7.into();
        let mut newer = valid();
        let types = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"];
        newer["layer_types"] = serde_json::json!(types);
        newer["local_attention"] = 7.into();
        newer["rope_parameters"] = serde_json::json!({
            "full_attention": { "rope_type": "default", "rope_theta": 20000.0 },
            "sliding_attention": { "rope_type": "default", "rope_theta": 500.0 },
        });
        let [older, newer] = [older, newer].map(|config| parse(&config).unwrap());
        assert_eq!(older, newer);
        let global = Reach { window: None, theta: 20_000.0 };
        let local = Reach { window: Some(3), theta: 500.0 };
        assert_eq!(older.modernbert.unwrap().layers, [global, local, global, local]);
    }

    #[test]
    fn what_it_cannot_be_computed_with_is_named() {
        for (field, value) in [
            ("classifier_pooling", "max".into()),
            ("classifier_activation", "silu".into()),
            ("hidden_activation", "silu".into()),
            ("attention_bias", 1.into()),
            ("layer_types", serde_json::json!(["full_attention"])),
            ("layer_types", serde_json::json!(["chunked_attention", "", "", ""])),
            ("rope_scaling", serde_json::json!({ "rope_type": "yarn" })),
            ("rope_parameters", serde_json::json!({ "full_attention": { "rope_type": "yarn" } })),
            ("local_rope_theta", (-1).into()),
            ("norm_eps", 2.into()),
            ("num_attention_heads", 16.into()),
        ] {
            let mut config = valid();
            config[field] = value;
            let error = parse(&config).unwrap_err();
            assert_eq!(error.at_fault(), format!("config.json: {field}"), "{error}");
        }
    }
}
