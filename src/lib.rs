//! Score and rank candidate responses with a RoBERTa scorer on hand-written WGSL.

pub mod checkpoint;
mod config;
mod error;
pub mod gpu;
pub mod ops;
#[cfg(test)]
mod reference;
mod tokenizer;

pub use config::{Config, MAX_HEAD_SIZE};
pub use error::{Error, ErrorKind, Result};
pub use tokenizer::{Encoded, Tokenizer};
