//! For GPUs with subgroups: q and k through workgroup memory, the rest from invocation to invocation.

use super::Variant;
use crate::ops::shaders::attention::gpu::shuffle::KERNEL;

/// The variant of `shaders/attention/gpu/shuffle.wgsl`.
pub static VARIANT: Variant = Variant { name: "shuffle", kernel: &KERNEL, heads: 1 };
