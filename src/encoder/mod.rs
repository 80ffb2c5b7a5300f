//! The forward pass of RoBERTa and its like, with their classification heads.

mod activations;
#[cfg(test)]
mod faults;
mod loader;
mod lock;
mod modernbert;
mod runs;
mod self_test;
pub mod training;
mod weights;

use std::cell::RefCell;
use std::rc::Rc;

use crate::batch::Batch;
use crate::checkpoint::{Checkpoint, WeightFormat};
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Gpu, Pace, Plan};
use crate::ops::Choice;
use crate::ops::attention::{Heads, attention, forward_tasks};
use crate::ops::embed::embed;
use crate::ops::gather_rows::gather_rows;
use crate::ops::layer_norm::layer_norm;
use crate::ops::matmul::{Epilogue, Method, matmul};
use activations::Activations;
use loader::Loader;
use lock::Lock;
use modernbert::ModernBertModel;
pub use self_test::self_test;
use weights::Weights;

/// A model on the GPU, with the activations of batches of up to `batch_tokens` tokens. A longer batch,
/// such as one pair that is longer than the batches of other pairs, gets larger ones until the next batch.
pub struct Encoder {
    config: Config,
    choice: Choice,
    model: Model,
    batch_tokens: usize,
    activations: RefCell<Rc<Activations>>,
    /// Held by the call that uses the activations.
    lock: Lock,
    pace: Pace,
}

/// A model's weights.
#[allow(
    clippy::large_enum_variant,
    reason = "boxed, a build without the family would have the variant"
)]
enum Model {
    /// RoBERTa and its like.
    Bert(Weights),
    ModernBert(ModernBertModel),
}

impl Encoder {
    /// Streams the weights of `checkpoint` to the GPU, where matrices are held in `format`, or as
    /// they are stored. `loaded` is called with the bytes of
    /// weights that were read so far, by their size in the file.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Checkpoint`] naming the tensor at fault, or what [`Gpu::buffer`] says.
    pub async fn load(
        gpu: &Gpu,
        checkpoint: &Checkpoint,
        config: &Config,
        choice: Choice,
        format: Option<WeightFormat>,
        batch_tokens: usize,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Encoder> {
        let part_bytes = gpu.max_binding_bytes();
        let loader = Loader { gpu, checkpoint, config, format, bytes: 0, loaded };
        Ok(Encoder {
            config: config.clone(),
            choice,
            model: match &config.modernbert {
                None => Model::Bert(weights::load(loader, part_bytes).await?),
                Some(of) => Model::ModernBert(ModernBertModel::load(loader, of, part_bytes).await?),
            },
            batch_tokens,
            activations: RefCell::new(Rc::new(Activations::new(
                gpu,
                config,
                &choice,
                batch_tokens,
            )?)),
            lock: Lock::default(),
            pace: Pace::new(choice.flops_per_second),
        })
    }

    /// Runs other variants from now on.
    fn choose(&mut self, choice: Choice) {
        self.choice = choice;
    }

    /// How fast the adapter gets through forward passes, as far as is known.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Bytes of activations that a batch of `tokens` tokens takes at most.
    pub fn activation_bytes(config: &Config, choice: &Choice, tokens: usize) -> u64 {
        activations::bytes(config, choice, tokens)
    }

    /// Multiplications and additions of the matmuls of a batch of `tokens` tokens, about.
    pub fn flops(config: &Config, tokens: usize) -> f64 {
        let (hidden, inner) = (config.hidden_size as f64, config.intermediate_size as f64);
        // A gated network has a third matrix.
        let matrices = if config.modernbert.is_some() { 3.0 } else { 2.0 };
        let a_layer = 2.0 * hidden * (4.0 * hidden + matrices * inner);
        a_layer * config.num_hidden_layers as f64 * tokens as f64
    }

    /// The raw logits of each pair of `batch`, in order: `[pairs][labels]`. `stop` is asked between
    /// submissions. Calls at the same time wait for each other.
    ///
    /// # Errors
    /// What [`Gpu::run`] and [`Gpu::read_f32`] say. Numbers that are not finite are none.
    pub async fn logits(
        &self,
        gpu: &Gpu,
        batch: &Batch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        let _guard = self.lock.lock().await;
        self.make_room(gpu, batch.tokens())?;
        let mut logits = self.run(gpu, batch, &self.choice, stop).await?;
        let is_finite = |logits: &Vec<f32>| logits.iter().all(|logit| logit.is_finite());
        if self.choice.has_f16_sums() && !logits.iter().all(is_finite) {
            // f16 cannot hold all sums that f32 can. The other pairs keep what they have, because a
            // score must not depend on the batch.
            let again = self.run(gpu, batch, &self.choice.in_f32(), stop).await?;
            let lost = logits.iter_mut().zip(again).filter(|(logits, _)| !is_finite(logits));
            lost.for_each(|(logits, again)| *logits = again);
        }
        Ok(logits)
    }

    /// The logits of `batch` by the variants of `choice`. The caller holds the lock, and there is room.
    async fn run(
        &self,
        gpu: &Gpu,
        batch: &Batch,
        choice: &Choice,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        self.upload(gpu, batch).await?;
        gpu.run_at(&self.plan_by(choice, batch)?, &self.pace, stop).await?;
        self.read(gpu, batch).await
    }

    /// The activations that there are.
    fn activations(&self) -> Rc<Activations> {
        self.activations.borrow().clone()
    }

    /// Makes activations for `tokens` tokens, where that is more than the usual, and makes the usual ones
    /// again for the next batch that is not.
    fn make_room(&self, gpu: &Gpu, tokens: usize) -> Result<()> {
        let wanted = tokens.max(self.batch_tokens);
        if self.activations().tokens() == wanted {
            return Ok(());
        }
        let of = |tokens| Activations::new(gpu, &self.config, &self.choice, tokens).map(Rc::new);
        // Not both at once: there may be no memory for them. Where there is none for the larger ones
        // either, few tokens have room, and the next batch tries anew.
        self.activations.replace(of(1)?).free(gpu);
        let few = self.activations.replace(of(wanted)?);
        few.free(gpu);
        Ok(())
    }

    /// The logits that a plan of `batch` has computed.
    async fn read(&self, gpu: &Gpu, batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let labels = self.config.labels.len();
        let stride = crate::ops::stride(labels);
        let rows = gpu.read_f32(&self.activations().logits.buffer, batch.pairs() * stride).await?;
        Ok(rows.chunks_exact(stride).map(|row| row[..labels].to_vec()).collect())
    }

    /// A description of where `batch` first leads to a number that is not finite, if it does.
    /// Runs the forward pass once more, step by step.
    ///
    /// # Errors
    /// As [`Encoder::logits`].
    pub async fn first_overflow(&self, gpu: &Gpu, batch: &Batch) -> Result<Option<String>> {
        let _guard = self.lock.lock().await;
        self.make_room(gpu, batch.tokens())?;
        self.upload(gpu, batch).await?;
        let row = crate::ops::stride(self.config.hidden_size) / 2;
        let x = self.activations();
        let firsts = [&x.first_hidden.buffer, &x.first_attended.buffer];
        let (mut layers, mut before) = (0, "");
        for step in self.plan_by(&self.choice.in_f32(), batch)?.steps {
            let (label, out) = (step.label, step.buffers.last().cloned());
            layers += usize::from(label == "qkv" && before != "qkv");
            before = label;
            gpu.run(&Plan { steps: vec![step] }, &|| false).await?;
            let (Some(out), Some(part)) = (out, self.normalised(label)) else { continue };
            let of_firsts = firsts.contains(&&out);
            let rows = if of_firsts { batch.pairs() } else { batch.tokens() };
            let words = gpu.read_f32(&out, rows * row).await?;
            let is_lost = |word: &f32| {
                let bits = word.to_bits();
                [bits, bits >> 16].iter().any(|bits| bits & 0x7c00 == 0x7c00)
            };
            if words.iter().any(is_lost) {
                return Ok(Some(match layers.checked_sub(1) {
                    Some(layer) => format!("the {part} of layer {layer} (the first is 0)"),
                    None => "the embeddings".into(),
                }));
            }
        }
        let finite = self.read(gpu, batch).await?.iter().flatten().all(|logit| logit.is_finite());
        Ok((!finite).then(|| "the head".into()))
    }

    /// Whose numbers the LayerNorm called `label` reads, if it is one of a layer: those of the part
    /// that it follows. Of ModernBERT that is the part before.
    fn normalised(&self, label: &'static str) -> Option<&'static str> {
        match (&self.model, label.strip_suffix(" norm")?) {
            (_, "head") => None,
            (Model::Bert(_), part) => Some(part),
            (Model::ModernBert(_), "ffn") => Some("attention"),
            (Model::ModernBert(_), _) => Some("ffn"),
        }
    }

    /// Writes what a plan of `batch` reads, and NaN where its logits will be.
    pub async fn upload(&self, gpu: &Gpu, batch: &Batch) -> Result<()> {
        let x = &*self.activations();
        gpu.write(&x.ids, 0, &batch.ids).await?;
        gpu.write(&x.first_rows, 0, &batch.cu_seqlens).await?;
        gpu.write(&x.tasks, 0, &forward_tasks(&batch.cu_seqlens, false)).await?;
        gpu.write(&x.first_tasks, 0, &forward_tasks(&batch.cu_seqlens, true)).await?;
        let nothing = vec![f32::NAN; batch.pairs() * crate::ops::stride(self.config.labels.len())];
        gpu.write(&x.logits.buffer, 0, &nothing).await
    }

    /// The forward pass of `batch`, written down.
    pub fn plan(&self, batch: &Batch) -> Result<Plan> {
        self.plan_by(&self.choice, batch)
    }

    /// The same by the variants of `choice`.
    fn plan_by(&self, choice: &Choice, batch: &Batch) -> Result<Plan> {
        let x = &*self.activations();
        let w = match (&self.model, &x.modernbert) {
            (Model::ModernBert(model), Some(own)) => {
                return modernbert::plan(&self.config, choice, model, x, own, batch);
            }
            (Model::Bert(w), _) => w,
            _ => unreachable!("both follow from the same config"),
        };
        let (tokens, pairs) = (batch.tokens(), batch.pairs());
        let heads = Heads { count: self.config.num_attention_heads, size: self.config.head_size() };
        let all = x.tasks(batch);
        let first = x.first_tasks(batch);

        let most = choice.most_flops;
        // Inputs as wide as `hidden` and the others alternate.
        let [narrow, wide] = &x.blocks;
        let by = |variant, blocks| Method { variant, most_flops: most, blocks: Some(blocks) };

        let mut steps = x.before(batch)?.to_vec();
        steps.extend(embed("embed", tokens, &x.ids, &w.tables, &x.sum)?);
        let norm = choice.layer_norm();
        steps.push(layer_norm("embed norm", norm, tokens, &x.sum, &w.embed_norm, &x.hidden)?);
        let middle = self.config.hidden_act.into();
        steps.push(x.spent(tokens, [&x.sum, &x.attended, &x.context, &x.inner])?);
        let variant = choice.tokens(tokens);
        for (index, layer) in w.layers.iter().enumerate() {
            let last = index + 1 == w.layers.len();
            let (method, store) = (by(variant, narrow), Epilogue::Store);
            steps.extend(matmul("qkv", method, tokens, &x.hidden, &layer.qkv, store, &x.qkv)?);
            // The score depends on the last layer's <s> alone: after its keys and values, only that
            // row of each pair is computed.
            let (rows, variant, tasks, hidden, attended, sum) = if last {
                let gather =
                    gather_rows("gather <s>", pairs, &x.first_rows, &x.hidden, &x.first_hidden)?;
                steps.push(gather);
                let (hidden, attended) = (&x.first_hidden, &x.first_attended);
                (pairs, choice.pairs, &first, hidden, attended, &x.first_sum)
            } else {
                (tokens, variant, &all, &x.hidden, &x.attended, &x.sum)
            };
            let dense = |label, blocks, a, w, epilogue, out| {
                matmul(label, by(variant, blocks), rows, a, w, epilogue, out)
            };
            let add = Epilogue::Residual;
            let attend = choice.attention();
            steps.extend(attention("attention", attend, most, heads, tasks, &x.qkv, &x.context)?);
            steps.extend(dense("attention out", wide, &x.context, &layer.out, add(hidden), sum)?);
            steps.push(layer_norm("attention norm", norm, rows, sum, &layer.out_norm, attended)?);
            steps.push(x.spent(rows, [sum, hidden, &x.qkv, &x.context])?);
            steps.extend(dense("ffn up", narrow, attended, &layer.up, middle, &x.inner)?);
            steps.extend(dense("ffn down", wide, &x.inner, &layer.down, add(attended), sum)?);
            steps.push(layer_norm("ffn norm", norm, rows, sum, &layer.down_norm, hidden)?);
            steps.push(x.spent(rows, [sum, attended, &x.context, &x.inner])?);
        }
        let head = |label, blocks, a, w, epilogue, out| {
            matmul(label, by(choice.pairs, blocks), pairs, a, w, epilogue, out)
        };
        let activation = match self.config.family.is_distilbert() {
            true => Epilogue::Relu,
            false => Epilogue::Tanh,
        };
        steps.extend(head("head dense", narrow, &x.first_hidden, &w.dense, activation, &x.head)?);
        steps.extend(head("head out", wide, &x.head, &w.project, Epilogue::Store, &x.logits)?);
        Ok(Plan { steps })
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::checkpoint::RandomProfile;
    use crate::config::{Activation, Family};
    use crate::gpu::Dtype;
    use crate::reference;
    use crate::tokenizer::Encoded;

    pub(super) fn config(
        layers: usize,
        heads: usize,
        head_size: usize,
        inner: usize,
        labels: usize,
    ) -> Config {
        Config {
            family: Family::Roberta,
            vocab_size: 101,
            hidden_size: heads * head_size,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            intermediate_size: inner,
            hidden_act: Activation::Gelu,
            max_position_embeddings: 90,
            type_vocab_size: 2,
            layer_norm_eps: 1e-5,
            pad_token_id: 1,
            labels: (0..labels).map(|i| i.to_string()).collect(),
            modernbert: None,
        }
    }

    pub(super) fn sequence(tokens: usize, salt: usize) -> Encoded {
        Encoded {
            ids: (0..tokens).map(|i| ((i * 37 + salt * 11) % 101) as u32).collect(),
            position_ids: (2..).take(tokens).collect(),
            type_ids: vec![0; tokens],
            truncated: 0,
        }
    }

    pub(super) fn block_on<T>(future: impl Future<Output = Result<T>>) -> T {
        pollster::block_on(future).unwrap()
    }

    /// Whether every logit is within `bound` of the expected one. NaN is not.
    pub(super) fn close(got: &[Vec<f32>], expected: &[Vec<f32>], bound: f32) -> bool {
        got.len() == expected.len()
            && got.iter().flatten().count() == expected.iter().flatten().count()
            && got.iter().flatten().zip(expected.iter().flatten()).all(|(got, expected)| {
                let error = (got - expected).abs();
                error <= bound
            })
    }

    #[test]
    fn the_comparison_fails_on_nan_swapped_and_missing_logits() {
        let logits = [vec![1.0], vec![2.0]];
        assert!(close(&logits, &logits, 0.0));
        assert!(!close(&[vec![2.0], vec![1.0]], &logits, 0.5));
        assert!(!close(&[vec![f32::NAN], vec![2.0]], &logits, 0.5));
        assert!(!close(&logits[..1], &logits, 0.5));
    }

    /// The logits of the reference implementation for a checkpoint of random weights.
    pub(super) fn reference_logits(
        config: &Config,
        checkpoint: &Checkpoint,
        pairs: &[Encoded],
    ) -> Vec<Vec<f32>> {
        let shapes = crate::checkpoint::tensor_shapes(config);
        let tensor = |name: &str| {
            let (_, shape) = shapes.iter().find(|(n, _)| n == name).unwrap();
            let mut values = Vec::new();
            let tensor = checkpoint.get(name, shape).unwrap();
            block_on(tensor.read_rows(0..tensor.rows(), &mut values));
            values
        };
        let logits = |pair| reference::logits(config, &tensor, &Batch::new(from_ref(pair)).ids);
        pairs.iter().map(logits).collect()
    }

    #[test]
    fn logits_equal_the_reference_and_do_not_depend_on_the_batch() {
        for config in [
            config(1, 1, 24, 48, 1),
            config(2, 4, 25, 210, 1),
            config(3, 2, 96, 130, 3),
            config(2, 1, 128, 257, 1),
        ] {
            let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
            let pairs: Vec<Encoded> =
                [4, 88, 17, 33, 1, 64].iter().enumerate().map(|(i, &n)| sequence(n, i)).collect();
            let expected = reference_logits(&config, &checkpoint, &pairs);
            for dtype in [Dtype::F16, Dtype::F32] {
                let gpu = block_on(Gpu::open(dtype));
                let encoder = block_on(Encoder::load(
                    &gpu,
                    &checkpoint,
                    &config,
                    Choice::safe(),
                    None,
                    300,
                    &mut |_| {},
                ));
                let together = block_on(encoder.logits(&gpu, &Batch::new(&pairs), &|| false));
                assert!(
                    close(&together, &expected, 1e-2),
                    "{config:?} {dtype:?}: {together:?} is not {expected:?}"
                );
                let bits = |logits: &[f32]| logits.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                for (pair, together) in pairs.iter().zip(&together) {
                    let alone =
                        block_on(encoder.logits(&gpu, &Batch::new(from_ref(pair)), &|| false));
                    assert_eq!(bits(&alone[0]), bits(together), "{config:?} {dtype:?}");
                }
            }
        }
    }

    #[test]
    fn pairs_whose_sums_overflow_f16_are_computed_again_and_others_are_not() {
        let gpu = block_on(Gpu::open(Dtype::F16));
        let config = config(1, 1, 24, 48, 1);
        let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
        let load = |choice| {
            let mut silent = |_: u64| {};
            block_on(Encoder::load(&gpu, &checkpoint, &config, choice, None, 300, &mut silent))
        };
        let half = load(Choice::all(&crate::ops::matmul::half::LARGE));
        let single = load(half.choice.in_f32());
        let pairs: Vec<_> = (0..6).map(|salt| sequence(4 + 9 * salt, salt)).collect();
        let mut seen = [false; 2];
        for size in [100.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 60_000.0] {
            // Neighbours cancel each other out, but not within f16: sums of f32 stay small.
            let sign = |i: usize| if (i / 4).is_multiple_of(2) { size } else { -size };
            let values: Vec<f32> = (0..24 * 48).map(sign).collect();
            for encoder in [&half, &single] {
                let Model::Bert(weights) = &encoder.model else { unreachable!() };
                block_on(weights.layers[0].down.write_panel(&gpu, "down", 0, &values));
            }
            let run = |encoder: &Encoder, pairs: &[Encoded]| {
                let logits = block_on(encoder.logits(&gpu, &Batch::new(pairs), &|| false));
                logits.into_iter().flatten().collect::<Vec<_>>()
            };
            let (together, expected) = (run(&half, &pairs), run(&single, &pairs));
            let alone = pairs.iter().flat_map(|pair| run(&half, from_ref(pair)));
            assert_eq!(together, alone.collect::<Vec<_>>(), "{size}");
            for (got, expected) in together.iter().zip(&expected) {
                assert!((got - expected).abs() < 2e-2, "{size}: {together:?} {expected:?}");
                seen[usize::from(got == expected)] = true;
            }
        }
        assert_eq!(seen, [true; 2]);
    }

    #[test]
    fn a_batch_longer_than_the_usual_ones_gets_room_and_gives_it_back() {
        let gpu = block_on(Gpu::open(Dtype::F32));
        let config = config(2, 2, 25, 210, 1);
        let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
        let load = async |tokens| {
            let choice = Choice::safe();
            Encoder::load(&gpu, &checkpoint, &config, choice, None, tokens, &mut |_| {}).await
        };
        let (roomy, tight) = (block_on(load(200)), block_on(load(40)));
        let long = Batch::new(&[sequence(88, 1)]);
        let short = Batch::new(&[sequence(17, 2), sequence(20, 3)]);
        let bytes = [&short, &long, &long, &short].map(|batch| {
            let run = |encoder: &Encoder| block_on(encoder.logits(&gpu, batch, &|| false));
            assert_eq!(run(&tight), run(&roomy));
            gpu.allocated_bytes()
        });
        assert!(bytes[1] > bytes[0], "{bytes:?}");
        assert_eq!([bytes[1], bytes[0]], [bytes[2], bytes[3]]);
    }

    #[test]
    fn every_family_equals_the_reference_with_words_in_one_part_or_many() {
        let gpu = block_on(Gpu::open(Dtype::F16));
        for (family, types) in [(Family::XlmRoberta, 1), (Family::Bert, 2), (Family::DistilBert, 0)]
        {
            let config = Config { family, type_vocab_size: types, ..config(2, 2, 25, 210, 2) };
            let checkpoint = Checkpoint::random(&config, 7, RandomProfile::Plain);
            let mut pairs = [sequence(40, 1), sequence(3, 2), sequence(70, 3)];
            for pair in &mut pairs {
                let types = config.family.token_types();
                pair.type_ids = (0..pair.ids.len()).map(|at| (at / 2 % types) as u32).collect();
            }
            let expected = reference_logits(&config, &checkpoint, &pairs);
            // Of 128 bytes a row: one part, 5 parts of 25 rows at the most, one for each word.
            for (part_bytes, parts) in [(u64::MAX, 1), (25 * 128, 5), (1, 101)] {
                let choice = Choice::safe();
                let mut silent = |_: u64| {};
                let loader = Loader {
                    gpu: &gpu,
                    checkpoint: &checkpoint,
                    config: &config,
                    format: None,
                    bytes: 0,
                    loaded: &mut silent,
                };
                let weights = block_on(weights::load(loader, part_bytes));
                assert_eq!(weights.tables.word.len(), parts);
                let encoder = Encoder {
                    choice,
                    model: Model::Bert(weights),
                    batch_tokens: 200,
                    activations: RefCell::new(Rc::new(block_on(async {
                        Activations::new(&gpu, &config, &choice, 200)
                    }))),
                    config: config.clone(),
                    lock: Lock::default(),
                    pace: Pace::new(choice.flops_per_second),
                };
                let logits = block_on(encoder.logits(&gpu, &Batch::new(&pairs), &|| false));
                assert!(
                    close(&logits, &expected, 1e-2),
                    "{family:?} {part_bytes}: {logits:?} is not {expected:?}"
                );
            }
        }
    }
}
