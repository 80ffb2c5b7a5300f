use pollster::block_on;
use serde_json::json;

use super::*;
use crate::checkpoint::names::tests::small_config;
use crate::checkpoint::testing::{counted, read, safetensors_file};
use crate::checkpoint::{MemoryFiles, RandomProfile};

const QUERY: &str = "roberta.encoder.layer.0.attention.self.query";
const UP: &str = "roberta.encoder.layer.1.intermediate.dense";

/// A file of these tensors in f32, each counted from where the one before it ended.
fn weights(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut numbers = 0;
    for (name, shape) in tensors {
        let end = numbers + shape.iter().product::<usize>();
        let info = json!({"dtype": "F32", "shape": shape, "data_offsets": [4 * numbers, 4 * end]});
        header.insert(name.to_string(), info);
        numbers = end;
    }
    let numbers = counted(0, numbers as i32).into_iter();
    let data: Vec<u8> = numbers.flat_map(|number| (number / 64.0).to_le_bytes()).collect();
    safetensors_file(&header.into(), &data)
}

fn name(part: &str, ending: &str) -> String {
    format!("{PREFIX}{part}{ending}")
}

/// An adapter of rank 2 on two matrices, with one tensor of the classifier.
fn adapter() -> Vec<(String, Vec<usize>)> {
    vec![
        (name(QUERY, A), vec![2, 6]),
        (name(QUERY, B), vec![6, 2]),
        (name(UP, A), vec![2, 6]),
        (name(UP, B), vec![10, 2]),
        (name("classifier.dense", ".bias"), vec![6]),
    ]
}

fn settings() -> Value {
    json!({"peft_type": "LORA", "task_type": "SEQ_CLS", "r": 2, "lora_alpha": 3, "bias": "none",
        "peft_version": "0.21.2", "rank_pattern": {}, "use_dora": false, "eva_config": null})
}

fn files(tensors: &[(String, Vec<usize>)], settings: Option<&Value>) -> MemoryFiles {
    let borrowed: Vec<_> = tensors.iter().map(|(name, shape)| (&name[..], &shape[..])).collect();
    let files = MemoryFiles::new("adapter").with(ADAPTER_WEIGHTS, weights(&borrowed));
    match settings {
        Some(settings) => files.with(ADAPTER_CONFIG, settings.to_string().into_bytes()),
        None => files,
    }
}

fn base() -> Checkpoint {
    Checkpoint::random(&small_config(), 3, RandomProfile::Plain)
}

fn adapt(files: &dyn Files) -> Result<Checkpoint> {
    block_on(base().with_adapter(files, &small_config()))
}

/// The numbers of one of the adapter's tensors.
fn numbers(tensor: usize) -> Vec<f64> {
    let sizes: Vec<usize> = adapter().iter().map(|(_, shape)| shape.iter().product()).collect();
    let first: usize = sizes[..tensor].iter().sum();
    (first..first + sizes[tensor]).map(|number| number as f64 / 64.0).collect()
}

/// Checks the matrix called `part` of an adapted checkpoint against sums in f64.
fn check_sum(adapted: &Checkpoint, part: &str, a: usize, shape: [usize; 2], scale: f64) {
    let matrix = format!("{part}.weight");
    let (before, after) =
        (read(&base(), &matrix, &shape).unwrap(), read(adapted, &matrix, &shape).unwrap());
    let (a, b) = (numbers(a), numbers(a + 1));
    for (i, (before, after)) in before.iter().zip(&after).enumerate() {
        let (row, column) = (i / shape[1], i % shape[1]);
        let sum: f64 = (0..2).map(|k| b[row * 2 + k] * a[k * shape[1] + column]).sum();
        let expected = f64::from(*before) + scale * sum;
        let error = (f64::from(*after) - expected).abs();
        assert!(error <= 1e-5, "{matrix} {row} {column}: {after}, expected {expected}");
    }
}

#[test]
fn matrices_are_added_to_and_the_classifier_is_replaced() {
    let adapted = adapt(&files(&adapter(), Some(&settings()))).unwrap();
    check_sum(&adapted, QUERY, 0, [6, 6], 1.5);
    check_sum(&adapted, UP, 2, [10, 6], 1.5);
    let bias = read(&adapted, "classifier.dense.bias", &[6]).unwrap();
    assert_eq!(bias.iter().map(|b| f64::from(*b)).collect::<Vec<_>>(), numbers(4));
    // All the rest is as it was.
    let changed =
        [format!("{QUERY}.weight"), format!("{UP}.weight"), "classifier.dense.bias".into()];
    for (name, shape) in tensor_shapes(&small_config()) {
        let same = read(&adapted, &name, &shape).unwrap() == read(&base(), &name, &shape).unwrap();
        assert_eq!(same, !changed.contains(&name), "{name}");
    }
    let file = weights(&[]).len() as u64;
    assert!(adapted.file_bytes() > base().file_bytes() + file);
}

#[test]
fn rows_are_the_same_in_pieces_and_by_either_name() {
    let files = files(&adapter(), Some(&settings()));
    let adapted = adapt(&files).unwrap();
    let matrix = format!("{UP}.weight");
    let whole = read(&adapted, &matrix, &[10, 6]).unwrap();
    let tensor = adapted.get(&matrix, &[10, 6]).unwrap();
    let mut pieces = Vec::new();
    for rows in [0..1, 1..1, 1..7, 7..10] {
        block_on(tensor.read_rows(rows, &mut pieces)).unwrap();
    }
    assert_eq!(pieces, whole);
    // Found without the prefix, a matrix is still the adapted one.
    let tensors: Vec<_> = tensor_shapes(&small_config());
    let bare: Vec<_> = tensors
        .iter()
        .map(|(name, shape)| (name.strip_prefix("roberta.").unwrap_or(name), &shape[..]))
        .collect();
    let bare = MemoryFiles::new("bare").with("model.safetensors", weights(&bare));
    let plain = block_on(Checkpoint::open(&bare)).unwrap();
    let plain = read(&plain, &matrix, &[10, 6]).unwrap();
    let adapted = block_on(async {
        Checkpoint::open(&bare).await?.with_adapter(&files, &small_config()).await
    });
    let adapted = adapted.unwrap();
    for name in [&matrix[..], &matrix["roberta.".len()..]] {
        assert_ne!(read(&adapted, name, &[10, 6]).unwrap(), plain, "{name}");
    }
}

#[test]
fn the_scale_is_of_alpha_and_rank() {
    for (field, value, scale) in [
        ("lora_alpha", json!(8), 4.0),
        ("lora_alpha", json!(0.5), 0.25),
        ("use_rslora", json!(true), 3.0 / 2f64.sqrt()),
        ("init_lora_weights", json!("gaussian"), 1.5),
        ("task_type", Value::Null, 1.5),
        ("target_modules", json!("all-linear"), 1.5),
    ] {
        let mut settings = settings();
        settings[field] = value;
        let adapted = adapt(&files(&adapter(), Some(&settings))).unwrap();
        check_sum(&adapted, QUERY, 0, [6, 6], scale);
    }
}

#[test]
fn settings_that_are_not_understood_are_named() {
    for (field, value) in [
        ("peft_type", json!("IA3")),
        ("peft_type", Value::Null),
        ("task_type", json!("CAUSAL_LM")),
        ("bias", json!("all")),
        ("use_dora", json!(true)),
        ("lora_bias", json!(true)),
        ("fan_in_fan_out", json!(true)),
        ("rank_pattern", json!({"query": 4})),
        ("alpha_pattern", json!({"query": 4})),
        ("layer_replication", json!([[0, 1]])),
        ("trainable_token_indices", json!([1])),
        ("init_lora_weights", json!("pissa")),
        ("something_new", json!("yes")),
        ("r", json!(0)),
        ("r", json!(2.5)),
        ("r", Value::Null),
        ("lora_alpha", json!("2")),
    ] {
        let mut settings = settings();
        settings[field] = value;
        let error = adapt(&files(&adapter(), Some(&settings))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert_eq!(error.at_fault(), format!("adapter_config.json: {field}"));
    }
    for broken in ["", "[]", "{\"r\": 2"] {
        let files = files(&adapter(), None).with(ADAPTER_CONFIG, broken.as_bytes());
        assert_eq!(adapt(&files).unwrap_err().at_fault(), "adapter_config.json");
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let replaced = |index: usize, new: &str, shape: &[usize]| {
        let mut tensors = adapter();
        tensors[index] = (new.to_owned(), shape.to_vec());
        tensors
    };
    let without = |index: usize| {
        let mut tensors = adapter();
        tensors.remove(index);
        tensors
    };
    let other_prefix = "model.classifier.dense.bias";
    let (magnitude, table) =
        (name(QUERY, ".lora_magnitude_vector"), name("roberta.embeddings.word_embeddings", A));
    let norm = name("roberta.encoder.layer.0.output.LayerNorm", A);
    let far = name("roberta.encoder.layer.2.attention.self.query", A);
    let bias = name(QUERY, ".bias");
    let classifier = name("classifier.dense", A);
    for (tensors, at_fault, what) in [
        (replaced(0, &name(QUERY, A), &[3, 6]), name(QUERY, A), "[3, 6], expected [2, 6]"),
        (replaced(1, &name(QUERY, B), &[6, 3]), name(QUERY, B), "[6, 3], expected [6, 2]"),
        (replaced(1, &name(QUERY, B), &[2, 6]), name(QUERY, B), "[2, 6], expected [6, 2]"),
        (
            replaced(4, &name("classifier.dense", ".bias"), &[5]),
            name("classifier.dense", ".bias"),
            "[5], expected [6]",
        ),
        (without(1), name(QUERY, B), "is missing"),
        (without(2), name(UP, A), "is missing"),
        (replaced(4, other_prefix, &[6]), other_prefix.to_owned(), "nothing else"),
        (replaced(4, &magnitude, &[6]), magnitude.clone(), "nothing else"),
        (replaced(4, &table, &[2, 11]), table.clone(), "nothing else"),
        (replaced(4, &norm, &[2, 6]), norm.clone(), "nothing else"),
        (replaced(4, &far, &[2, 6]), far.clone(), "nothing else"),
        (replaced(4, &bias, &[6]), bias.clone(), "nothing else"),
        (replaced(4, &classifier, &[2, 6]), classifier.clone(), "nothing else"),
    ] {
        let error = adapt(&files(&tensors, Some(&settings()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Checkpoint, "{error}");
        assert_eq!(error.at_fault(), format!("adapter_model.safetensors: {at_fault}"));
        assert!(error.what().contains(what), "{error}");
    }
    // The rank of the config is not that of the file.
    let mut other_rank = settings();
    other_rank["r"] = 4.into();
    let error = adapt(&files(&adapter(), Some(&other_rank))).unwrap_err();
    assert!(error.what().contains("expected [4, 6]"), "{error}");
}

#[test]
fn a_matrix_that_the_config_adapts_has_to_be_there() {
    for (targets, missing) in [
        (
            json!(["query", "intermediate.dense"]),
            Some("roberta.encoder.layer.0.intermediate.dense"),
        ),
        (json!(["layer.0.attention.self.query", UP]), None),
        (json!(["ery", "classifier"]), None),
    ] {
        let mut settings = settings();
        settings["target_modules"] = targets;
        let adapted = adapt(&files(&adapter(), Some(&settings)));
        match missing {
            Some(missing) => {
                let at_fault = format!("adapter_model.safetensors: {}", name(missing, A));
                assert_eq!(adapted.unwrap_err().at_fault(), at_fault);
            }
            None => assert!(adapted.is_ok()),
        }
        settings["layers_to_transform"] = json!([0]);
        assert!(adapt(&files(&adapter(), Some(&settings))).is_ok());
    }
}

#[test]
fn a_classifier_alone_needs_no_config() {
    let head = &adapter()[4..];
    let adapted = adapt(&files(head, None)).unwrap();
    assert_eq!(read(&adapted, "classifier.dense.bias", &[6]).unwrap()[3], 3.0 / 64.0);
    let error = adapt(&files(&adapter(), None)).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::NotFound, ADAPTER_CONFIG));
    // One may come on top of another adapter, but not a second with matrices.
    let both = |second: &MemoryFiles| {
        let first = adapt(&files(&adapter(), Some(&settings()))).unwrap();
        block_on(first.with_adapter(second, &small_config()))
    };
    assert!(both(&files(head, None)).is_ok());
    let error = both(&files(&adapter(), Some(&settings()))).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, "adapter"));
}

#[test]
fn broken_files_are_named() {
    let nothing = MemoryFiles::new("nothing");
    let error = adapt(&nothing).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::NotFound, "nothing"));
    assert!(adapt(&files(&[], None)).unwrap_err().what().contains("has no tensors"));
    let tensors = adapter();
    let borrowed: Vec<_> = tensors.iter().map(|(name, shape)| (&name[..], &shape[..])).collect();
    let whole = weights(&borrowed);
    for length in 0..whole.len() {
        let files =
            files(&tensors, Some(&settings())).with(ADAPTER_WEIGHTS, whole[..length].to_vec());
        assert_eq!(adapt(&files).unwrap_err().at_fault(), ADAPTER_WEIGHTS, "{length}");
    }
}

#[test]
fn a_number_that_is_not_finite_is_named_by_the_adapter() {
    let tensors = adapter();
    let borrowed: Vec<_> = tensors.iter().map(|(name, shape)| (&name[..], &shape[..])).collect();
    let mut bytes = weights(&borrowed);
    let data = bytes.len() - 4 * (12 + 12 + 12 + 20 + 6);
    bytes[data + 4 * 7..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let files = files(&tensors, Some(&settings())).with(ADAPTER_WEIGHTS, bytes);
    let adapted = adapt(&files).unwrap();
    let error = read(&adapted, &format!("{QUERY}.weight"), &[6, 6]).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: has NaN at [1, 1]", name(QUERY, A)));
}

#[test]
fn an_adapter_does_not_fit_distilberts_layers() {
    let config = Config { family: crate::config::Family::DistilBert, ..small_config() };
    let files = files(&adapter(), Some(&settings()));
    let error = block_on(base().with_adapter(&files, &config)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("DistilBertForSequenceClassification"), "{error}");
}
