//! For GPUs with subgroups, and many rows: rows handed on within a subgroup, weights straight from storage.

use super::{Order, Variant};
use crate::ops::shaders::matmul::broadcast::{COLUMNS, KERNELS, ROWS};

/// The variant of `shaders/matmul/broadcast.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "broadcast",
    kernels: &KERNELS,
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: false,
};
