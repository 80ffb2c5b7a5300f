//! Named, shape-checked tensors over byte sources.

#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
pub mod hub;
pub mod source;
