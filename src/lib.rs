//! Score and rank candidate responses with a RoBERTa scorer on hand-written WGSL.
//!
//! This crate has the model's files, the tokenizer, the kernels for the GPU and the scorer. The crate
//! `cappy-cpu` computes without a GPU, `cappy-eval` measures what a scorer chooses, `cappy-cli` is the
//! command line, and `cappy-wasm` is what JavaScript calls.

mod adapter;
pub mod backend;
pub mod batch;
mod best;
pub mod checkpoint;
mod config;
mod convert;
pub mod decide;
mod error;
pub mod explain;
pub mod lines;
mod options;
pub mod pace;
mod rank;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod rendering;
pub mod rouge;
mod scorer;
pub mod source;
mod tokenizer;

#[cfg(feature = "adapt")]
pub mod adapt;
#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "gpu")]
pub mod encoder;
#[cfg(feature = "gpu")]
pub mod gpu;
#[cfg(feature = "gpu")]
pub mod gpu_backend;
#[cfg(feature = "gpu")]
pub mod ops;
#[cfg(feature = "gpu")]
pub mod tune;

pub use adapter::{AdapterSummary, Dtype, Subgroups};
pub use backend::{Backend, LoadedModel, Running};
pub use batch::Batch;
pub use best::{Best, BestOptions, Stopped};
pub use checkpoint::{Checkpoint, RandomProfile};
pub use config::{Activation, Config, Family, MAX_HEAD_SIZE, ModernBert, Module, Pooling, Reach};
pub use convert::{Conversion, FILE as CONVERTED_FILE};
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
pub use gpu_backend::GpuBackend;
pub use options::{DTYPES, LoadOptions, Progress, compute_and_weights};
pub use rank::Ranked;
pub use scorer::{Info, Score, Scorer};
pub use source::ModelSource;
pub use tokenizer::{Encoded, Tokenizer};
