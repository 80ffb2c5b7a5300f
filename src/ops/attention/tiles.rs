//! For GPUs: q and k through workgroup memory.

use super::Variant;
use crate::ops::shaders::attention::gpu::tiles::KERNEL;

/// The variant of `shaders/attention/gpu/tiles.wgsl`.
pub static VARIANT: Variant = Variant { name: "tiles", kernel: &KERNEL, heads: 1 };
