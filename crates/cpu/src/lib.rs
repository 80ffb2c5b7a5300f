//! The forward pass on the CPU, for hosts without a GPU adapter. As on the GPU, pairs lie end to
//! end, no padding is computed, and a pair's logits do not depend on the rest of its batch.

mod attention;
mod buffers;
#[cfg(feature = "calibrate")]
pub mod calibrate;
#[cfg(test)]
mod curves_tests;
mod dense;
#[cfg(feature = "fastest")]
pub mod fastest;
mod forward;
mod integer;
mod layers;
mod modernbert;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(any(test, target_arch = "wasm32"))]
mod portable;
mod products;
mod shares;
#[cfg_attr(not(target_arch = "x86_64"), path = "tile/none.rs")]
mod tile;
mod weights;

use cappy::checkpoint::{Checkpoint, LocalFuture, WeightFormat};
use cappy::{
    AdapterSummary, Backend, Batch, Config, Dtype, Error, ErrorKind, LoadOptions, LoadedModel,
    Result, Running, pace,
};
use dense::Dense;
use integer::Bits;
#[cfg(not(target_arch = "wasm32"))]
use native as platform;
#[cfg(target_arch = "wasm32")]
use portable as platform;

/// Tokens of a batch for each thread that computes.
const TOKENS: usize = 512;

/// The most of them, where memory for activations is to stay within a few hundred MiB.
const MOST_TOKENS: usize = 4096;

/// What dense layers multiply. The rest of the forward pass is f32 always, and the tables of words
/// and positions are stored in f16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// f32: four bytes a weight. Natively the fastest that keeps the weights as they are. Where Linux has
    /// Intel's AMX each number is multiplied as the sum of two of bfloat16, with 16 of its 24 bits.
    F32,
    /// Weights of 14 bits in two bytes, with a scale for each 32 inputs of an output, beside
    /// activations of 14: about as fine as f16. The fastest in WebAssembly.
    I16,
    /// Weights of 8 bits with the same scales, beside activations of 16 bits. Half of the memory of
    /// [`Numbers::I16`], and a third of [`Numbers::F32`]'s. Natively at least as fast as f32 by AVX2 or
    /// AVX-512, where that was measured. Where Linux has Intel's AMX the rounded weights are kept and
    /// multiplied as f32 beside activations of f32, in the time and memory of [`Numbers::F32`].
    I8,
}

impl Default for Numbers {
    /// The fastest that keeps the weights as they are to within f16.
    fn default() -> Self {
        platform::NUMBERS
    }
}

impl Numbers {
    /// What multiplies these on this machine, for people.
    pub fn describe(self) -> String {
        self.describe_for(platform::expands_8_bits())
    }

    /// The same where weights of 8 bits are multiplied as f32, or as integers.
    fn describe_for(self, expand: bool) -> String {
        match self {
            Numbers::F32 => format!("f32 ({})", Dense::float_kernel()),
            Numbers::I16 => "integers, 16-bit weights".into(),
            Numbers::I8 if expand => format!("f32 ({}), 8-bit weights", Dense::float_kernel()),
            Numbers::I8 => match Bits::Eight.tile() {
                Some(tile) => format!("integers, 8-bit weights ({})", tile.name()),
                None => "integers, 8-bit weights".into(),
            },
        }
    }
}

/// The CPU as a [`Backend`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// What dense layers multiply; by default the fastest that keeps the weights as they are, or
    /// 8-bit weights where [`LoadOptions::weights`] asks for few bits.
    pub numbers: Option<Numbers>,
}

/// A model in the memory of the host.
pub struct CpuModel {
    config: Config,
    weights: Weights,
    running: Running,
}

enum Weights {
    Bert(weights::Weights),
    ModernBert(modernbert::Weights),
}

impl Backend for Cpu {
    fn load<'a>(
        &'a self,
        checkpoint: &'a Checkpoint,
        config: &'a Config,
        options: &'a LoadOptions<'_>,
        loaded: &'a mut dyn FnMut(u64),
    ) -> LocalFuture<'a, Result<Box<dyn LoadedModel>>> {
        Box::pin(async move {
            let model = self.load_model(checkpoint, config, options, loaded).await?;
            Ok(Box::new(model) as _)
        })
    }
}

impl Cpu {
    async fn load_model(
        &self,
        checkpoint: &Checkpoint,
        config: &Config,
        options: &LoadOptions<'_>,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<CpuModel> {
        if options.dtype == Dtype::F16 || options.kernel.is_some() {
            let option = if options.kernel.is_some() { "kernel" } else { "dtype" };
            let why = "is for shaders, and the CPU runs none";
            return Err(Error::new(ErrorKind::Input, option, why));
        }
        let numbers = self.numbers_for(options);
        let weights = match &config.modernbert {
            None => Weights::Bert(weights::load(checkpoint, config, numbers, loaded).await?),
            Some(of) => {
                let load = modernbert::Weights::load(checkpoint, config, of, numbers, loaded);
                Weights::ModernBert(load.await?)
            }
        };
        let tokens = (TOKENS * threads()).min(MOST_TOKENS);
        let running = Running {
            gpu_bytes: 0,
            cpu_bytes: match &weights {
                Weights::Bert(weights) => weights.bytes(),
                Weights::ModernBert(weights) => weights.bytes(),
            },
            adapter: AdapterSummary {
                name: format!("{}, threads: {}", std::env::consts::ARCH, threads()),
                backend: "cpu".into(),
                driver: String::new(),
                device_type: "cpu".into(),
                f16: false,
                timestamps: false,
                max_binding_bytes: 0,
                subgroup_size: 0,
                subgroup_max_size: 0,
                cooperative: Vec::new(),
            },
            dtype: Dtype::F32,
            // Its integers of 14 bits are about as fine as f16.
            weights: if numbers == Numbers::I8 { WeightFormat::Q8 } else { WeightFormat::F16 },
            note: None,
            batch_tokens: options.batch_tokens.unwrap_or(tokens),
            kernels: numbers.describe(),
            tuning_seconds: 0.0,
            tuning: String::new(),
        };
        Ok(CpuModel { config: config.clone(), weights, running })
    }

    /// What dense layers multiply with these options.
    pub fn numbers_for(&self, options: &LoadOptions<'_>) -> Numbers {
        let small = matches!(options.weights, Some(WeightFormat::Q8 | WeightFormat::Q4));
        let asked = small.then_some(Numbers::I8);
        self.numbers.or(asked).unwrap_or_default()
    }
}

impl LoadedModel for CpuModel {
    /// `stop` is asked before each layer.
    fn run<'a>(
        &'a self,
        batch: &'a Batch,
        stop: &'a dyn Fn() -> bool,
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>>> {
        match (&self.weights, &self.config.modernbert) {
            (Weights::ModernBert(weights), Some(of)) => {
                Box::pin(modernbert::logits(&self.config, of, weights, batch, stop))
            }
            (Weights::Bert(weights), _) => {
                Box::pin(forward::logits(&self.config, weights, batch, stop))
            }
            _ => unreachable!("the weights were loaded by the config"),
        }
    }

    fn why_not_finite<'a>(&'a self, _: &'a Batch) -> LocalFuture<'a, Result<Option<String>>> {
        Box::pin(async { Ok(Some("the model overflows on it".into())) })
    }

    fn describe(&self) -> &Running {
        &self.running
    }
}

/// Microseconds of the fixed forward pass of [`pace`] on the CPU. It is boxed, because another crate that
/// waited for it as it is would compile the forward pass once more.
///
/// # Errors
/// [`ErrorKind::OutOfMemory`] where there is no room for its small model.
pub fn pace_of(numbers: Numbers) -> LocalFuture<'static, Result<u32>> {
    Box::pin(async move {
        let (config, checkpoint, pairs) = pace::work();
        let cpu = Cpu { numbers: Some(numbers) };
        let options = LoadOptions::default();
        let model = cpu.load_model(&checkpoint, &config, &options, &mut |_| {}).await?;
        let batch = Batch::new(&pairs);
        pace::fastest(async || model.run(&batch, &|| false).await.map(drop)).await
    })
}

/// Room for `count` numbers of the tensor `name`, or an error where memory does not suffice: a file
/// may name any size.
fn room_for<T>(name: &str, count: usize) -> Result<Vec<T>> {
    let mut room = Vec::new();
    room.try_reserve_exact(count).map_err(|source| {
        let what = format!("needs {} bytes of memory, which are not there", count * size_of::<T>());
        Error::new(ErrorKind::OutOfMemory, name, what).with_source(source)
    })?;
    Ok(room)
}

/// Threads that compute.
pub fn threads() -> usize {
    platform::threads()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_multiplies_is_told_as_it_is() {
        let of_f32 = Numbers::F32.describe();
        assert_eq!(Numbers::I8.describe_for(true), format!("{of_f32}, 8-bit weights"));
        assert!(Numbers::I8.describe_for(false).starts_with("integers, 8-bit weights"));
        assert_eq!(
            Numbers::I8.describe() == format!("{of_f32}, 8-bit weights"),
            of_f32 == "f32 (amx)"
        );
        for numbers in [Numbers::F32, Numbers::I16] {
            assert_eq!(numbers.describe_for(true), numbers.describe_for(false));
        }
    }
}
