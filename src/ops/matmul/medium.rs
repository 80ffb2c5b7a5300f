//! For GPUs and few rows: small tiles through workgroup memory, so that there are enough of them.

use super::{Order, Variant, kernels};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup. = shaders/matmul/medium.wgsl
pub const LANES: u32 = 64;
/// Rows of a workgroup's tile. = shaders/matmul/medium.wgsl
pub const ROWS: u32 = 32;
/// Columns of a workgroup's tile. = shaders/matmul/medium.wgsl
pub const COLUMNS: u32 = 32;

/// The variant of `shaders/matmul/medium.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "medium",
    kernels: kernels!(
        ["matmul medium", "matmul medium q8", "matmul medium q4"],
        Needs::Nothing,
        shader!("matmul/medium")
    ),
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: false,
};
