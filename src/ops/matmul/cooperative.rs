//! For GPUs with matrix units, natively: f16 products, f32 sums.

use super::{Order, Variant};
use crate::ops::shaders::matmul::cooperative::{cooperative_8, cooperative_16};

/// The variant of `shaders/matmul/cooperative/cooperative_16.wgsl`.
pub static SIDE_16: Variant = Variant {
    name: "cooperative_16",
    kernels: &cooperative_16::KERNELS,
    rows: cooperative_16::ROWS,
    columns: cooperative_16::COLUMNS,
    order: Order::Cooperative { side: cooperative_16::SIDE },
    blocks: false,
};

/// The variant of `shaders/matmul/cooperative/cooperative_8.wgsl`.
pub static SIDE_8: Variant = Variant {
    name: "cooperative_8",
    kernels: &cooperative_8::KERNELS,
    rows: cooperative_8::ROWS,
    columns: cooperative_8::COLUMNS,
    order: Order::Cooperative { side: cooperative_8::SIDE },
    blocks: false,
};
