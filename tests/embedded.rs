//! The embedded model ranks sensibly: its own hand-written examples, on both preludes.

use cappy::{Device, Dtype, LoadOptions, ModelSource, Scorer};
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
        let options = LoadOptions { device: Device::Gpu, dtype, ..LoadOptions::default() };
        let scorer = block_on(Scorer::load(ModelSource::Embedded, options)).unwrap();
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
    let options =
        LoadOptions { device: Device::Gpu, batch_tokens: Some(4096), ..LoadOptions::default() };
    let scorer = block_on(Scorer::load(ModelSource::Embedded, options)).unwrap();
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
        ModelSource::Embedded,
        LoadOptions { device: Device::Gpu, ..LoadOptions::default() },
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
    let options =
        LoadOptions { device: Device::Gpu, batch_tokens: Some(256), ..LoadOptions::default() };
    let scorer = block_on(Scorer::load(ModelSource::Embedded, options)).unwrap();
    let pairs = vec![("Name the animal that barks.", "dog"); 100];
    let mut seen = 0;
    let mut stop = |index: usize, _: &cappy::Score| {
        seen = index + 1;
        if index == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let error = block_on(scorer.score_each(&pairs, &mut stop)).unwrap_err();
    assert_eq!(error.kind(), cappy::ErrorKind::Aborted);
    assert_eq!(seen, 5);
    assert!(block_on(scorer.score(&pairs[..1])).is_ok(), "an aborted scorer goes on");
}
