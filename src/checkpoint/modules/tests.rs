use pollster::block_on;
use serde_json::json;

use super::*;
use crate::checkpoint::source::read_all;
use crate::checkpoint::testing::read as numbers;
use crate::checkpoint::{Dtype, MemoryFiles, RandomProfile, Writer, small_files, tensor_shapes};
use crate::config::Config;

const WIDTH: usize = 6;

/// The settings of Ettin's rerankers, at this width.
fn ettin() -> Vec<(String, Value)> {
    let kind = |name: &str| format!("sentence_transformers.base.modules.{name}");
    let module = |index: usize, path: &str, kind: String| json!({"idx": index, "name": index.to_string(), "path": path, "type": kind});
    let act = "torch.nn.modules.activation.GELU";
    let files = [
        (
            "config.json",
            json!({
                "architectures": ["ModernBertModel"], "model_type": "modernbert", "vocab_size": 11,
                "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 1, "pad_token_id": 0,
                "intermediate_size": 10, "max_position_embeddings": 9, "position_embedding_type": "sans_pos",
            }),
        ),
        (
            "modules.json",
            json!([
                module(0, "", kind("transformer.Transformer")),
                module(1, "1_Pooling", "sentence_transformers.models.Pooling".into()),
                module(2, "2_Dense", kind("dense.Dense")),
                module(3, "3_LayerNorm", kind("layer_norm.LayerNorm")),
                module(4, "4_Dense", kind("dense.Dense")),
            ]),
        ),
        ("config_sentence_transformers.json", json!({"model_type": "CrossEncoder"})),
        (
            "sentence_bert_config.json",
            json!({
                "transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
                "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
            }),
        ),
        (
            "1_Pooling/config.json",
            json!({"embedding_dimension": WIDTH, "pooling_mode": "cls", "include_prompt": true}),
        ),
        (
            "2_Dense/config.json",
            json!({
                "in_features": WIDTH, "out_features": WIDTH, "bias": false, "activation_function": act,
                "module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding",
            }),
        ),
        ("3_LayerNorm/config.json", json!({"dimension": WIDTH})),
        (
            "4_Dense/config.json",
            json!({
                "in_features": WIDTH, "out_features": 1, "bias": true,
                "activation_function": "torch.nn.modules.linear.Identity",
                "module_input_name": "sentence_embedding", "module_output_name": "scores",
            }),
        ),
    ];
    files.map(|(name, value)| (name.to_owned(), value)).into()
}

fn folder(files: &[(String, Value)]) -> MemoryFiles {
    files.iter().fold(MemoryFiles::new("memory"), |folder, (name, value)| {
        folder.with(name.as_str(), value.to_string().into_bytes())
    })
}

/// The settings with one field changed; `null` takes it out.
fn changed(file: &str, field: &str, value: Value) -> Vec<(String, Value)> {
    let mut files = ettin();
    let (_, fields) = files.iter_mut().find(|(name, _)| name == file).unwrap();
    fields[field] = value;
    files
}

fn chain(files: &[(String, Value)]) -> Result<Option<Chain>> {
    block_on(Chain::read(&folder(files)))
}

fn config(files: &[(String, Value)]) -> Result<Config> {
    let head = chain(files)?.unwrap().head;
    Config::with_head("config.json", files[0].1.to_string().as_bytes(), &head)
}

#[test]
fn a_chain_is_the_head_of_the_class() {
    let config = config(&ettin()).unwrap();
    let of = config.modernbert.as_ref().unwrap();
    assert_eq!((of.pooling, of.head_act, of.head_bias), (Pooling::Cls, Activation::Gelu, false));
    assert_eq!((of.norm_bias, of.head_norm_bias, of.project_bias), (false, true, true));
    assert_eq!(config.labels, ["LABEL_0"]);
    let names: Vec<String> = tensor_shapes(&config).into_iter().map(|(name, _)| name).collect();
    let head = [
        "head.dense.weight",
        "head.norm.weight",
        "head.norm.bias",
        "classifier.weight",
        "classifier.bias",
    ];
    assert!(names.ends_with(&head.map(String::from)), "{names:?}");
}

#[test]
fn other_settings_of_the_modules_are_read() {
    let of = |file: &str, field: &str, value: Value| {
        config(&changed(file, field, value)).unwrap().modernbert.unwrap()
    };
    assert!(of("2_Dense/config.json", "bias", true.into()).head_bias);
    assert!(of("2_Dense/config.json", "bias", Value::Null).head_bias);
    assert!(!of("4_Dense/config.json", "bias", false.into()).project_bias);
    let relu = "torch.nn.modules.activation.ReLU";
    let act = of("2_Dense/config.json", "activation_function", relu.into()).head_act;
    assert_eq!(act, Activation::Relu);
    assert_eq!(of("1_Pooling/config.json", "pooling_mode", "mean".into()).pooling, Pooling::Mean);
    assert_eq!(of("1_Pooling/config.json", "pooling_mode", json!(["mean"])).pooling, Pooling::Mean);
    // As versions before 5 write it.
    let mut older = ettin();
    older[4].1 = json!({
        "word_embedding_dimension": WIDTH, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true,
    });
    assert_eq!(config(&older).unwrap().modernbert.unwrap().pooling, Pooling::Mean);
    let several = config(&changed("4_Dense/config.json", "out_features", 3.into())).unwrap();
    assert_eq!(several.labels, ["LABEL_0", "LABEL_1", "LABEL_2"]);
    // Dropout does nothing in use.
    let mut dropout = ettin();
    let kind = "sentence_transformers.models.Dropout";
    dropout[1].1.as_array_mut().unwrap().insert(4, json!({"path": "4_Dropout", "type": kind}));
    assert!(config(&dropout).is_ok());
}

#[test]
fn what_is_not_supported_is_named() {
    let dense = "2_Dense/config.json";
    for (file, field, value) in [
        ("config_sentence_transformers.json", "model_type", "SentenceTransformer".into()),
        ("sentence_bert_config.json", "transformer_task", "sequence-classification".into()),
        ("sentence_bert_config.json", "module_output_name", "scores".into()),
        (
            "sentence_bert_config.json",
            "modality_config",
            json!({"text": {"method_output_name": "logits"}}),
        ),
        ("1_Pooling/config.json", "pooling_mode", "max".into()),
        ("1_Pooling/config.json", "pooling_mode", json!(["cls", "mean"])),
        ("1_Pooling/config.json", "include_prompt", false.into()),
        ("1_Pooling/config.json", "embedding_dimension", Value::Null),
        (dense, "in_features", 7.into()),
        (dense, "out_features", 7.into()),
        (dense, "activation_function", "torch.nn.modules.activation.SiLU".into()),
        (dense, "activation_function", "torch.nn.modules.linear.Identity".into()),
        (dense, "activation_function", Value::Null),
        (dense, "module_input_name", "token_embeddings".into()),
        (dense, "module_output_name", "scores".into()),
        (dense, "use_residual", true.into()),
        (dense, "bias", "yes".into()),
        ("3_LayerNorm/config.json", "dimension", 7.into()),
        (
            "4_Dense/config.json",
            "activation_function",
            "torch.nn.modules.activation.Sigmoid".into(),
        ),
        ("4_Dense/config.json", "module_output_name", Value::Null),
        ("4_Dense/config.json", "out_features", 0.into()),
        ("config.json", "hidden_size", 12.into()),
        ("config.json", "norm_eps", 1e-6.into()),
    ] {
        let error = config(&changed(file, field, value.clone())).unwrap_err();
        let at_fault = format!("{file}: {field}");
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Config, &at_fault[..]), "{value}");
    }
}

#[test]
fn other_chains_are_refused_by_the_names_of_their_modules() {
    let kinds = |kinds: &[(&str, &str)]| {
        let mut files = ettin();
        let modules = kinds.iter().map(|(path, kind)| json!({"path": path, "type": kind}));
        files[1].1 = modules.collect();
        chain(&files).unwrap_err()
    };
    let own = ["Transformer", "Pooling", "Dense", "LayerNorm", "Dense"]
        .map(|name| format!("sentence_transformers.models.{name}"));
    let [transformer, pooling, dense, norm, _] = own.each_ref().map(|name| &name[..]);
    for (listed, told) in [
        (
            &[("", transformer), ("1", pooling), ("2", dense)][..],
            "is the chain Transformer, Pooling, Dense;",
        ),
        (
            &[("", transformer), ("1", "sentence_transformers.models.Normalize")],
            "has the module Normalize,",
        ),
        (&[("", transformer), ("1", "mine.Pooling")], "has the module mine.Pooling,"),
        (&[("", transformer), ("../x", pooling)], "\"../x\""),
        (&[("", transformer), ("/x", pooling)], "\"/x\""),
        (
            &[
                ("0_Transformer", transformer),
                ("1", pooling),
                ("2", dense),
                ("3", norm),
                ("4", dense),
            ],
            "\"0_Transformer\"",
        ),
        (&[], "is the chain ;"),
    ] {
        let error = kinds(listed);
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Config, MODULES));
        assert!(error.to_string().contains(told), "{error}: {told}");
    }
    // The list is missing, or a module's settings are.
    let without = |name: &str| {
        let files: Vec<_> = ettin().into_iter().filter(|(file, _)| file != name).collect();
        chain(&files)
    };
    assert!(without(MODULES).unwrap().is_none());
    for name in ["1_Pooling/config.json", "3_LayerNorm/config.json"] {
        let error = without(name).unwrap_err();
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::NotFound, name));
    }
}

/// The weights by the names of the class, and the same in the files of a chain.
fn weights() -> (Config, Checkpoint, MemoryFiles) {
    let config = config(&ettin()).unwrap();
    let random = Checkpoint::random(&config, 3, RandomProfile::Plain);
    let mut files = folder(&ettin());
    let of = |prefix: &str, theirs: &str, at: &str, files: MemoryFiles| {
        let shapes = tensor_shapes(&config).into_iter();
        let chosen: Vec<_> = shapes.filter(|(name, _)| name.starts_with(prefix)).collect();
        let renamed: Vec<_> =
            chosen.iter().map(|(n, s)| (n.replacen(prefix, theirs, 1), s.clone())).collect();
        let mut writer = Writer::new(Vec::new(), "f", &renamed, Dtype::F32).unwrap();
        for (name, shape) in &chosen {
            writer.write(&numbers(&random, name, shape).unwrap()).unwrap();
        }
        files.with(at, writer.finish().unwrap())
    };
    for (prefix, theirs, at) in [
        ("model.", "", "model.safetensors"),
        ("head.dense.", "linear.", "2_Dense/model.safetensors"),
        ("head.norm.", "norm.", "3_LayerNorm/model.safetensors"),
        ("classifier.", "linear.", "4_Dense/model.safetensors"),
    ] {
        files = of(prefix, theirs, at, files);
    }
    (config, random, files)
}

fn complete(files: &dyn Files) -> Result<Checkpoint> {
    let chain = block_on(Chain::read(files))?.unwrap();
    let mut checkpoint = block_on(Checkpoint::open(files))?;
    block_on(chain.complete(&mut checkpoint, files))?;
    Ok(checkpoint)
}

#[test]
fn the_modules_weights_have_the_names_of_the_class() {
    let (config, random, files) = weights();
    let checkpoint = complete(&files).unwrap();
    let mut bytes = 0;
    for name in ["", "2_Dense/", "3_LayerNorm/", "4_Dense/"] {
        bytes += block_on(files.open(&format!("{name}model.safetensors"))).unwrap().unwrap().size();
    }
    assert_eq!(checkpoint.file_bytes(), bytes);
    for (name, shape) in tensor_shapes(&config) {
        let read = |from| numbers(from, &name, &shape).unwrap();
        assert_eq!(read(&checkpoint), read(&random), "{name}");
    }
    // The head of a language model, which bare encoders come from, has these names, too.
    let mut writer =
        Writer::new(Vec::new(), "f", &[("head.dense.weight".to_owned(), vec![1])], Dtype::F32)
            .unwrap();
    writer.write(&[7.0]).unwrap();
    let other = files.clone().with("model.safetensors", writer.finish().unwrap());
    let shape = [WIDTH, WIDTH];
    let head = |from| numbers(from, "head.dense.weight", &shape).unwrap();
    assert_eq!(head(&complete(&other).unwrap()), head(&random));
}

#[test]
fn a_chain_in_one_file_needs_no_weights_of_modules() {
    let (config, random, files) = weights();
    let mut writer = Writer::new(Vec::new(), "f", &tensor_shapes(&config), Dtype::F32).unwrap();
    for (name, shape) in tensor_shapes(&config) {
        writer.write(&numbers(&random, &name, &shape).unwrap()).unwrap();
    }
    let small = block_on(small_files(&files)).unwrap();
    let kept: Vec<&str> = small.iter().map(|(name, _)| &name[..]).collect();
    assert!(
        kept.contains(&"1_Pooling/config.json") && kept.contains(&"4_Dense/config.json"),
        "{kept:?}"
    );
    let one =
        small.into_iter().fold(MemoryFiles::new("one"), |one, (name, bytes)| one.with(name, bytes));
    let checkpoint = complete(&one.with("model.safetensors", writer.finish().unwrap())).unwrap();
    let shape = [1, WIDTH];
    let projection = |from| numbers(from, "classifier.weight", &shape).unwrap();
    assert_eq!(projection(&checkpoint), projection(&random));
}

#[test]
fn weights_that_a_module_lacks_are_named() {
    let (_, _, files) = weights();
    let norm =
        block_on(read_all(&files, "3_LayerNorm/model.safetensors", 1 << 20)).unwrap().unwrap();
    let error = complete(&files.clone().with("4_Dense/model.safetensors", norm)).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Checkpoint, "4_Dense: linear.weight"));
    assert!(error.to_string().contains("norm.weight"), "{error}");
    let small = block_on(small_files(&files)).unwrap().into_iter();
    let none = small.fold(MemoryFiles::new("none"), |none, (name, bytes)| none.with(name, bytes));
    let model = block_on(read_all(&files, "model.safetensors", 1 << 20)).unwrap().unwrap();
    let error = complete(&none.with("model.safetensors", model)).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::NotFound, "none/2_Dense"));
}
