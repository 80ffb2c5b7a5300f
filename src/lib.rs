//! Score and rank candidate responses with a RoBERTa scorer on hand-written WGSL.

#[cfg(feature = "adapt")]
pub mod adapt;
mod batch;
#[cfg(feature = "bench")]
pub mod bench;
pub mod checkpoint;
mod config;
#[cfg(feature = "adapt")]
mod convert;
#[cfg(feature = "cpu")]
pub mod cpu;
// In WebAssembly the feature `cpu` makes a module without the GPU.
#[cfg_attr(all(feature = "cpu", target_arch = "wasm32"), allow(dead_code, unused_imports))]
mod encoder;
mod engine;
mod error;
#[cfg(feature = "eval")]
pub mod eval;
pub mod gpu;
#[cfg(any(feature = "adapt", feature = "eval"))]
pub mod lines;
pub mod ops;
#[cfg(any(feature = "cpu", target_arch = "wasm32"))]
mod pace;
mod rank;
#[cfg(test)]
mod reference;
#[cfg(any(feature = "adapt", feature = "eval"))]
pub mod rouge;
#[cfg_attr(all(feature = "cpu", target_arch = "wasm32"), allow(dead_code, unused_imports))]
mod scorer;
mod tokenizer;
#[cfg_attr(all(feature = "cpu", target_arch = "wasm32"), allow(dead_code, unused_imports))]
mod tune;
#[cfg(target_arch = "wasm32")]
pub mod web;

pub use checkpoint::{Checkpoint, RandomProfile};
pub use config::{Activation, Config, Family, MAX_HEAD_SIZE, Module};
#[cfg(feature = "adapt")]
pub use convert::Conversion;
#[cfg(feature = "cpu")]
pub use engine::Device;
pub use error::{Error, ErrorKind, Result};
pub use gpu::Dtype;
pub use rank::Ranked;
pub use scorer::{Info, LoadOptions, ModelSource, Progress, Score, Scorer};
pub use tokenizer::{Encoded, Tokenizer};
