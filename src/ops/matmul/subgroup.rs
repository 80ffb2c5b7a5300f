//! As `lanes`, with rows handed on within a subgroup of eight invocations.

use super::{Order, STORAGE, Variant};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup. = shaders/matmul/subgroup.wgsl
pub const LANES: u32 = 8;
/// Rows of a workgroup's tile. = shaders/matmul/subgroup.wgsl
pub const ROWS: u32 = 8;
/// Columns of a workgroup's tile. = shaders/matmul/subgroup.wgsl
pub const COLUMNS: u32 = 64;

/// The variant of `shaders/matmul/subgroup.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "subgroup",
    kernel: Kernel {
        name: "matmul subgroup",
        sources: &[
            include_str!("../../../shaders/matmul/common.wgsl"),
            include_str!("../../../shaders/matmul/subgroup.wgsl"),
        ],
        storage: STORAGE,
        needs: Needs::Subgroups,
    },
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: false,
};
