use pollster::block_on;
use serde_json::json;

use super::*;
use crate::checkpoint::MemoryFiles;

fn config(labels: usize) -> Config {
    let json = json!({
        "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
        "vocab_size": 8, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 96, "max_position_embeddings": 32, "num_labels": labels,
    });
    Config::from_json("config.json", json.to_string().as_bytes()).unwrap()
}

/// What is read of these files beside an empty `config.json`.
fn read(files: &[(&str, Value)]) -> Result<CrossEncoder> {
    read_with(json!({}), files, 1)
}

fn read_with(own: Value, files: &[(&str, Value)], labels: usize) -> Result<CrossEncoder> {
    let folder = files.iter().fold(MemoryFiles::new("memory"), |folder, (name, value)| {
        folder.with(*name, value.to_string().into_bytes())
    });
    block_on(CrossEncoder::read(&folder, own.to_string().as_bytes(), &config(labels), false))
}

fn one_module() -> (&'static str, Value) {
    let kind = "sentence_transformers.base.modules.transformer.Transformer";
    (MODULES, json!([{"idx": 0, "name": "0", "path": "", "type": kind}]))
}

/// A folder of a `CrossEncoder` whose settings and transformer have these fields.
fn folder(settings: Value, transformer: Value) -> [(&'static str, Value); 3] {
    let mut all = json!({"model_type": "CrossEncoder"});
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    [one_module(), (SETTINGS, all), (TRANSFORMER, transformer)]
}

fn tokenizer() -> Tokenizer {
    let vocab = json!({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "<mask>": 7});
    let vocab = vocab.to_string();
    Tokenizer::from_vocab_and_merges(vocab.as_bytes(), b"#version: 0.2\n", &config(1)).unwrap()
}

#[test]
fn a_prompt_stands_before_the_first_text() {
    let prompts = json!({"prompts": {"p": "ba", "none": null}, "default_prompt_name": "p"});
    let read = read(&folder(prompts, json!({}))).unwrap();
    let with = tokenizer().for_cross_encoder(&read, &config(1)).unwrap();
    let plain = tokenizer();
    assert_eq!(with.encode_pair("a", "b").unwrap(), plain.encode_pair("baa", "b").unwrap());
    assert_eq!(with.max_tokens(), plain.max_tokens());
    for settings in [
        json!({"prompts": {"p": "ba"}, "default_prompt_name": null}),
        json!({"prompts": {"p": null}, "default_prompt_name": "p"}),
        json!({}),
    ] {
        assert_eq!(prompt(&settings).unwrap(), "");
    }
}

#[test]
fn a_length_is_that_of_the_transformer_or_of_its_tokenizer() {
    for (transformer, expected) in [
        (json!({"max_seq_length": 9}), 9),
        (json!({"max_seq_length": 9, "tokenizer_args": {"model_max_length": 7}}), 7),
        (json!({"processor_kwargs": {"model_max_length": 8}}), 8),
        // No longer than the model, and no limit at all.
        (json!({"max_seq_length": 512}), 30),
        (json!({"max_seq_length": null}), 30),
        (json!({"tokenizer_args": {"model_max_length": 1e30}}), 30),
    ] {
        let read = read(&folder(json!({}), transformer.clone())).unwrap();
        let tokenizer = tokenizer().for_cross_encoder(&read, &config(1)).unwrap();
        assert_eq!(tokenizer.max_tokens(), expected, "{transformer}");
        let long = "a".repeat(100);
        assert_eq!(tokenizer.encode_pair(&long, &long).unwrap().ids.len(), expected);
    }
    let short = read(&folder(json!({}), json!({"max_seq_length": 3}))).unwrap();
    let error = tokenizer().for_cross_encoder(&short, &config(1)).unwrap_err();
    assert_eq!(error.at_fault(), "sentence_bert_config.json: max_seq_length");
}

#[test]
fn other_folders_have_neither_prompt_nor_length() {
    let prompts = json!({"prompts": {"p": "ba"}, "default_prompt_name": "p"});
    let [_, settings, transformer] = folder(prompts, json!({"max_seq_length": 9}));
    let mut other = settings.clone();
    other.1["model_type"] = "SentenceTransformer".into();
    for files in [
        vec![],
        vec![settings.clone(), transformer.clone()],
        vec![one_module(), transformer.clone()],
        vec![one_module(), other, transformer],
    ] {
        let CrossEncoder { prompt, max_tokens, activation } = read(&files).unwrap();
        assert_eq!((prompt.as_str(), max_tokens, activation), ("", None, None));
    }
}

#[test]
fn the_function_of_the_logits_is_told() {
    let sigmoid = "torch.nn.modules.activation.Sigmoid";
    let identity = "torch.nn.modules.linear.Identity";
    let path = |path: &str| json!({"activation_fn": path});
    for (own, settings, labels, expected) in [
        (json!({}), path(identity), 1, "Identity"),
        (json!({}), path(sigmoid), 2, "Sigmoid"),
        // What would have to be executed is not, and the default is taken.
        (json!({}), path("my.module.Function"), 1, "Sigmoid"),
        (json!({}), path("my.module.Function"), 2, "Identity"),
        (json!({}), json!({"activation_fn": null}), 1, "Sigmoid"),
        (json!({"sentence_transformers": path(identity)}), json!({}), 1, "Identity"),
        (json!({"sbert_ce_default_activation_function": identity}), json!({}), 1, "Identity"),
        (json!({"sbert_ce_default_activation_function": identity}), path(sigmoid), 1, "Sigmoid"),
    ] {
        let read = read_with(own, &folder(settings, json!({})), labels).unwrap();
        let output = read.output(&config(labels));
        assert!(output.contains("raw logit"), "{output}");
        let told = format!("; sentence-transformers applies {expected} to it");
        assert!(output.ends_with(&told), "{output}: {expected}");
    }
    // Without the other files config.json alone tells it, or nothing does.
    let own = json!({"sbert_ce_default_activation_function": sigmoid});
    assert!(read_with(own, &[], 1).unwrap().output(&config(1)).ends_with("applies Sigmoid to it"));
    assert_eq!(read(&[]).unwrap().output(&config(1)), config(1).output());
}

#[test]
fn what_is_not_supported_is_named() {
    let default = |name: Value| json!({"prompts": {"p": "x", "q": 3}, "default_prompt_name": name});
    for (settings, transformer, at_fault) in [
        (default("r".into()), json!({}), "config_sentence_transformers.json: default_prompt_name"),
        (default("q".into()), json!({}), "config_sentence_transformers.json: default_prompt_name"),
        (default(3.into()), json!({}), "config_sentence_transformers.json: default_prompt_name"),
        (json!({}), json!({"max_seq_length": "9"}), "sentence_bert_config.json: max_seq_length"),
        (json!({}), json!({"max_seq_length": -1}), "sentence_bert_config.json: max_seq_length"),
        (json!({}), json!({"do_lower_case": true}), "sentence_bert_config.json: do_lower_case"),
        (
            json!({}),
            json!({"processing_kwargs": {"text": {"max_length": 3}}}),
            "sentence_bert_config.json: processing_kwargs",
        ),
        (
            json!({}),
            json!({"tokenizer_args": {"do_lower_case": true}}),
            "sentence_bert_config.json: tokenizer_args",
        ),
    ] {
        let error = read(&folder(settings, transformer)).unwrap_err();
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Config, at_fault));
    }
    let [_, settings, transformer] = folder(json!({}), json!({}));
    for modules in
        [json!([]), json!([{}, {}]), json!([one_module().1[0], one_module().1[0]]), json!({})]
    {
        let files = [(MODULES, modules), settings.clone(), transformer.clone()];
        assert_eq!(read(&files).unwrap_err().at_fault(), MODULES);
    }
    let broken = MemoryFiles::new("memory").with(MODULES, b"[".to_vec());
    let error = block_on(CrossEncoder::read(&broken, b"{}", &config(1), false)).unwrap_err();
    assert_eq!(error.at_fault(), MODULES);
}
