//! How to load a model, and how far loading is.

use crate::adapter::{Dtype, Subgroups};
use crate::backend::Backend;
use crate::checkpoint::{Files, WeightFormat};
use crate::error::{Error, ErrorKind, Result};

/// How to load a model.
#[derive(Default)]
pub struct LoadOptions<'a> {
    /// Where to compute. By default the GPU of this crate; the crate `cappy-cpu` has the CPU, and
    /// what takes the faster of both.
    pub backend: Option<&'a dyn Backend>,
    /// How kernels read f16 numbers.
    pub dtype: Dtype,
    /// How matrices are held on the GPU; those that are stored otherwise are rounded to it while
    /// they stream. By default as they are stored. The CPU takes q8 and q4 for q8, and everything
    /// else, also where it is stored in fewer bits, for f16.
    pub weights: Option<WeightFormat>,
    /// The most tokens computed at once. More needs more memory and is faster up to a point.
    /// Raised to the longest pair, lowered to 32,768. Scores do not depend on it.
    pub batch_tokens: Option<usize>,
    /// The name of a matmul variant that is to run everything, instead of the ones that measuring
    /// on the adapter finds fastest; see [`crate::ops::matmul::VARIANTS`].
    pub kernel: Option<&'a str>,
    /// [`crate::Info::tuning`] of an earlier load. Where adapter, driver and version are the same, its
    /// choice of kernels, and of GPU or CPU, is taken and nothing is measured.
    pub tuning: Option<&'a str>,
    /// What adaptation changes of the model, in the files of a `peft` adapter; see
    /// [`crate::Checkpoint::with_adapter`].
    pub adaptation: Option<Box<dyn Files>>,
    /// The subgroups that a page has asked for, which wgpu cannot learn from a browser. Elsewhere the
    /// adapter says it.
    pub subgroups: Subgroups,
    /// Told how far loading is.
    pub progress: Option<&'a mut dyn FnMut(Progress)>,
}

/// How far loading is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A file comes from the hub.
    Download {
        /// Its name.
        file: String,
        /// Bytes of it that are here.
        bytes: u64,
        /// Its size.
        total: u64,
    },
    /// Weights are read.
    Load {
        /// Bytes of weights that are there.
        bytes: u64,
        /// Bytes of all weights.
        total: u64,
    },
}

/// The words that [`compute_and_weights`] knows.
pub const DTYPES: [&str; 5] = ["auto", "f16", "f32", "q8", "q4"];

/// What one word says of how kernels compute ([`LoadOptions::dtype`]) and of how matrices are held
/// ([`LoadOptions::weights`]): people and programs name both by one of [`DTYPES`].
///
/// ```
/// use cappy::checkpoint::WeightFormat;
/// use cappy::{Dtype, compute_and_weights};
/// assert_eq!(compute_and_weights("auto")?, (Dtype::Auto, None));
/// assert_eq!(compute_and_weights("f32")?, (Dtype::F32, Some(WeightFormat::F16)));
/// assert_eq!(compute_and_weights("q4")?, (Dtype::Auto, Some(WeightFormat::Q4)));
/// assert!(compute_and_weights("q5").is_err());
/// # Ok::<(), cappy::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Input`] for `dtype`, with the words that are known.
pub fn compute_and_weights(word: &str) -> Result<(Dtype, Option<WeightFormat>)> {
    match word {
        "auto" => Ok((Dtype::Auto, None)),
        "f16" => Ok((Dtype::F16, Some(WeightFormat::F16))),
        "f32" => Ok((Dtype::F32, Some(WeightFormat::F16))),
        "q8" => Ok((Dtype::Auto, Some(WeightFormat::Q8))),
        "q4" => Ok((Dtype::Auto, Some(WeightFormat::Q4))),
        other => {
            let what = format!("is {other:?}; auto, f16, f32, q8 and q4 are known");
            Err(Error::new(ErrorKind::Input, "dtype", what))
        }
    }
}
