//! As `lanes`, with rows handed on within a subgroup of eight invocations.

use super::{Order, Variant, kernels};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup. = shaders/matmul/subgroup.wgsl
pub const LANES: u32 = 8;
/// Rows of a workgroup's tile. = shaders/matmul/subgroup.wgsl
pub const ROWS: u32 = 16;
/// Columns of a workgroup's tile. = shaders/matmul/subgroup.wgsl
pub const COLUMNS: u32 = 64;

/// The variant of `shaders/matmul/subgroup.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "subgroup",
    kernels: kernels!(
        ["matmul subgroup", "matmul subgroup q8", "matmul subgroup q4"],
        Needs::Subgroups,
        shader!("matmul/prelude_tile"),
        shader!("matmul/subgroup")
    ),
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: false,
};
