//! From a checkpoint to a model in training.

use super::buffers::{Size, TrainingBuffers};
use super::dense::{Adapter, Trained, Weight};
use super::parameters::{Parameter, Parameters, Part, row};
use super::passes::NormParameters;
use super::tables::Tables;
use super::{Depth, Layer, Training};
use crate::checkpoint::{Checkpoint, WeightFormat};
use crate::config::{Activation, Config, Module};
use crate::encoder::loader::Loader;
use crate::encoder::weights;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, Pace, Plan};
use crate::ops::matmul::Weights;
use crate::ops::training::merge_lora::Lora;
use crate::ops::{Choice, Matrix, Storage, layer_norm, stride};

/// Rows of a tensor that are read at once.
const READ_ROWS: usize = 512;

/// Bytes of weights, gradients and moments.
pub(super) fn bytes(config: &Config, depth: Depth) -> u64 {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let layers = config.num_hidden_layers;
    let matrices = layers * (4 * hidden * hidden + 2 * hidden * inner);
    let tables = (config.vocab_size + config.max_position_embeddings) * stride(hidden);
    let head = hidden * hidden;
    // Master weight, gradient and two moments of what is trained, in f32; each matrix that gradients
    // go through and its transpose, in f16.
    let (trained, both_ways) = match depth {
        Depth::Head => (head, 0),
        Depth::Lora { rank, .. } => {
            let adapters = layers * rank * (3 * 2 * hidden + 2 * hidden + 2 * (hidden + inner));
            // The original weights are held, too.
            (adapters + head, 2 * matrices)
        }
        Depth::Full => (matrices + tables + head, matrices),
    };
    (2 * (matrices + tables + head + both_ways + head) + 16 * trained) as u64
}

impl Training {
    /// Streams `checkpoint` to the GPU and allocates its buffers. `loaded` is called with the bytes of
    /// weights that were read so far.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`] naming the tensor at fault, [`ErrorKind::Input`] where a model of
    /// this kind cannot be trained, or what the GPU says.
    pub async fn load(
        gpu: &Gpu,
        checkpoint: &Checkpoint,
        config: &Config,
        choice: Choice,
        depth: Depth,
        size: Size,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Training> {
        let family = config.family;
        if family.is_distilbert() || family.is_modernbert() {
            let name = family.architecture();
            let what = format!("is a {name}; RoBERTa, XLM-RoBERTa and BERT can be trained");
            return Err(Error::new(ErrorKind::Input, "config.json", what));
        }
        if config.hidden_act != Activation::Gelu {
            let what = "is another activation than the exact GELU, which is the only one through \
                        which this can be trained";
            return Err(Error::new(ErrorKind::Input, "config.json: hidden_act", what));
        }
        if config.labels.len() != 1 {
            let what =
                format!("has {} outputs; a scorer to be trained has one", config.labels.len());
            return Err(Error::new(ErrorKind::Input, "config.json", what));
        }
        if !config.head_size().is_multiple_of(4) {
            let what =
                format!("has heads of {}; a multiple of 4 can be trained", config.head_size());
            return Err(Error::new(ErrorKind::Input, "config.json", what));
        }
        let (format, part_bytes) = (Some(WeightFormat::F16), gpu.max_binding_bytes());
        let loader = Loader { gpu, checkpoint, config, format, bytes: 0, loaded };
        let mut weights = weights::load(loader, part_bytes).await?;
        let mut builder = Builder { gpu, checkpoint, depth, parameters: Parameters::new(gpu)? };
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let mut layers = Vec::new();
        if size.through_encoder {
            for (index, w) in weights.layers.iter_mut().enumerate() {
                let of = |module: fn(usize) -> Module| module(index).name(family);
                let qkv = [Module::Query, Module::Key, Module::Value].map(|m| (of(m), hidden));
                let out = [(of(Module::AttentionOut), hidden)];
                layers.push(Layer {
                    qkv: builder.dense(&mut w.qkv, &qkv).await?,
                    out: builder.dense(&mut w.out, &out).await?,
                    out_norm: builder.norm(&w.out_norm, &of(Module::AttentionNorm))?,
                    up: builder.dense(&mut w.up, &[(of(Module::Up), inner)]).await?,
                    down: builder.dense(&mut w.down, &[(of(Module::Down), hidden)]).await?,
                    down_norm: builder.norm(&w.down_norm, &of(Module::FfnNorm))?,
                });
            }
        }
        let tables = match depth {
            Depth::Full => {
                let norm = builder.norm(&weights.embed_norm, &Module::EmbedNorm.name(family))?;
                Some(Tables::new(&mut builder, config, &weights.tables, norm, size.tokens).await?)
            }
            _ => None,
        };
        builder.depth = Depth::Full;
        let dense = [(Module::Dense.name(family), hidden)];
        let dense = builder.dense(&mut weights.dense, &dense).await?;
        let project = [(Module::Project.name(family), 1)];
        let project = builder.dense(&mut weights.project, &project).await?;
        let training = Training {
            config: config.clone(),
            choice,
            pace: Pace::new(choice.flops_per_second),
            size,
            layers,
            tables,
            dense,
            project,
            parameters: builder.parameters,
            buffers: TrainingBuffers::new(gpu, config, &choice, size).await?,
            weights,
        };
        gpu.run(&Plan { steps: training.refresh()? }, &|| false).await?;
        gpu.finish().await?;
        Ok(training)
    }
}

/// Makes parameters of tensors.
pub(super) struct Builder<'a> {
    pub gpu: &'a Gpu,
    pub checkpoint: &'a Checkpoint,
    pub depth: Depth,
    pub parameters: Parameters,
}

impl Builder<'_> {
    /// Rows `first..first + rows` of the tensors of `parts`, one after the other, in f32.
    pub async fn master(
        &self,
        parts: &[Part],
        whole: &[usize],
        first: usize,
        width: usize,
    ) -> Result<Matrix> {
        let rows = parts.iter().map(|part| part.rows).sum();
        let matrix = Matrix::zeros(self.gpu, &parts[0].name, rows, width, Storage::F32)?;
        let mut at = 0;
        for (Part { name, rows }, &whole) in parts.iter().zip(whole) {
            let tensor = self.checkpoint.get(name, &[whole, width])?;
            for begin in (first..first + rows).step_by(READ_ROWS) {
                let end = (first + rows).min(begin + READ_ROWS);
                let mut numbers = Vec::new();
                tensor.read_rows(begin..end, &mut numbers).await?;
                matrix.write_rows(self.gpu, name, at, &numbers).await?;
                at += end - begin;
            }
        }
        Ok(matrix)
    }

    /// A parameter of one dimension that lies in `buffer`, where the kernels read it.
    pub fn vector(&mut self, buffer: &crate::gpu::Buffer, parts: Vec<Part>) -> Result<usize> {
        let width = parts.iter().map(|part| part.rows).sum();
        let parameter = Parameter::new(self.gpu, parts, true, row(buffer, width))?;
        Ok(self.parameters.add(parameter))
    }

    fn norm(&mut self, w: &layer_norm::Weights, name: &str) -> Result<NormParameters> {
        if self.depth != Depth::Full {
            return Ok(None);
        }
        let part = |suffix: &str| vec![Part { name: format!("{name}.{suffix}"), rows: w.width }];
        let gamma = self.vector(&w.gamma, part("weight"))?;
        Ok(Some([gamma, self.vector(&w.beta, part("bias"))?]))
    }

    /// A dense layer whose outputs are those of `modules` (name, outputs), one after the other.
    async fn dense(&mut self, live: &mut Weights, modules: &[(String, usize)]) -> Result<Trained> {
        let (inputs, outputs) = (live.inputs(), live.outputs());
        let label = &modules[0].0;
        let transposed = Weights::zeros(self.gpu, label, outputs, &vec![0.0; inputs]).await?;
        let parts = |suffix: &str| {
            let part = |(name, rows): &(String, usize)| Part {
                name: format!("{name}.{suffix}"),
                rows: *rows,
            };
            modules.iter().map(part).collect::<Vec<_>>()
        };
        let Depth::Lora { rank, alpha, seed } = self.depth else {
            let whole: Vec<usize> = modules.iter().map(|module| module.1).collect();
            let master = self.master(&parts("weight"), &whole, 0, inputs).await?;
            let weight = Parameter::new(self.gpu, parts("weight"), false, master)?;
            let weight = Weight::Full(self.parameters.add(weight));
            let bias = self.vector(live.bias_buffer(), parts("bias"))?;
            return Ok(Trained { transposed, weight, bias: Some(bias) });
        };
        let mut adapters = Vec::new();
        let mut first = 0;
        for (name, rows) in modules {
            let matrix = |suffix: &str, rows, width| {
                Matrix::zeros(self.gpu, suffix, rows, width, Storage::F32)
            };
            let lora = Lora {
                a: matrix("lora_A", rank, inputs)?,
                b: matrix("lora_B", *rows, rank)?,
                first,
                scale: (alpha / rank as f64) as f32,
            };
            // B begins as zeros, so that training begins with the model as it is.
            let numbers = uniform(seed, name, rank * inputs, 1.0 / (inputs as f32).sqrt());
            lora.a.write_rows(self.gpu, name, 0, &numbers).await?;
            let mut add = |suffix: &str, rows, matrix: &Matrix| {
                let parts = vec![Part { name: format!("{name}.{suffix}.weight"), rows }];
                let parameter = Parameter::new(self.gpu, parts, false, matrix.clone())?;
                Ok::<_, Error>(self.parameters.add(parameter))
            };
            let (a, b) = (add("lora_A", rank, &lora.a)?, add("lora_B", *rows, &lora.b)?);
            adapters.push(Adapter { lora, a, b });
            first += rows;
        }
        // The forward pass reads the sum; the original weights are held to add to.
        let merged = Weights::zeros(self.gpu, label, inputs, &vec![0.0; outputs]).await?;
        let sum = Weights::over(
            merged.panel_buffer().clone(),
            live.bias_buffer().clone(),
            inputs,
            outputs,
        );
        let before = std::mem::replace(live, sum);
        Ok(Trained { transposed, weight: Weight::Lora { before, adapters }, bias: None })
    }
}

/// Numbers from -size to size, the same for the same seed and name everywhere: SplitMix64 (Steele,
/// Lea and Flood, 2014), begun with a hash (FNV-1a) of the name.
fn uniform(seed: u64, name: &str, count: usize, size: f32) -> Vec<f32> {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, hash);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 40
    };
    (0..count).map(|_| (next() as f32 / (1u64 << 23) as f32 - 1.0) * size).collect()
}
