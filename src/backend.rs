//! The seam between a scorer and what computes the forward pass. It has two implementations:
//! [`GpuBackend`](crate::GpuBackend) here, and the CPU's in the crate `cappy-cpu`. A scorer does not
//! know which one it has.

use crate::adapter::{AdapterSummary, Dtype};
use crate::batch::Batch;
use crate::checkpoint::{Checkpoint, LocalFuture, WeightFormat};
use crate::config::Config;
use crate::error::Result;
use crate::options::LoadOptions;

/// A kind of device that models can be loaded onto.
pub trait Backend {
    /// Opens the device and reads the weights of `checkpoint`. `loaded` is told how many bytes of
    /// them are there, counted by their size in the file.
    ///
    /// # Errors
    /// What opening the device says, and [`crate::ErrorKind::Checkpoint`] naming the tensor at fault.
    fn load<'a>(
        &'a self,
        checkpoint: &'a Checkpoint,
        config: &'a Config,
        options: &'a LoadOptions<'_>,
        loaded: &'a mut dyn FnMut(u64),
    ) -> LocalFuture<'a, Result<Box<dyn LoadedModel>>>;
}

/// A model's weights on a device, ready for its forward pass.
pub trait LoadedModel {
    /// The raw logits of each pair of `batch`, in order: `[pairs][labels]`. The numbers themselves
    /// are not looked at. `stop` is asked from time to time. Calls at the same time wait for each
    /// other.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Aborted`] once `stop` has said so, and what the device says.
    fn run<'a>(
        &'a self,
        batch: &'a Batch,
        stop: &'a dyn Fn() -> bool,
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>>>;

    /// What makes a logit of `batch` infinite or NaN, for people; `None` where all are finite when
    /// the batch is computed once more.
    ///
    /// # Errors
    /// As [`LoadedModel::run`].
    fn why_not_finite<'a>(&'a self, batch: &'a Batch) -> LocalFuture<'a, Result<Option<String>>>;

    /// What it runs on and how.
    fn describe(&self) -> &Running;
}

/// What a loaded model runs on and how.
#[derive(Debug, Clone)]
pub struct Running {
    /// Bytes of GPU memory in use, weights and activations.
    pub gpu_bytes: u64,
    /// Bytes of weights in the host's memory, where the CPU computes.
    pub cpu_bytes: u64,
    /// The adapter it runs on. Its backend is `cpu` where that is none.
    pub adapter: AdapterSummary,
    /// How kernels read f16 numbers there.
    pub dtype: Dtype,
    /// How its matrices are held.
    pub weights: WeightFormat,
    /// Why it runs there and in this way, where a person may want to know.
    pub note: Option<String>,
    /// The most tokens computed at once.
    pub batch_tokens: usize,
    /// What multiplies matrices, for people.
    pub kernels: String,
    /// Seconds that it took to find that out by measuring; 0 where it was remembered.
    pub tuning_seconds: f64,
    /// The same for [`LoadOptions::tuning`] of the next load.
    pub tuning: String,
}
