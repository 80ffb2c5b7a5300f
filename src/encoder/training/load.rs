//! From a checkpoint to a model in training.

use super::buffers::{Size, TrainingBuffers};
use super::dense::{Adapter, Trained, Weight};
use super::modernbert::ModernBertTraining;
use super::parameters::{Paired, Parameter, Parameters, Part, row};
use super::passes::NormParameters;
use super::tables::Tables;
use super::{Bert, Depth, Layer, Model, Training};
use crate::checkpoint::{Checkpoint, WeightFormat};
use crate::config::{Activation, Config, Module};
use crate::encoder::loader::{Loader, has_bias};
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
    // ModernBERT has one matrix of queries, keys and values, gates, and no positions.
    let (up, positions, qkv) = match config.modernbert {
        Some(_) => (2 * inner, 0, 4 * hidden),
        None => (inner, config.max_position_embeddings, 3 * 2 * hidden),
    };
    let matrices = layers * (4 * hidden * hidden + hidden * (up + inner));
    let tables = (config.vocab_size + positions) * stride(hidden);
    let head = hidden * hidden;
    // Master weight, gradient and two moments of what is trained, in f32; each matrix that gradients
    // go through and its transpose, in f16.
    let (trained, both_ways) = match depth {
        Depth::Head => (head, 0),
        Depth::Lora { rank, .. } => {
            let adapters = layers * rank * (qkv + 2 * hidden + (hidden + up) + (inner + hidden));
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
        check(config, size)?;
        let (format, part_bytes) = (Some(WeightFormat::F16), gpu.max_binding_bytes());
        let loader = Loader { gpu, checkpoint, config, format, bytes: 0, loaded };
        let mut builder =
            Builder { gpu, checkpoint, config, depth, parameters: Parameters::new(gpu)? };
        let (model, dense, project) = match &config.modernbert {
            Some(of) => {
                let mut model =
                    ModernBertTraining::load(loader, &mut builder, of, part_bytes, size).await?;
                let w = &mut model.weights;
                let (dense, project) = builder.head(&mut w.dense, &mut w.project).await?;
                (Model::ModernBert(model), dense, project)
            }
            None => {
                let weights = weights::load(loader, part_bytes).await?;
                let mut model = builder.bert(weights, size).await?;
                let w = &mut model.weights;
                let (dense, project) = builder.head(&mut w.dense, &mut w.project).await?;
                (Model::Bert(model), dense, project)
            }
        };
        let training = Training {
            config: config.clone(),
            choice,
            pace: Pace::new(choice.flops_per_second),
            size,
            model,
            dense,
            project,
            parameters: builder.parameters,
            buffers: TrainingBuffers::new(gpu, config, &choice, size).await?,
        };
        gpu.run(&Plan { steps: training.refresh()? }, &|| false).await?;
        gpu.finish().await?;
        Ok(training)
    }
}

/// Refuses what cannot be trained.
fn check(config: &Config, size: Size) -> Result<()> {
    let refuse = |field: &str, what: String| {
        let at_fault = format!("config.json{field}");
        Err(Error::new(ErrorKind::Input, at_fault, what))
    };
    let family = config.family;
    if family.is_distilbert() {
        let name = family.architecture();
        let what = format!("is a {name}; RoBERTa, XLM-RoBERTa, BERT and ModernBERT can be trained");
        return refuse("", what);
    }
    if config.hidden_act != Activation::Gelu && !family.is_modernbert() {
        let what = "is another activation than the exact GELU, which is the only one through \
                    which this can be trained";
        return refuse(": hidden_act", what.into());
    }
    if config.labels.len() != 1 {
        let outputs = config.labels.len();
        return refuse("", format!("has {outputs} outputs; a scorer to be trained has one"));
    }
    let sizes = [("heads", config.head_size()), ("gates", config.intermediate_size)];
    // Only training that goes through the layers reads gates.
    let gated = family.is_modernbert() && size.through_encoder;
    match sizes[..1 + usize::from(gated)].iter().find(|(_, size)| !size.is_multiple_of(4)) {
        Some((what, size)) => {
            refuse("", format!("has {what} of {size}; a multiple of 4 can be trained"))
        }
        None => Ok(()),
    }
}

/// Makes parameters of tensors.
pub(super) struct Builder<'a> {
    pub gpu: &'a Gpu,
    pub checkpoint: &'a Checkpoint,
    pub config: &'a Config,
    pub depth: Depth,
    pub parameters: Parameters,
}

impl Builder<'_> {
    /// Rows `first..first + rows` of the tensors of `parts`, one after the other, in f32. Of a tensor with rows
    /// that are `paired`, all of them.
    pub async fn master(
        &self,
        parts: &[Part],
        whole: &[usize],
        first: usize,
        width: usize,
        paired: Option<Paired>,
    ) -> Result<Matrix> {
        let rows = parts.iter().map(|part| part.rows).sum();
        let matrix = Matrix::zeros(self.gpu, &parts[0].name, rows, width, Storage::F32)?;
        let mut at = 0;
        for (Part { name, rows }, &whole) in parts.iter().zip(whole) {
            let tensor = self.checkpoint.get(name, &[whole, width])?;
            // Pairs lie within heads, which are read at once.
            let at_once = if paired.is_some() { *rows } else { READ_ROWS };
            for begin in (first..first + rows).step_by(at_once) {
                let end = (first + rows).min(begin + at_once);
                let mut numbers = Vec::new();
                tensor.read_rows(begin..end, &mut numbers).await?;
                if let Some(paired) = paired {
                    numbers = paired.arrange(numbers, width);
                }
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

    /// The LayerNorm of `module`.
    pub fn norm(&mut self, w: &layer_norm::Weights, module: Module) -> Result<NormParameters> {
        if self.depth != Depth::Full {
            return Ok(None);
        }
        let name = module.name(self.config.family);
        let part = |suffix: &str| vec![Part { name: format!("{name}.{suffix}"), rows: w.width }];
        let gamma = self.vector(&w.gamma, part("weight"))?;
        let beta = match has_bias(self.config, module) {
            true => Some(self.vector(&w.beta, part("bias"))?),
            false => None,
        };
        Ok(Some((gamma, beta)))
    }

    /// The encoder of RoBERTa and its like.
    async fn bert(&mut self, mut weights: weights::Weights, size: Size) -> Result<Bert> {
        let (hidden, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let mut layers = Vec::new();
        if size.through_encoder {
            for (index, w) in weights.layers.iter_mut().enumerate() {
                let qkv = [Module::Query, Module::Key, Module::Value].map(|m| (m(index), hidden));
                layers.push(Layer {
                    qkv: self.dense(&mut w.qkv, &qkv).await?,
                    out: self.dense(&mut w.out, &[(Module::AttentionOut(index), hidden)]).await?,
                    out_norm: self.norm(&w.out_norm, Module::AttentionNorm(index))?,
                    up: self.dense(&mut w.up, &[(Module::Up(index), inner)]).await?,
                    down: self.dense(&mut w.down, &[(Module::Down(index), hidden)]).await?,
                    down_norm: self.norm(&w.down_norm, Module::FfnNorm(index))?,
                });
            }
        }
        let tables = match self.depth {
            Depth::Full => {
                let norm = self.norm(&weights.embed_norm, Module::EmbedNorm)?;
                Some(Tables::new(self, &weights.tables, norm, size.tokens).await?)
            }
            _ => None,
        };
        Ok(Bert { weights, layers, tables })
    }

    /// Both dense layers of the head, which is trained at every depth.
    async fn head(
        &mut self,
        dense: &mut Weights,
        project: &mut Weights,
    ) -> Result<(Trained, Trained)> {
        self.depth = Depth::Full;
        let dense = self.dense(dense, &[(Module::Dense, self.config.hidden_size)]).await?;
        Ok((dense, self.dense(project, &[(Module::Project, 1)]).await?))
    }

    /// A dense layer whose outputs are those of `modules`, so many of each, one after the other.
    pub async fn dense(
        &mut self,
        live: &mut Weights,
        modules: &[(Module, usize)],
    ) -> Result<Trained> {
        let (inputs, outputs) = (live.inputs(), live.outputs());
        let family = self.config.family;
        let has_bias = has_bias(self.config, modules[0].0);
        // Rotary positions rotate the first half of each head of q and k into the second one.
        let paired = match modules[0].0 {
            Module::Query(_) if family.is_modernbert() => {
                Some(Paired { head: self.config.head_size(), rows: 2 * inputs })
            }
            _ => None,
        };
        let modules: Vec<(String, usize)> =
            modules.iter().map(|(module, outputs)| (module.name(family), *outputs)).collect();
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
            let master = self.master(&parts("weight"), &whole, 0, inputs, paired).await?;
            let weight = Parameter::new(self.gpu, parts("weight"), false, master)?;
            let weight = self.parameters.add(Parameter { paired, ..weight });
            let bias = match has_bias {
                true => Some(self.vector(live.bias_buffer(), parts("bias"))?),
                false => None,
            };
            if let Some(bias) = bias {
                self.parameters.list[bias].paired = paired;
            }
            return Ok(Trained { transposed, weight: Weight::Full(weight), bias });
        };
        let mut adapters = Vec::new();
        let mut first = 0;
        for (name, rows) in &modules {
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
            self.parameters.list[b].paired = paired;
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
