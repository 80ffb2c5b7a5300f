//! The forward pass on the CPU, for hosts without a GPU adapter. As on the GPU, pairs lie end to
//! end, no padding is computed, and a pair's logits do not depend on its company.

mod attention;
#[cfg(all(feature = "adapt", not(target_arch = "wasm32")))]
mod calibrate;
mod curves;
mod dense;
mod forward;
mod integer;
mod layers;
mod parallel;
mod products;
mod weights;

#[cfg(all(feature = "adapt", not(target_arch = "wasm32")))]
pub use self::calibrate::write_calibrated;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::tokenizer::Encoded;
use weights::Weights;

/// What dense layers multiply. The rest of the forward pass is f32 always, and the tables of words
/// and positions are stored in f16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// f32: four bytes a weight. The fastest natively.
    #[cfg(not(target_arch = "wasm32"))]
    F32,
    /// Weights of 14 bits in two bytes, with a scale for each 32 inputs of an output, beside
    /// activations of 14: about as fine as f16. The fastest in WebAssembly.
    I16,
    /// Weights of 8 bits with the same scales, beside activations of 16 bits. Half of the memory.
    I8,
}

impl Default for Numbers {
    /// The fastest that keeps the weights as they are to within f16.
    fn default() -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        return Numbers::F32;
        #[cfg(target_arch = "wasm32")]
        return Numbers::I16;
    }
}

/// A model in the memory of the host.
pub struct CpuEncoder {
    config: Config,
    numbers: Numbers,
    weights: Weights,
}

impl CpuEncoder {
    /// Reads the weights of `checkpoint`. `loaded` is told the bytes of weights read so far,
    /// counted by their size in the file.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Checkpoint`] naming the tensor at fault.
    pub async fn load(
        checkpoint: &Checkpoint,
        config: &Config,
        numbers: Numbers,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<CpuEncoder> {
        let weights = weights::load(checkpoint, config, numbers, loaded).await?;
        Ok(CpuEncoder { config: config.clone(), numbers, weights })
    }

    /// Bytes of weights in memory.
    pub fn bytes(&self) -> u64 {
        self.weights.bytes()
    }

    /// What runs, for people.
    pub fn describe(&self) -> String {
        describe(self.numbers)
    }

    /// The raw logits of each pair, in order: `[pairs][labels]`. `stop` is asked before each layer.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Aborted`] once `stop` has said so. The numbers themselves are not looked
    /// at.
    pub async fn logits(
        &self,
        pairs: &[Encoded],
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        forward::logits(&self.config, &self.weights, pairs, stop).await
    }
}

/// What multiplies `numbers`, for people.
pub(crate) fn describe(numbers: Numbers) -> String {
    match numbers {
        #[cfg(not(target_arch = "wasm32"))]
        Numbers::F32 => format!("f32 ({})", dense::float_kernel()),
        Numbers::I16 => "integers, 16-bit weights".into(),
        Numbers::I8 => "integers, 8-bit weights".into(),
    }
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
    parallel::threads()
}
