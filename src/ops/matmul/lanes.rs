//! For software adapters: wide register tiles, no workgroup memory.

use super::{Order, Variant};
use crate::ops::shaders::matmul::software::lanes::KERNELS;
pub use crate::ops::shaders::matmul::software::{COLUMNS, ROWS};

/// The variant of `shaders/matmul/software/lanes.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "lanes",
    kernels: &KERNELS,
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: true,
};
