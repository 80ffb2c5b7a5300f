//! Named, shape-checked tensors over byte sources.

pub mod source;
