//! For GPUs and many rows: a tile through workgroup memory, 8 x 8 sums an invocation.

use super::{Order, STORAGE, Variant};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup. = shaders/matmul/large.wgsl
pub const LANES: u32 = 128;
/// Rows of a workgroup's tile. = shaders/matmul/large.wgsl
pub const ROWS: u32 = 128;
/// Columns of a workgroup's tile. = shaders/matmul/large.wgsl
pub const COLUMNS: u32 = 64;

/// The variant of `shaders/matmul/large.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "large",
    kernel: Kernel {
        name: "matmul large",
        sources: &[
            include_str!("../../../shaders/matmul/common.wgsl"),
            include_str!("../../../shaders/matmul/large.wgsl"),
        ],
        storage: STORAGE,
        needs: Needs::Nothing,
    },
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: false,
};
