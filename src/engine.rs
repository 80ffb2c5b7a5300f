//! What computes the scores: the GPU or the CPU, as asked for, or else the faster of them.

#[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
mod auto;

#[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
use std::cell::RefCell;

#[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
use self::auto::{Verdict, in_full, is_of_the_gpu, remembered_verdict};
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
#[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
#[cfg(any(feature = "cpu", target_arch = "wasm32"))]
use crate::ops::Choice;
#[cfg(any(feature = "cpu", target_arch = "wasm32"))]
use crate::pace;
use crate::scorer::LoadOptions;
#[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
use crate::scorer::{batch_tokens, open_proven};
use crate::tokenizer::Encoded;
#[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
use crate::tune::Tuned;
#[cfg(all(target_arch = "wasm32", not(feature = "cpu")))]
use crate::tune::tune;

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
    /// The faster of GPU and CPU, as a short measurement of both finds that
    /// [`LoadOptions::tuning`] can remember; the CPU where the GPU cannot be used. The GPU for what
    /// only it has: [`LoadOptions::kernel`] and [`Dtype::F16`]. WebAssembly with the feature `cpu`
    /// has no GPU.
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
        let only_gpu = options.dtype == Dtype::F16 || options.kernel.is_some();
        match options.device {
            Device::Cpu => Started::on_cpu(options, checkpoint, config, loaded, None).await,
            Device::Auto if !only_gpu => {
                Started::on_the_faster(options, checkpoint, config, loaded).await
            }
            _ => {
                let mut started =
                    Started::on_gpu(options, checkpoint, config, loaded, async |_, _| Ok(()))
                        .await?;
                started.tuning += &options.tuning.map(remembered_verdict).unwrap_or_default();
                Ok(started)
            }
        }
    }

    /// The same on the faster of GPU and CPU.
    #[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
    async fn on_the_faster(
        options: &LoadOptions<'_>,
        checkpoint: &Checkpoint,
        config: &Config,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Started> {
        let measured = RefCell::new(None);
        let consider = async |gpu: &Gpu, tuned: &Tuned| {
            let verdict = Verdict::of(options.tuning, gpu, tuned, numbers(options)).await?;
            let (is_cpu, told) = (verdict.is_cpu(), verdict.tell(config, gpu));
            let tuning = tuned.to_text(gpu) + &verdict.to_text();
            measured.replace(Some((is_cpu, told, tuning, tuned.seconds + verdict.seconds)));
            match is_cpu {
                true => Err(Error::new(ErrorKind::AdapterTooSmall, "GPU", "is the slower way")),
                false => Ok(()),
            }
        };
        let started = Started::on_gpu(options, checkpoint, config, loaded, consider).await;
        let measured = measured.into_inner();
        let mut started = match started {
            Err(why) if is_of_the_gpu(&why) => {
                let note = match &measured {
                    Some((true, told, ..)) => told.clone(),
                    _ => format!("computes on the CPU: {}", in_full(&why)),
                };
                Started::on_cpu(options, checkpoint, config, loaded, Some(note)).await?
            }
            Err(why) => return Err(why),
            Ok(started) => {
                let told = measured.iter().map(|(_, told, ..)| told.clone());
                let note = told.chain(started.note).collect::<Vec<_>>().join("; ");
                Started { note: Some(note), ..started }
            }
        };
        if let Some((_, _, tuning, seconds)) = measured {
            (started.tuning, started.tuning_seconds) = (tuning, seconds);
        }
        Ok(started)
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

    /// The same on the GPU, unless `consider` finds a reason against it.
    #[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
    pub async fn on_gpu(
        options: &LoadOptions<'_>,
        checkpoint: &Checkpoint,
        config: &Config,
        loaded: &mut dyn FnMut(u64),
        consider: impl AsyncFn(&Gpu, &Tuned) -> Result<()>,
    ) -> Result<Started> {
        let format = options.weights.unwrap_or(checkpoint.weight_format());
        let prove = async |gpu: &Gpu, tuned: &Tuned| {
            consider(gpu, tuned).await?;
            self_test(gpu, tuned.choice, format, config.hidden_act).await
        };
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
        let numbers = numbers(options);
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

/// What the CPU multiplies.
#[cfg(feature = "cpu")]
fn numbers(options: &LoadOptions<'_>) -> Numbers {
    let small = matches!(options.weights, Some(WeightFormat::Q8 | WeightFormat::Q4));
    let asked = small.then_some(Numbers::I8);
    options.numbers.or(asked).unwrap_or_default()
}

/// Microseconds of the fixed forward pass on the GPU.
#[cfg(not(all(feature = "cpu", target_arch = "wasm32")))]
#[cfg(any(feature = "cpu", target_arch = "wasm32"))]
async fn gpu_pace(gpu: &Gpu, choice: Choice, format: Option<WeightFormat>) -> Result<u32> {
    let (config, checkpoint, pairs) = pace::work();
    let encoder =
        Encoder::load(gpu, &checkpoint, &config, choice, format, pace::TOKENS, &mut |_| {}).await?;
    let batch = crate::batch::Batch::new(&pairs);
    pace::fastest(async || encoder.logits(gpu, &batch, &|| false).await.map(drop)).await
}

/// The same on the CPU.
#[cfg(feature = "cpu")]
async fn cpu_pace(numbers: Numbers) -> Result<u32> {
    let (config, checkpoint, pairs) = pace::work();
    let encoder = CpuEncoder::load(&checkpoint, &config, numbers, &mut |_| {}).await?;
    pace::fastest(async || encoder.logits(&pairs, &|| false).await.map(drop)).await
}

/// Opens the GPU and measures it; what [`Tuned::to_text`] says of it, unless the fixed forward pass
/// takes `rival` microseconds here or longer. It is not run where the kernels' own pace shows that no
/// CPU can be as fast.
///
/// # Errors
/// As [`pace::beat`], and what the GPU says.
#[cfg(all(target_arch = "wasm32", not(feature = "cpu")))]
pub(crate) async fn compete(
    kernel: Option<&str>,
    tuning: Option<&str>,
    subgroup_size: u32,
    rival: u32,
) -> Result<String> {
    let mut gpu = Gpu::open(Dtype::Auto).await?;
    gpu.grant_subgroups(subgroup_size);
    let tuned = tune(&gpu, WeightFormat::F16, kernel, tuning).await?;
    if tuned.flops_per_second < pace::FASTER_THAN_ANY_CPU {
        pace::beat(rival, gpu_pace(&gpu, tuned.choice, None).await?)?;
    }
    Ok(tuned.to_text(&gpu))
}

/// The same without a GPU, where there is nothing to say.
#[cfg(all(target_arch = "wasm32", feature = "cpu"))]
pub(crate) async fn compete(
    _: Option<&str>,
    _: Option<&str>,
    _: u32,
    rival: u32,
) -> Result<String> {
    pace::beat(rival, cpu_pace(Numbers::default()).await?)?;
    Ok(String::new())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "cpu")]
    fn the_fixed_pass_runs_on_both_and_the_faster_one_is_known() {
        pollster::block_on(async {
            let gpu = Gpu::open(Dtype::Auto).await.unwrap();
            let on_gpu = gpu_pace(&gpu, Choice::safe(), None).await.unwrap();
            let on_cpu = cpu_pace(Numbers::I16).await.unwrap();
            assert!(on_gpu > 0 && on_cpu > 0, "{on_gpu} and {on_cpu}");
            let (fast, slow) = (on_gpu.min(on_cpu), on_gpu.max(on_cpu) + 1);
            assert!(pace::beat(slow, fast).is_ok());
            let error = pace::beat(fast, slow).unwrap_err();
            assert_eq!((error.at_fault(), error.what()), ("pace", &*slow.to_string()));
            // Who has nothing to compare with yet asks with 0, and always learns the time.
            assert!(pace::beat(0, fast).is_err());
        });
    }
}
