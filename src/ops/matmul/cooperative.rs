//! For GPUs with matrix units, natively: f16 products, f32 sums.

use super::{Order, Variant};
use crate::ops::shaders::matmul::cooperative::{side_8, side_16};

/// The variant of `shaders/matmul/cooperative/side_16.wgsl`.
pub static SIDE_16: Variant = Variant {
    name: "cooperative_16",
    kernels: &side_16::KERNELS,
    rows: side_16::ROWS,
    columns: side_16::COLUMNS,
    order: Order::Cooperative { side: side_16::SIDE },
    blocks: false,
};

/// The variant of `shaders/matmul/cooperative/side_8.wgsl`.
pub static SIDE_8: Variant = Variant {
    name: "cooperative_8",
    kernels: &side_8::KERNELS,
    rows: side_8::ROWS,
    columns: side_8::COLUMNS,
    order: Order::Cooperative { side: side_8::SIDE },
    blocks: false,
};
