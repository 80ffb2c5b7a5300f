//! Whichever dispatch a driver drops, the result is an error and not a score.

use super::*;
use crate::checkpoint::RandomProfile;
use crate::config::{Activation, Family};
use crate::gpu::Dtype;
use crate::ops::matmul::{lanes, large};
use crate::tokenizer::Encoded;

fn config() -> Config {
    Config {
        family: Family::Roberta,
        vocab_size: 101,
        hidden_size: 24,
        num_hidden_layers: 3,
        num_attention_heads: 2,
        intermediate_size: 40,
        hidden_act: Activation::Gelu,
        max_position_embeddings: 90,
        type_vocab_size: 1,
        layer_norm_eps: 1e-5,
        pad_token_id: 1,
        labels: vec!["LABEL_0".into()],
        modernbert: None,
    }
}

fn pairs(salt: usize) -> Vec<Encoded> {
    let pair = |tokens: usize| Encoded {
        ids: (0..tokens).map(|i| ((i * 37 + tokens + salt) % 101) as u32).collect(),
        position_ids: (2..).take(tokens).collect(),
        type_ids: vec![0; tokens],
        truncated: 0,
    };
    [21, 5, 33].map(pair).to_vec()
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> T {
    pollster::block_on(future).unwrap()
}

/// What is left of `batch` when step `dropped` does not run.
async fn run_without(
    encoder: &Encoder,
    gpu: &Gpu,
    batch: &Batch,
    dropped: Option<usize>,
) -> Result<Vec<f32>> {
    let mut plan = encoder.plan(batch)?;
    if let Some(dropped) = dropped {
        plan.steps.remove(dropped);
    }
    encoder.upload(gpu, batch).await?;
    gpu.run(&plan, &|| false).await?;
    Ok(encoder.read(gpu, batch).await?.concat())
}

/// Runs `batch` without each of its dispatches in turn, after `other`, a batch of the same shape, whose
/// numbers lie in every buffer then: a logit is lost, unless the dispatch only writes NaN. Nothing of
/// that affects the next run.
pub(super) fn check_every_drop(encoder: &Encoder, gpu: &Gpu, batch: &Batch, other: &Batch) {
    let bits = |logits: &[f32]| logits.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let whole = block_on(run_without(encoder, gpu, batch, None));
    assert!(whole.len() >= batch.pairs() && whole.iter().all(|logit| logit.is_finite()));
    let steps = encoder.plan(batch).unwrap().steps;
    assert!(steps.len() > 3 * 8);
    for (at, step) in steps.iter().enumerate() {
        block_on(run_without(encoder, gpu, other, None));
        let rest = block_on(run_without(encoder, gpu, batch, Some(at)));
        if step.label == "poison" {
            assert_eq!(bits(&rest), bits(&whole), "step {at}");
        } else {
            let lost = rest.iter().any(|logit| !logit.is_finite());
            assert!(lost, "without step {at}, {}, {:?}: {rest:?}", step.label, gpu.dtype());
        }
    }
    assert_eq!(bits(&block_on(run_without(encoder, gpu, batch, None))), bits(&whole));
}

#[test]
fn every_dispatch_that_is_dropped_is_noticed() {
    let config = config();
    let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
    for (dtype, variant) in [(Dtype::F16, &large::VARIANT), (Dtype::F32, &lanes::VARIANT)] {
        let gpu = block_on(Gpu::open(dtype));
        // Whole steps, and cut into as many as can be.
        for most_flops in [u64::MAX, 0] {
            let choice = Choice { most_flops, ..Choice::all(variant) };
            let mut silent = |_: u64| {};
            let load = Encoder::load(&gpu, &checkpoint, &config, choice, None, 100, &mut silent);
            let encoder = block_on(load);
            let (batch, other) = (Batch::new(&pairs(0)), Batch::new(&pairs(50)));
            check_every_drop(&encoder, &gpu, &batch, &other);
            assert_eq!(block_on(encoder.first_overflow(&gpu, &batch)), None);
        }
    }
}

#[test]
fn calls_at_the_same_time_do_not_disturb_each_other() {
    let config = config();
    let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
    let gpu = block_on(Gpu::open(Dtype::F32));
    let mut silent = |_: u64| {};
    let choice = Choice::safe();
    let load = Encoder::load(&gpu, &checkpoint, &config, choice, None, 100, &mut silent);
    let encoder = block_on(load);
    let batches = [Batch::new(&pairs(0)), Batch::new(&pairs(50))];
    let alone = batches.each_ref().map(|batch| block_on(encoder.logits(&gpu, batch, &|| false)));
    assert_ne!(alone[0], alone[1]);
    // While somebody else holds the lock, the first call does not begin.
    let guard = pollster::block_on(encoder.lock.lock());
    let mut waiting = std::pin::pin!(encoder.logits(&gpu, &batches[0], &|| false));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    drop(guard);
    assert_eq!(block_on(encoder.logits(&gpu, &batches[1], &|| false)), alone[1]);
    assert_eq!(block_on(waiting), alone[0]);
}
