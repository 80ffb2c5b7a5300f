//! What a scorer does, on cappy-mini: it ranks, stops, takes no more memory for more pairs, and makes no
//! score up.

mod mini;

use std::fs;

use cappy::checkpoint::MemoryFiles;
use cappy::ops::matmul::VARIANTS;
use cappy::{Dtype, ErrorKind, LoadOptions, ModelSource, Scorer};
use half::f16;
use pollster::block_on;
use serde::Deserialize;

#[derive(Deserialize)]
struct Example {
    instruction: String,
    candidates: Vec<String>,
    best: usize,
}

#[test]
fn the_best_candidate_of_every_example_comes_first() {
    let examples: Vec<Example> =
        serde_json::from_str(include_str!("../models/cappy-mini/examples.json")).unwrap();
    assert!(examples.len() >= 6, "too few examples to mean anything");
    for dtype in [Dtype::F16, Dtype::F32] {
        let options = LoadOptions { dtype, ..LoadOptions::default() };
        let scorer =
            block_on(Scorer::load(ModelSource::Directory(mini::folder()), options)).unwrap();
        for example in &examples {
            let candidates: Vec<&str> = example.candidates.iter().map(String::as_str).collect();
            let ranked = block_on(scorer.rank(&example.instruction, &candidates, None)).unwrap();
            assert_eq!(ranked.len(), candidates.len());
            assert_eq!(ranked[0].index, example.best, "{dtype:?}: {ranked:?}");
        }
    }
}

#[test]
fn ten_thousand_pairs_take_no_more_memory_on_the_gpu_than_one() {
    let options = LoadOptions { batch_tokens: Some(4096), ..LoadOptions::default() };
    let scorer = block_on(Scorer::load(ModelSource::Directory(mini::folder()), options)).unwrap();
    let before = scorer.gpu_bytes();
    let pairs = vec![("a", ""); 10_000];
    let scores = block_on(scorer.score(&pairs)).unwrap();
    assert_eq!(scores.len(), pairs.len());
    assert!(scores.iter().all(|score| score == &scores[0]));
    assert_eq!(scorer.gpu_bytes(), before);
}

#[test]
fn no_pairs_are_no_scores() {
    let scorer = block_on(Scorer::load(
        ModelSource::Directory(mini::folder()),
        LoadOptions { ..LoadOptions::default() },
    ))
    .unwrap();
    assert_eq!(block_on(scorer.score(&[])).unwrap(), []);
    assert_eq!(block_on(scorer.rank("a", &[], None)).unwrap(), []);
    assert_eq!(block_on(scorer.score_batch(&[], 0, &|| false)).unwrap(), []);
    assert_eq!(block_on(scorer.score_batch(&[("a", "b")], 2, &|| false)).unwrap(), []);
}

#[test]
fn a_caller_can_stop_between_batches() {
    use std::ops::ControlFlow;
    let options = LoadOptions { batch_tokens: Some(256), ..LoadOptions::default() };
    let scorer = block_on(Scorer::load(ModelSource::Directory(mini::folder()), options)).unwrap();
    let pairs = vec![("Name the animal that barks.", "dog"); 100];
    let mut seen = 0;
    let mut stop = |index: usize, _: &cappy::Score| {
        seen = index + 1;
        if index == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let error = block_on(scorer.score_each(&pairs, &mut stop)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Aborted);
    assert_eq!(seen, 5);
    assert!(block_on(scorer.score(&pairs[..1])).is_ok(), "an aborted scorer goes on");
}

/// cappy-mini with every weight of one tensor as large as `size`, its sign as it was.
fn with_weights_of(tensor: &str, size: f32) -> ModelSource {
    let read = |name: &str| fs::read(mini::folder().join(name)).unwrap();
    let mut weights = read("model.safetensors");
    let length = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&weights[8..8 + length]).unwrap();
    assert_eq!(header[tensor]["dtype"], "F16", "{tensor}");
    let offset =
        |nth: usize| 8 + length + header[tensor]["data_offsets"][nth].as_u64().unwrap() as usize;
    for number in weights[offset(0)..offset(1)].chunks_exact_mut(2) {
        let sign = number[1] & 0x80;
        number.copy_from_slice(&f16::from_f32(size).to_le_bytes());
        number[1] |= sign;
    }
    let files = MemoryFiles::new("too large")
        .with("config.json", read("config.json"))
        .with("tokenizer.json", read("tokenizer.json"))
        .with("model.safetensors", weights);
    ModelSource::Files(Box::new(files))
}

#[test]
fn a_model_that_overflows_f16_is_an_error_that_names_the_layer() {
    let of_layer = |part: &str| format!("roberta.encoder.layer.1.{part}.weight");
    let attention = "the attention of layer 1 (the first is 0)";
    let score = |tensor: &str, options| {
        let scorer = block_on(Scorer::load(with_weights_of(tensor, 30_000.0), options)).unwrap();
        block_on(scorer.score(&[("Name the animal that barks.", "dog"), ("a", "b")])).unwrap_err()
    };
    for (tensor, place) in [
        (of_layer("attention.self.query"), attention),
        (of_layer("attention.self.key"), attention),
        (of_layer("attention.self.value"), attention),
        (of_layer("intermediate.dense"), "the ffn of layer 1 (the first is 0)"),
        ("roberta.embeddings.LayerNorm.weight".to_owned(), "the embeddings"),
    ] {
        for dtype in [Dtype::F16, Dtype::F32] {
            let error = score(&tensor, LoadOptions { dtype, ..LoadOptions::default() });
            assert_eq!(error.kind(), ErrorKind::NotFinite, "{error}");
            assert_eq!(error.at_fault(), "pair 0");
            let expected = format!("the model overflows f16 in {place}");
            assert!(error.to_string().ends_with(&expected), "{tensor} {dtype:?}: {error}");
        }
    }
    for variant in VARIANTS.iter().filter(|variant| !variant.name.starts_with("cooperative")) {
        let options = LoadOptions { kernel: Some(variant.name), ..LoadOptions::default() };
        let error = score(&of_layer("attention.self.query"), options);
        assert!(error.to_string().ends_with(attention), "{}: {error}", variant.name);
    }
}
