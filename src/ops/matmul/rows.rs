//! For GPUs and a handful of rows: k shared out among invocations.

use super::{Order, Variant, kernels};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup. = shaders/matmul/rows.wgsl
pub const LANES: u32 = 64;
/// Rows of a workgroup's tile. = shaders/matmul/rows.wgsl
pub const ROWS: u32 = 8;
/// Columns of a workgroup's tile. = shaders/matmul/rows.wgsl
pub const COLUMNS: u32 = 16;

/// The variant of `shaders/matmul/rows.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "rows",
    kernels: kernels!(
        ["matmul rows", "matmul rows q8", "matmul rows q4"],
        Needs::Nothing,
        shader!("matmul/rows")
    ),
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sliced,
    blocks: false,
};
