//! A small model whose answers are known, run before any other on the adapter at hand.
//!
//! Drivers miscompile shaders now and then, `shader-f16` most of all, and a wrong score looks like
//! any other. So every kernel runs once on sizes that fill no tile, and what comes out is compared.

use super::Encoder;
use crate::batch::Batch;
use crate::checkpoint::{Checkpoint, RandomProfile, WeightFormat};
use crate::config::{Activation, Config, Family, ModernBert, Pooling, Reach};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;
use crate::ops::Choice;
use crate::tokenizer::Encoded;

/// The tokens of each pair.
const LENGTHS: [usize; 3] = [5, 41, 18];

/// What the reference implementation makes of them in f32, with weights of each [`WeightFormat`].
fn known(of: &Config, format: WeightFormat) -> [f32; 3] {
    let known = match (&of.modernbert, of.hidden_act) {
        (Some(of), _) => match of.pooling {
            Pooling::Cls => {
                [[1.2691, 0.2523, -1.4700], [1.2695, 0.2591, -1.4783], [1.2172, 0.4895, -1.6837]]
            }
            Pooling::Mean => [
                [-0.0855, -0.2354, -0.7517],
                [-0.0710, -0.2118, -0.7485],
                [-0.0281, -0.0191, -0.7415],
            ],
        },
        // On these weights the two are less than 0.0002 apart.
        (None, Activation::Gelu | Activation::GeluTanh) => {
            [[0.6803, -0.1218, -0.0445], [0.6725, -0.1202, -0.0449], [0.5522, -0.2792, -0.1439]]
        }
        (None, Activation::Relu) => {
            [[0.7280, -0.0707, 0.0123], [0.7178, -0.0685, 0.0107], [0.5883, -0.2417, -0.1034]]
        }
    };
    known[format as usize]
}

/// How far f16 storage may move them; it moves them by 0.0005.
const TOLERANCE: f32 = 0.005;

/// Runs the known pairs with weights of `format` on a small model of the family and activation of `of`.
///
/// # Errors
/// [`ErrorKind::Gpu`] when a score is not what it should be, or depends on the size of the batch,
/// and what the GPU itself says.
pub async fn self_test(gpu: &Gpu, choice: Choice, format: WeightFormat, of: &Config) -> Result<()> {
    let (config, pairs) = model(of);
    let checkpoint = Checkpoint::random(&config, SEED, RandomProfile::Plain);
    let tokens = LENGTHS.iter().sum();
    let held = Some(format);
    let mut encoder =
        Encoder::load(gpu, &checkpoint, &config, choice, held, tokens, &mut |_| {}).await?;
    // Once with each variant that may run a batch, and once cut into pieces.
    let few = Choice { few_rows: usize::MAX, ..choice };
    let many = Choice { few_rows: 0, most_flops: 0, ..choice };
    let mut all = Vec::new();
    for choice in [many, few] {
        encoder.choose(choice);
        let logits = encoder.logits(gpu, &Batch::new(&pairs), &|| false).await?;
        let scores: Vec<f32> = logits.iter().map(|logits| logits[0]).collect();
        compare(&scores, &known(&config, format))?;
        all.push(scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>());
    }
    if all[0] == all[1] {
        return Ok(());
    }
    let what = format!("{} and {} differ on this adapter", choice.many.name, choice.few.name);
    Err(Error::new(ErrorKind::Gpu, "self-test", what))
}

fn compare(scores: &[f32], known: &[f32]) -> Result<()> {
    // Written so that NaN is a difference.
    let close = |(got, known): (&f32, &f32)| (got - known).abs() <= TOLERANCE;
    if scores.len() == known.len() && scores.iter().zip(known).all(close) {
        return Ok(());
    }
    let what = format!("this adapter computes {scores:?} where {known:?} is right");
    Err(Error::new(ErrorKind::Gpu, "self-test", what))
}

const SEED: u32 = 20;

/// The small model for a model of config `of`, and pairs for it.
fn model(of: &Config) -> (Config, Vec<Encoded>) {
    let config = Config {
        family: if of.modernbert.is_some() { Family::ModernBert } else { Family::Roberta },
        vocab_size: 97,
        hidden_size: 84,
        num_hidden_layers: if of.modernbert.is_some() { 3 } else { 2 },
        num_attention_heads: 3,
        intermediate_size: 150,
        hidden_act: if of.modernbert.is_some() { Activation::Gelu } else { of.hidden_act },
        max_position_embeddings: 64,
        type_vocab_size: u32::from(of.modernbert.is_none()) as usize,
        layer_norm_eps: 1e-5,
        pad_token_id: 1,
        labels: vec!["LABEL_0".into()],
        modernbert: of.modernbert.as_ref().map(small_modernbert),
    };
    let first = config.first_position() as u32;
    let pair = |(salt, tokens): (usize, usize)| Encoded {
        ids: (0..tokens).map(|i| ((i * 37 + salt * 11) % 97) as u32).collect(),
        position_ids: (first..).take(tokens).collect(),
        type_ids: vec![0; tokens],
        truncated: 0,
    };
    (config, LENGTHS.into_iter().enumerate().map(pair).collect())
}

/// Every kernel of ModernBERT, and a window that is shorter than the pairs. All models of one pooling
/// get the same.
fn small_modernbert(of: &ModernBert) -> ModernBert {
    let global = Reach { window: None, theta: 160_000.0 };
    let local = Reach { window: Some(4), theta: 10_000.0 };
    let mut small = of.clone();
    small.layers = vec![global, local, global];
    small.head_act = Activation::Gelu;
    small.attention_bias = true;
    small.mlp_bias = true;
    small.norm_bias = true;
    small.head_bias = true;
    small.head_norm_bias = true;
    small.project_bias = true;
    small
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::checkpoint::{Quantised, scheme};
    use crate::gpu::Dtype;
    use crate::reference;

    /// A config of each kind that has a small model of its own.
    fn kinds() -> Vec<Config> {
        let mut kinds = Vec::new();
        for hidden_act in ["gelu", "gelu_new", "relu"] {
            kinds.push(kind("Roberta", "roberta", hidden_act, "cls"));
        }
        for pooling in ["cls", "mean"] {
            kinds.push(kind("ModernBert", "modernbert", "gelu", pooling));
        }
        kinds
    }

    fn kind(family: &str, model_type: &str, hidden_act: &str, pooling: &str) -> Config {
        let json = serde_json::json!({
            "architectures": [format!("{family}ForSequenceClassification")],
            "model_type": model_type, "vocab_size": 100, "hidden_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 96,
            "hidden_act": hidden_act, "max_position_embeddings": 40, "pad_token_id": 1,
            "classifier_pooling": pooling, "num_labels": 1,
        });
        Config::from_json("config.json", json.to_string().as_bytes()).unwrap()
    }

    const FORMATS: [WeightFormat; 3] = [WeightFormat::F16, WeightFormat::Q8, WeightFormat::Q4];

    #[test]
    fn what_is_known_is_what_the_reference_computes() {
        kinds().iter().for_each(check_known);
    }

    fn check_known(of: &Config) {
        let (config, pairs) = model(of);
        let checkpoint = Checkpoint::random(&config, SEED, RandomProfile::Plain);
        let shapes = crate::checkpoint::tensor_shapes(&config);
        for format in FORMATS {
            let tensor = |name: &str| {
                let (_, shape) = shapes.iter().find(|(n, _)| n == name).unwrap();
                let tensor = checkpoint.get(name, shape).unwrap();
                let mut values = Vec::new();
                pollster::block_on(tensor.read_rows(0..tensor.rows(), &mut values)).unwrap();
                let (format, block) = scheme(name, shape, format);
                if format == WeightFormat::F16 {
                    return values;
                }
                let rounded = Quantised::round(name, format, &values, shape[1], block).unwrap();
                values.clear();
                rounded.expand(shape[1], block, &mut values);
                values
            };
            let computed: Vec<f32> = pairs
                .iter()
                .map(|pair| reference::logits(&config, &tensor, &Batch::new(from_ref(pair)).ids)[0])
                .collect();
            let known = known(&config, format);
            assert!(
                computed.iter().zip(known).all(|(x, known)| (x - known).abs() < 1e-3),
                "{config:?} {format}: {computed:?}"
            );
        }
    }

    #[test]
    fn it_passes_here_on_both_paths() {
        for dtype in [Dtype::F16, Dtype::F32] {
            let gpu = pollster::block_on(Gpu::open(dtype)).unwrap();
            for of in kinds() {
                for format in FORMATS {
                    let test = self_test(&gpu, Choice::safe(), format, &of);
                    pollster::block_on(test).unwrap();
                }
            }
        }
    }

    #[test]
    fn wrong_scores_fail() {
        let (of, _) = model(&kinds()[0]);
        let known = known(&of, WeightFormat::F16);
        assert!(compare(&known, &known).is_ok());
        let [a, b, c] = known;
        for wrong in [[b, a, c], [a, b, f32::NAN], [a, b, c + 0.1], [0.0; 3]] {
            assert_eq!(compare(&wrong, &known).unwrap_err().kind(), ErrorKind::Gpu, "{wrong:?}");
        }
        assert!(compare(&[a, b], &known).is_err());
    }
}
