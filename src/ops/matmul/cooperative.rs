//! For GPUs with matrix units, natively: f16 products, f32 sums.

use super::{Order, Variant, kernels};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup with subgroups of 32; set to four subgroups of any other size.
/// = shaders/matmul/cooperative.wgsl
pub const LANES: u32 = 128;
/// Subgroups of a workgroup. = shaders/matmul/cooperative.wgsl
pub const SUBGROUPS: u32 = 4;

const NEEDS: Needs = Needs::CooperativeMatrices { subgroups: SUBGROUPS };
const SOURCE: &str = shader!("matmul/cooperative");

const fn variant(name: &'static str, kernels: [Kernel; 3], side: u32) -> Variant {
    Variant {
        name,
        kernels,
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
    kernels!(
        ["matmul cooperative_16", "matmul cooperative_16 q8", "matmul cooperative_16 q4"],
        NEEDS,
        shader!("matmul/prelude_16"),
        SOURCE
    ),
    16,
);

/// With tiles of 8 x 8, as Apple has them, and newer lavapipes.
pub static SIDE_8: Variant = variant(
    "cooperative_8",
    kernels!(
        ["matmul cooperative_8", "matmul cooperative_8 q8", "matmul cooperative_8 q4"],
        NEEDS,
        shader!("matmul/prelude_8"),
        SOURCE
    ),
    8,
);
