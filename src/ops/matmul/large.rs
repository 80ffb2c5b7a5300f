//! For GPUs and many rows: a tile through workgroup memory, 8 x 8 sums an invocation.

use super::{Order, Variant};
use crate::ops::shaders::matmul::large::{COLUMNS, KERNELS, ROWS};

/// The variant of `shaders/matmul/large.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "large",
    kernels: &KERNELS,
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: false,
};
