//! ModernBERT's forward pass against the reference implementation, and with dispatches left out.

use std::slice::from_ref;

use super::super::faults::check_every_drop;
use super::super::tests::{block_on, close, reference_logits, sequence};
use super::*;
use crate::checkpoint::{Checkpoint, RandomProfile};
use crate::encoder::{Encoder, Model};
use crate::gpu::Dtype;
use crate::ops::matmul::{lanes, large};
use crate::tokenizer::Encoded;
use serde_json::{Value, json};

/// A small model, with these fields in its `config.json` besides.
fn config(own: &Value) -> Config {
    let mut json = json!({
        "architectures": ["ModernBertForSequenceClassification"], "model_type": "modernbert",
        "vocab_size": 101, "hidden_size": 44, "num_hidden_layers": 4, "num_attention_heads": 2,
        "intermediate_size": 51, "max_position_embeddings": 400, "pad_token_id": 1, "num_labels": 2,
        "local_attention": 10, "global_attn_every_n_layers": 3, "classifier_pooling": "cls",
    });
    let own = own.as_object().unwrap().clone();
    json.as_object_mut().unwrap().extend(own);
    Config::from_json("config.json", json.to_string().as_bytes()).unwrap()
}

fn pairs(lengths: &[usize], salt: usize) -> Vec<Encoded> {
    let pair = |(i, &tokens): (usize, &usize)| Encoded {
        position_ids: (0..).take(tokens).collect(),
        ..sequence(tokens, salt + i)
    };
    lengths.iter().enumerate().map(pair).collect()
}

fn load(gpu: &Gpu, config: &Config, choice: Choice, tokens: usize) -> Encoder {
    let checkpoint = Checkpoint::random(config, 7, RandomProfile::Plain);
    block_on(Encoder::load(gpu, &checkpoint, config, choice, None, tokens, &mut |_| {}))
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn logits_equal_the_reference_and_do_not_depend_on_the_batch() {
    for own in [
        json!({}),
        json!({ "classifier_pooling": "mean", "norm_bias": true, "mlp_bias": true }),
        json!({ "num_hidden_layers": 1, "attention_bias": true, "classifier_bias": true }),
        json!({ "num_hidden_layers": 1, "classifier_pooling": "mean", "classifier_activation": "relu" }),
        json!({ "num_hidden_layers": 2, "global_attn_every_n_layers": 2, "hidden_size": 96,
                "intermediate_size": 130, "local_attention": 70 }),
        json!({ "hidden_size": 100, "hidden_activation": "gelu_pytorch_tanh", "num_hidden_layers": 3 }),
    ] {
        let config = config(&own);
        let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
        let pairs = pairs(&[4, 150, 17, 33, 1, 64], 0);
        let expected = reference_logits(&config, &checkpoint, &pairs);
        for dtype in [Dtype::F16, Dtype::F32] {
            let gpu = block_on(Gpu::open(dtype));
            let encoder = load(&gpu, &config, Choice::safe(), 300);
            let together = block_on(encoder.logits(&gpu, &Batch::new(&pairs), &|| false));
            assert!(
                close(&together, &expected, 1e-2),
                "{own} {dtype:?}: {together:?} is not {expected:?}"
            );
            for (pair, together) in pairs.iter().zip(&together) {
                let alone = block_on(encoder.logits(&gpu, &Batch::new(from_ref(pair)), &|| false));
                assert_eq!(bits(&alone[0]), bits(together), "{own} {dtype:?}");
            }
            assert_eq!(block_on(encoder.first_overflow(&gpu, &Batch::new(&pairs))), None);
        }
    }
}

#[test]
fn every_dispatch_that_is_dropped_is_noticed() {
    // Windows that reach from one end of a pair to the other, so that every row of a split step matters.
    for pooling in ["cls", "mean"] {
        let config = config(&json!({ "classifier_pooling": pooling, "local_attention": 80 }));
        for (dtype, variant) in [(Dtype::F16, &large::VARIANT), (Dtype::F32, &lanes::VARIANT)] {
            let gpu = block_on(Gpu::open(dtype));
            for most_flops in [u64::MAX, 0] {
                let choice = Choice { most_flops, ..Choice::all(variant) };
                let encoder = load(&gpu, &config, choice, 100);
                let (batch, other) =
                    (Batch::new(&pairs(&[21, 5, 33], 0)), Batch::new(&pairs(&[21, 5, 33], 50)));
                check_every_drop(&encoder, &gpu, &batch, &other);
            }
        }
    }
}

#[test]
fn the_first_part_that_overflows_is_named() {
    let gpu = block_on(Gpu::open(Dtype::F16));
    let batch = Batch::new(&pairs(&[21, 5], 0));
    for pooling in ["cls", "mean"] {
        let config = config(&json!({ "classifier_pooling": pooling }));
        let found = |spoil: fn(&Weights) -> &Buffer| {
            let encoder = load(&gpu, &config, Choice::safe(), 100);
            let Model::ModernBert(model) = &encoder.model else { panic!("{config:?}") };
            // Two infinite weights of the first output, or a gamma near the largest of f32.
            block_on(gpu.write(spoil(&model.weights), 0, &[0x7c00_7c00_u32]));
            block_on(encoder.first_overflow(&gpu, &batch)).unwrap()
        };
        assert_eq!(found(|w| &w.embed_norm.gamma), "the embeddings");
        assert_eq!(
            found(|w| w.layers[2].out.panel_buffer()),
            "the attention of layer 2 (the first is 0)"
        );
        assert_eq!(
            found(|w| w.layers[1].down.panel_buffer()),
            "the ffn of layer 1 (the first is 0)"
        );
        assert_eq!(
            found(|w| w.layers[3].down.panel_buffer()),
            "the ffn of layer 3 (the first is 0)"
        );
        assert_eq!(found(|w| w.dense.panel_buffer()), "the head");
    }
}
