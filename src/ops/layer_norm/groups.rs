//! For GPUs: a workgroup does a row.

use super::{COMMON, STORAGE, Variant};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup. = shaders/layer_norm/groups.wgsl
pub const LANES: u32 = 64;

/// The variant of `shaders/layer_norm/groups.wgsl`.
pub static VARIANT: Variant = Variant {
    kernel: Kernel {
        name: "layer_norm groups",
        sources: &[COMMON, shader!("layer_norm/groups")],
        storage: STORAGE,
        needs: Needs::Nothing,
    },
    rows: 1,
};
