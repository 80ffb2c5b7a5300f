//! For GPUs: q and k through workgroup memory.

use super::{STORAGE, Variant};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup. = shaders/attention/tiles.wgsl
pub const LANES: u32 = 64;

/// The variant of `shaders/attention/tiles.wgsl`.
pub static VARIANT: Variant = Variant {
    kernel: Kernel {
        name: "attention tiles",
        sources: &[shader!("attention/common"), shader!("attention/tiles")],
        storage: STORAGE,
        needs: Needs::Nothing,
    },
    heads: 1,
};
