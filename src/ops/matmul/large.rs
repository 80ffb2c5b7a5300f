//! For GPUs and many rows: a tile through workgroup memory, 8 x 8 sums an invocation.

use super::{Order, Variant, kernels};
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
    kernels: kernels!(
        ["matmul large", "matmul large q8", "matmul large q4"],
        Needs::Nothing,
        shader!("matmul/large")
    ),
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: false,
};
