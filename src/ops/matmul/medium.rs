//! For GPUs and few rows: small tiles through workgroup memory, so that there are enough of them.

use super::{Order, Variant};
use crate::ops::shaders::matmul::medium::{COLUMNS, KERNELS, ROWS};

/// The variant of `shaders/matmul/medium.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "medium",
    kernels: &KERNELS,
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: false,
};
