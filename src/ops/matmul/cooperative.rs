//! For GPUs with matrix units, natively: f16 products, f32 sums.

use super::{Order, STORAGE, Variant};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup with subgroups of 32; set to four subgroups of any other size.
/// = shaders/matmul/cooperative.wgsl
pub const LANES: u32 = 128;
/// Subgroups of a workgroup. = shaders/matmul/cooperative.wgsl
pub const SUBGROUPS: u32 = 4;

const fn variant(
    name: &'static str,
    kernel: &'static str,
    sources: &'static [&'static str],
    side: u32,
) -> Variant {
    Variant {
        name,
        kernel: Kernel {
            name: kernel,
            sources,
            storage: STORAGE,
            needs: Needs::CooperativeMatrices { subgroups: SUBGROUPS },
        },
        // = shaders/matmul/cooperative.wgsl
        rows: 8 * side,
        columns: 4 * side,
        order: Order::Cooperative { side },
        blocks: false,
    }
}

/// With tiles of 16 x 16, as NVIDIA, AMD and Intel have them.
pub static SIDE_16: Variant = variant(
    "cooperative_16",
    "matmul cooperative_16",
    &[
        include_str!("../../../shaders/matmul/common.wgsl"),
        include_str!("../../../shaders/matmul/prelude_16.wgsl"),
        include_str!("../../../shaders/matmul/cooperative.wgsl"),
    ],
    16,
);

/// With tiles of 8 x 8, as Apple has them, and newer lavapipes.
pub static SIDE_8: Variant = variant(
    "cooperative_8",
    "matmul cooperative_8",
    &[
        include_str!("../../../shaders/matmul/common.wgsl"),
        include_str!("../../../shaders/matmul/prelude_8.wgsl"),
        include_str!("../../../shaders/matmul/cooperative.wgsl"),
    ],
    8,
);
