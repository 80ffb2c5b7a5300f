//! A model written once more, in f16 or quantised.

use std::io::Write;

use crate::checkpoint::{self, Rounding, tensor_shapes};
use crate::error::Result;
use crate::options::Progress;
use crate::source::{ModelSource, Opened, open};

/// What messages call the file.
pub const FILE: &str = "model.safetensors";

/// A model that is to be written.
///
/// ```
/// use cappy::checkpoint::{Checkpoint, MemoryFiles, WeightFormat};
/// use cappy::{Conversion, ModelSource};
/// # pollster::block_on(async {
/// let conversion = Conversion::open(ModelSource::Embedded, &mut |_| {}).await?;
/// let q4 = conversion.write(Vec::new(), WeightFormat::Q4, &mut |_| {}).await?;
/// let files = MemoryFiles::new("memory").with("model.safetensors", q4);
/// assert_eq!(Checkpoint::open(&files).await?.weight_format(), WeightFormat::Q4);
/// # Ok::<(), cappy::Error>(())
/// # }).unwrap();
/// ```
pub struct Conversion(Opened);

impl Conversion {
    /// Reads what a model has besides its numbers. Downloads from the hub block the calling thread.
    ///
    /// # Errors
    /// As [`crate::Scorer::load`].
    pub async fn open(
        source: ModelSource,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Conversion> {
        open(source, progress).await.map(Conversion)
    }

    /// The model's files besides its weights, to be put beside the new ones.
    ///
    /// # Errors
    /// What reading them gives.
    pub async fn small_files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        match &self.0.files {
            Some(files) => checkpoint::small_files(&**files).await,
            None => Ok(Vec::new()),
        }
    }

    /// Writes `model.safetensors` and gives `out` back. Which tensors are rounded is told by
    /// [`checkpoint::scheme`]. What a scorer computes with the file is what it computes with the
    /// model itself when that is loaded with [`crate::LoadOptions::weights`] of its format, to the
    /// bit, unless some layers are finer.
    ///
    /// # Errors
    /// As [`checkpoint::write_quantised`].
    pub async fn write<W: Write>(
        &self,
        out: W,
        rounding: impl Into<Rounding>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<W> {
        let Opened { config, checkpoint, .. } = &self.0;
        let mut tell = self.tell(progress);
        checkpoint::write_quantised(checkpoint, config, out, FILE, rounding.into(), &mut tell).await
    }

    /// The model: its config, tokenizer and checkpoint.
    pub fn model(&self) -> &Opened {
        &self.0
    }

    /// A function that takes how many numbers are written and reports to `progress` how many bytes of
    /// the model that is.
    pub fn tell(&self, progress: &mut dyn FnMut(Progress)) -> impl FnMut(u64) {
        let numbers = |(_, shape): &(String, Vec<usize>)| shape.iter().product::<usize>() as f64;
        let all: f64 = tensor_shapes(&self.0.config).iter().map(numbers).sum();
        let total = self.0.checkpoint.file_bytes();
        move |numbers: u64| {
            let bytes = (total as f64 * numbers as f64 / all) as u64;
            progress(Progress::Load { bytes: bytes.min(total), total });
        }
    }
}
