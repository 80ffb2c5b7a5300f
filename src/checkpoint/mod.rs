//! Named, shape-checked tensors over byte sources.
//!
//! A [`Checkpoint`] knows the names and shapes of a model's tensors and where their numbers stand.
//! The numbers themselves are read in rows, a few at a time, so that a model need not fit memory.

mod adapter;
mod adapter_files;
mod directory;
mod dtype;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
pub mod hub;
mod memory;
pub(crate) mod modules;
mod names;
mod open;
mod quantised;
mod quantised_view;
mod random;
mod safetensors;
pub mod source;
mod tensor;
mod torch;
mod view;
mod write;
mod write_quantised;

use std::collections::BTreeMap;
use std::fmt;

pub use self::adapter::{ADAPTER_CONFIG, ADAPTER_WEIGHTS};
pub use self::adapter_files::{adapted_matrices, adapter_config, adapter_shapes};
pub use self::directory::{Directory, write_file};
pub use self::dtype::Dtype;
pub use self::memory::MemoryFiles;
pub(crate) use self::modules::Chain;
pub use self::names::tensor_shapes;
pub use self::quantised::{LEAST_EXPONENT, Quantised, WeightFormat, scheme};
pub use self::random::RandomProfile;
pub use self::source::{ByteSource, Files, LocalFuture, read_all, small_files};
pub use self::tensor::Tensor;
pub use self::write::{Writer, write_model};
pub use self::write_quantised::{QuantisedWriter, Rounding, write_quantised};

use self::adapter::LowRank;
use self::quantised_view::QuantisedView;
use self::random::RandomTensor;
use self::view::{Element, View};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// The named tensors of one model.
pub struct Checkpoint {
    /// The files that the stored tensors point into.
    sources: Vec<Box<dyn ByteSource>>,
    tensors: BTreeMap<String, Held>,
    /// What an adapter adds to matrices.
    low_rank: Vec<LowRank>,
    format: String,
    file_bytes: u64,
}

/// One tensor, wherever its numbers come from.
enum Held {
    Stored(View),
    Quantised(QuantisedView),
    Random(Vec<usize>, RandomTensor),
}

impl Checkpoint {
    /// Opens the weights in a folder: `model.safetensors`, else safetensors in shards that
    /// `model.safetensors.index.json` lists, else the same of `pytorch_model.bin`. Only headers are
    /// read; no numbers are.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none of them or a shard is missing, and
    /// [`ErrorKind::Checkpoint`] naming the file, and the tensor or entry, that is broken or uses
    /// what is not supported.
    pub async fn open(files: &dyn Files) -> Result<Checkpoint> {
        open::open(files).await
    }

    /// Random weights of this shape, the same for the same seed everywhere. They are made when they
    /// are read and take no memory.
    ///
    /// ```
    /// # let config = cappy::Config {
    /// #     family: cappy::Family::Roberta, vocab_size: 11, hidden_size: 6, num_hidden_layers: 1, num_attention_heads: 2,
    /// #     intermediate_size: 10, hidden_act: cappy::Activation::Gelu, max_position_embeddings: 9, type_vocab_size: 1,
    /// #     layer_norm_eps: 1e-5, pad_token_id: 1, labels: vec!["LABEL_0".into()],
    /// #     modernbert: None,
    /// # };
    /// use cappy::checkpoint::{Checkpoint, RandomProfile};
    /// let checkpoint = Checkpoint::random(&config, 1, RandomProfile::Plain);
    /// let words = checkpoint.get("roberta.embeddings.word_embeddings.weight", &[11, 6])?;
    /// let mut numbers = Vec::new();
    /// pollster::block_on(words.read_rows(9..11, &mut numbers))?;
    /// assert_eq!(numbers.len(), 2 * words.row_len());
    /// # Ok::<(), cappy::Error>(())
    /// ```
    pub fn random(config: &Config, seed: u32, profile: RandomProfile) -> Checkpoint {
        let mut file_bytes = 0;
        let tensors = tensor_shapes(config).into_iter().map(|(name, shape)| {
            let row_len = shape[1..].iter().product();
            file_bytes += 4 * (shape[0] * row_len) as u64;
            let random = RandomTensor::new(&name, row_len, seed, profile);
            (name, Held::Random(shape, random))
        });
        let tensors = tensors.collect();
        Checkpoint {
            sources: Vec::new(),
            tensors,
            low_rank: Vec::new(),
            format: "random".into(),
            file_bytes,
        }
    }

    /// The same model as the adapter in `files` changes it: what is read of its matrices is
    /// `W + scale * B A`, and the adapter's classifier takes the place of the model's own. Of the
    /// adapter only names and shapes are read here; they must fit `config`.
    ///
    /// A folder of Hugging Face `peft` is one: `adapter_model.safetensors` with
    /// `adapter_config.json`, for LoRA (also with `use_rslora`) on any of the encoder's matrices,
    /// without biases. An adapter of the classifier alone needs no `adapter_config.json`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a file that is missing, [`ErrorKind::Config`] naming the field of
    /// `adapter_config.json` that is broken or not supported, and [`ErrorKind::Checkpoint`] naming
    /// the tensor that is missing, does not fit the model, or is of another kind of adapter. In a
    /// browser without the feature `adapt` always [`ErrorKind::Input`].
    pub async fn with_adapter(mut self, files: &dyn Files, config: &Config) -> Result<Checkpoint> {
        apply(&mut self, files, config).await?;
        Ok(self)
    }

    /// The tensor that is called `name` in a checkpoint of the whole classifier. In one of the bare
    /// encoder it is found without its `roberta.`, `bert.` or `distilbert.`, and a LayerNorm's also
    /// by the `gamma` and `beta` of older checkpoints.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`] naming the tensor when there is none of this name, when its shape
    /// is not `shape`, or when it is not made of f64, f32, f16 or bf16.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor<'_>> {
        let refuse = |what: String| Error::new(ErrorKind::Checkpoint, name, what);
        let held = self.find(name).ok_or_else(|| {
            let near = names::near(name, self.names());
            refuse(match &near[..] {
                [] => "is not in the checkpoint, nor is anything like it".into(),
                near => format!("is not in the checkpoint; near it are {}", near.join(", ")),
            })
        })?;
        let (found, dtype) = match held {
            Held::Random(shape, _) => (shape, Dtype::F32),
            Held::Quantised(QuantisedView { shape, .. }) => (shape, Dtype::F16),
            Held::Stored(View { shape, element: Element::Float(dtype), .. }) => (shape, *dtype),
            Held::Stored(View { element, .. }) => {
                let what = format!("is made of {element}, expected f64, f32, f16 or bf16");
                return Err(refuse(what));
            }
        };
        if found != shape {
            return Err(refuse(format!("has shape {found:?}, expected {shape:?}")));
        }
        Ok(Tensor::new(self, name, held, found, dtype))
    }

    fn find(&self, name: &str) -> Option<&Held> {
        let mut names = [Some(name), names::bare(name)].into_iter().flatten();
        names.find_map(|name| {
            self.tensors.get(name).or_else(|| self.tensors.get(&names::older(name)?))
        })
    }

    /// The shape of the tensor that stands in the files as `name`, as [`names`](Self::names) lists it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|held| match held {
            Held::Stored(view) => &view.shape[..],
            Held::Quantised(view) => &view.shape[..],
            Held::Random(shape, _) => shape,
        })
    }

    /// Bytes of all files with weights, or what random weights would take in f32.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// How its matrices are stored; where they differ, those in the fewest bits.
    pub fn weight_format(&self) -> WeightFormat {
        let formats = self.tensors.values().map(|held| match held {
            Held::Quantised(view) => view.format,
            _ => WeightFormat::F16,
        });
        formats.min_by_key(|format| format.bits()).unwrap_or(WeightFormat::F16)
    }

    /// What the weights come from, for people: "safetensors", "torch zip, 2 shards", "random".
    pub fn format(&self) -> &str {
        &self.format
    }

    /// The tensors' names as they stand in the files, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }
}

/// Not `async`, for the compiler to see that it may leave out what reads adapters: pages that only
/// score are spared it.
fn apply<'a>(
    to: &'a mut Checkpoint,
    files: &'a dyn Files,
    config: &'a Config,
) -> LocalFuture<'a, Result<()>> {
    if cfg!(any(feature = "adapt", not(target_arch = "wasm32"))) {
        return Box::pin(adapter::apply(to, files, config));
    }
    let what = "needs the feature \"adapt\" in a browser";
    Box::pin(async move { Err(Error::new(ErrorKind::Input, files.describe(), what)) })
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("format", &self.format)
            .field("file_bytes", &self.file_bytes)
            .field("tensors", &self.tensors.len())
            .finish()
    }
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use super::names::tests::small_config;
    use super::testing::{counted, fixture, open, read};
    use super::*;

    #[test]
    fn names_are_found_with_and_without_prefix() {
        let whole = open("pytorch_model.bin", fixture("model.bin")).unwrap();
        let words = "roberta.embeddings.word_embeddings.weight";
        assert_eq!(read(&whole, words, &[5, 3]).unwrap(), counted(0, 15));
        let bare = open("model.safetensors", fixture("mixed.safetensors")).unwrap();
        assert_eq!(read(&bare, "roberta.f32", &[3, 4]).unwrap(), counted(0, 12));
        assert!(bare.get("other.f32", &[3, 4]).is_err());
    }

    #[test]
    fn a_norm_is_found_by_the_names_of_older_checkpoints() {
        let names = [
            "roberta.embeddings.LayerNorm.gamma",
            "encoder.layer.0.output.LayerNorm.beta",
            "roberta.both.LayerNorm.beta",
            "roberta.both.LayerNorm.bias",
            "roberta.query.gamma",
        ];
        let tensors = names.map(|name| (name.to_owned(), vec![2]));
        let file = Writer::new(Vec::new(), "f", &tensors, Dtype::F32).and_then(|mut writer| {
            (0..5).try_for_each(|i| writer.write(&[i as f32, 0.5]))?;
            writer.finish()
        });
        let checkpoint = open("model.safetensors", file.unwrap()).unwrap();
        for (name, number) in [
            ("roberta.embeddings.LayerNorm.weight", 0.0),
            ("roberta.encoder.layer.0.output.LayerNorm.bias", 1.0),
            ("roberta.both.LayerNorm.bias", 3.0),
        ] {
            assert_eq!(read(&checkpoint, name, &[2]).unwrap(), [number, 0.5], "{name}");
        }
        for name in ["roberta.query.weight", "roberta.embeddings.LayerNorm.bias"] {
            assert_eq!(checkpoint.get(name, &[2]).unwrap_err().at_fault(), name);
        }
    }

    #[test]
    fn a_missing_tensor_names_near_ones() {
        let checkpoint = open("pytorch_model.bin", fixture("model.bin")).unwrap();
        let error = checkpoint.get("classifier.dense.weights", &[2, 3]).unwrap_err();
        assert_eq!(error.at_fault(), "classifier.dense.weights");
        let message = error.to_string();
        assert!(message.contains("near it are classifier.dense.weight, "), "{message}");
        let message = checkpoint.get("x", &[2]).unwrap_err().to_string();
        assert!(message.contains("nor is anything like it"), "{message}");
    }

    #[test]
    fn a_wrong_shape_shows_both() {
        let checkpoint = open("pytorch_model.bin", fixture("model.bin")).unwrap();
        for shape in [&[3usize, 2][..], &[6], &[2, 3, 1], &[]] {
            let message = checkpoint.get("classifier.dense.weight", shape).unwrap_err().to_string();
            assert!(message.contains("has shape [2, 3]"), "{message}");
            assert!(message.contains(&format!("expected {shape:?}")), "{message}");
        }
    }

    #[test]
    fn random_weights_have_every_tensor() {
        let config = small_config();
        let checkpoint = Checkpoint::random(&config, 5, RandomProfile::Plain);
        let mut numbers = 0;
        for (name, shape) in tensor_shapes(&config) {
            let read = read(&checkpoint, &name, &shape).unwrap();
            assert_eq!(read.len(), shape.iter().product::<usize>(), "{name}");
            numbers += read.len() as u64;
        }
        assert_eq!(checkpoint.file_bytes(), 4 * numbers);
        assert_eq!(checkpoint.format(), "random");
        assert_eq!(checkpoint.names().count(), tensor_shapes(&config).len());
    }
}
