//! As `lanes`, with rows handed on within a subgroup of eight invocations.

use super::{Order, Variant};
use crate::ops::shaders::matmul::software::{COLUMNS, ROWS, subgroup::KERNELS};

/// The variant of `shaders/matmul/software/subgroup.wgsl`.
pub static VARIANT: Variant = Variant {
    name: "subgroup",
    kernels: &KERNELS,
    rows: ROWS,
    columns: COLUMNS,
    order: Order::Sequential,
    blocks: false,
};
