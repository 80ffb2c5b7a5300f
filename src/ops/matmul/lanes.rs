//! For adapters that are CPUs: wide register tiles, no workgroup memory.

use super::{Order, Variant, kernels};
use crate::gpu::{Kernel, Needs};

/// Invocations of a workgroup. = shaders/matmul/lanes.wgsl
pub const LANES: u32 = 8;
/// Rows of a workgroup's tile. = shaders/matmul/lanes.wgsl
pub const ROWS: u32 = 16;
/// Columns of a workgroup's tile. = shaders/matmul/lanes.wgsl
pub const COLUMNS: u32 = 64;

/// The variant of `shaders/matmul/lanes.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "lanes",
    kernels: kernels!(
        ["matmul lanes", "matmul lanes q8", "matmul lanes q4"],
        Needs::Nothing,
        shader!("matmul/prelude_tile"),
        shader!("matmul/lanes")
    ),
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: true,
};
