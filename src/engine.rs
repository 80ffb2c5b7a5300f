//! What computes the scores: the GPU, or the CPU where that is asked for or there is no other way.

use crate::checkpoint::{Checkpoint, WeightFormat};
use crate::config::Config;
#[cfg(feature = "cpu")]
use crate::cpu::{CpuEncoder, Numbers, threads};
#[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
use crate::encoder::{Encoder, self_test};
use crate::error::Result;
#[cfg(feature = "cpu")]
use crate::error::{Error, ErrorKind};
#[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
use crate::gpu::Gpu;
use crate::gpu::{AdapterSummary, Dtype};
use crate::scorer::LoadOptions;
#[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
use crate::scorer::{batch_tokens, open_proven};
use crate::tokenizer::Encoded;

/// Tokens of a batch on the CPU, for each thread that computes.
#[cfg(feature = "cpu")]
const CPU_TOKENS: usize = 512;

/// The most of them, where memory for activations is to stay within a few hundred MiB.
#[cfg(feature = "cpu")]
const MOST_CPU_TOKENS: usize = 4096;

/// Where to compute.
#[cfg(feature = "cpu")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// The GPU where there is an adapter, software or not; else the CPU. WebAssembly with the
    /// feature `cpu` has no GPU.
    #[default]
    Auto,
    /// The GPU or nothing.
    Gpu,
    /// The CPU, without shaders.
    Cpu,
}

/// A model where it is computed.
#[cfg_attr(
    all(feature = "cpu", not(target_arch = "wasm32")),
    expect(clippy::large_enum_variant, reason = "one value a scorer")
)]
pub(crate) enum Engine {
    #[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
    Gpu { gpu: Gpu, encoder: Encoder },
    #[cfg(feature = "cpu")]
    Cpu(CpuEncoder),
}

/// An engine, and what [`crate::Info`] says of it.
pub(crate) struct Started {
    pub engine: Engine,
    pub gpu_bytes: u64,
    #[cfg(feature = "cpu")]
    pub cpu_bytes: u64,
    pub adapter: AdapterSummary,
    pub dtype: Dtype,
    pub weights: WeightFormat,
    pub note: Option<String>,
    pub batch_tokens: usize,
    pub kernels: String,
    pub tuning_seconds: f64,
    pub tuning: String,
}

impl Started {
    /// Opens what `options` asks for and reads the weights; `loaded` is told how many bytes of them
    /// are there.
    #[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
    pub async fn new(
        options: &LoadOptions<'_>,
        checkpoint: &Checkpoint,
        config: &Config,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Started> {
        if options.device == Device::Cpu {
            return Started::on_cpu(options, checkpoint, config, loaded, None).await;
        }
        let why = match Started::on_gpu(options, checkpoint, config, loaded).await {
            Err(why) if why.kind() == ErrorKind::NoAdapter => why,
            started => return started,
        };
        // Who asks for something that only a GPU has, wants that.
        if options.device == Device::Gpu || options.dtype == Dtype::F16 || options.kernel.is_some()
        {
            return Err(why);
        }
        let note = format!("computes on the CPU: {}", why.what());
        Started::on_cpu(options, checkpoint, config, loaded, Some(note)).await
    }

    /// The same without a GPU, which keeps wgpu out of the module.
    #[cfg(all(feature = "cpu", target_arch = "wasm32"))]
    pub async fn new(
        options: &LoadOptions<'_>,
        checkpoint: &Checkpoint,
        config: &Config,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Started> {
        Started::on_cpu(options, checkpoint, config, loaded, None).await
    }

    /// The same on the GPU.
    #[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
    pub async fn on_gpu(
        options: &LoadOptions<'_>,
        checkpoint: &Checkpoint,
        config: &Config,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Started> {
        let format = options.weights.unwrap_or(checkpoint.weight_format());
        let prove = async |gpu: &Gpu, choice| self_test(gpu, choice, format).await;
        let (gpu, tuned, note) = open_proven(options, format, prove).await?;
        let choice = tuned.choice;
        let batch_tokens = batch_tokens(&tuned, config, options.batch_tokens);
        let before = gpu.allocated_bytes();
        let weights = options.weights;
        let encoder =
            Encoder::load(&gpu, checkpoint, config, choice, weights, batch_tokens, loaded).await?;
        Ok(Started {
            gpu_bytes: gpu.allocated_bytes() - before,
            #[cfg(feature = "cpu")]
            cpu_bytes: 0,
            adapter: gpu.adapter().clone(),
            dtype: gpu.dtype(),
            weights: format,
            note,
            batch_tokens,
            kernels: choice.describe(),
            tuning_seconds: tuned.seconds,
            tuning: tuned.to_text(&gpu),
            engine: Engine::Gpu { gpu, encoder },
        })
    }

    #[cfg(feature = "cpu")]
    async fn on_cpu(
        options: &LoadOptions<'_>,
        checkpoint: &Checkpoint,
        config: &Config,
        loaded: &mut dyn FnMut(u64),
        note: Option<String>,
    ) -> Result<Started> {
        if options.dtype == Dtype::F16 || options.kernel.is_some() {
            let option = if options.kernel.is_some() { "kernel" } else { "dtype" };
            let why = "is for shaders, and the CPU runs none";
            return Err(Error::new(ErrorKind::Input, option, why));
        }
        let small = matches!(options.weights, Some(WeightFormat::Q8 | WeightFormat::Q4));
        let asked = small.then_some(Numbers::I8);
        let numbers = options.numbers.or(asked).unwrap_or_default();
        let encoder = CpuEncoder::load(checkpoint, config, numbers, loaded).await?;
        let threads = threads();
        let tokens = (CPU_TOKENS * threads).min(MOST_CPU_TOKENS);
        Ok(Started {
            gpu_bytes: 0,
            cpu_bytes: encoder.bytes(),
            adapter: AdapterSummary {
                name: format!("{}, threads: {threads}", std::env::consts::ARCH),
                backend: "cpu".into(),
                driver: String::new(),
                device_type: "cpu".into(),
                f16: false,
                timestamps: false,
                max_binding_bytes: 0,
                subgroup_size: 0,
                cooperative: Vec::new(),
            },
            dtype: Dtype::F32,
            // Its integers of 14 bits are about as fine as f16.
            weights: if numbers == Numbers::I8 { WeightFormat::Q8 } else { WeightFormat::F16 },
            note,
            batch_tokens: options.batch_tokens.unwrap_or(tokens).max(config.max_tokens()),
            kernels: encoder.describe(),
            tuning_seconds: 0.0,
            tuning: String::new(),
            engine: Engine::Cpu(encoder),
        })
    }
}

impl Engine {
    /// The raw logits of each of `pairs`: `[pairs][labels]`. `stop` is asked now and then.
    pub async fn logits(
        &self,
        pairs: &[Encoded],
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        match self {
            #[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
            Engine::Gpu { gpu, encoder } => {
                encoder.logits(gpu, &crate::batch::Batch::new(pairs), stop).await
            }
            #[cfg(feature = "cpu")]
            Engine::Cpu(encoder) => encoder.logits(pairs, stop).await,
        }
    }

    /// What makes the score of `pair` something that is not finite, for people; `None` where it is
    /// finite when it is computed once more.
    #[cfg_attr(all(feature = "cpu", target_arch = "wasm32"), expect(unused_variables))]
    pub async fn why_not_finite(&self, pair: &Encoded) -> Result<Option<String>> {
        match self {
            #[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
            Engine::Gpu { gpu, encoder } => {
                let batch = crate::batch::Batch::new(std::slice::from_ref(pair));
                let place = encoder.first_overflow(gpu, &batch).await?;
                Ok(place.map(|place| format!("the model overflows f16 in {place}")))
            }
            #[cfg(feature = "cpu")]
            Engine::Cpu(_) => Ok(Some("the model overflows on it".into())),
        }
    }
}
