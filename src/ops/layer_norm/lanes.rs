//! For CPUs that pose as GPUs: every invocation does a row alone.

use super::{COMMON, STORAGE, Variant};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup, and its rows. = shaders/layer_norm/lanes.wgsl
pub const LANES: u32 = 8;

/// The variant of `shaders/layer_norm/lanes.wgsl`.
pub static VARIANT: Variant = Variant {
    kernel: Kernel {
        name: "layer_norm lanes",
        sources: &[COMMON, shader!("layer_norm/lanes")],
        storage: STORAGE,
        needs: Needs::Nothing,
    },
    rows: LANES,
};
