//! For CPUs that pose as GPUs: every invocation works alone.

use super::{STORAGE, Variant};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup: one SIMD vector. = shaders/attention/lanes.wgsl
pub const LANES: u32 = 8;
/// Heads of a workgroup. = shaders/attention/lanes.wgsl
pub const HEADS: u32 = 2;

/// The variant of `shaders/attention/lanes.wgsl`.
pub static VARIANT: Variant = Variant {
    kernel: Kernel {
        name: "attention lanes",
        sources: &[shader!("attention/common"), shader!("attention/lanes")],
        storage: STORAGE,
        needs: Needs::Nothing,
    },
    heads: HEADS,
};
