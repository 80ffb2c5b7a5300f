//! For GPUs and a handful of rows: k shared out among invocations.

use super::{Order, Variant};
use crate::ops::shaders::matmul::rows::{COLUMNS, KERNELS, ROWS};

/// The variant of `shaders/matmul/rows.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "rows",
    kernels: &KERNELS,
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sliced,
    blocks: false,
};
