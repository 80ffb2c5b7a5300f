//! For GPUs that multiply f16 faster than f32: products of eight k are added up in f16, and these in f32.

use super::{Order, Variant, large, medium};
use crate::ops::shaders::matmul::half::{half_large, half_medium};

/// The variant of `shaders/matmul/half/half_large.wgsl`.
pub static LARGE: Variant = Variant {
    name: "half_large",
    kernels: &half_large::KERNELS,
    rows: half_large::ROWS,
    columns: half_large::COLUMNS,
    order: Order::Half,
    blocks: false,
};

/// The variant of `shaders/matmul/half/half_medium.wgsl`.
pub static MEDIUM: Variant = Variant {
    name: "half_medium",
    kernels: &half_medium::KERNELS,
    rows: half_medium::ROWS,
    columns: half_medium::COLUMNS,
    order: Order::Half,
    blocks: false,
};

/// `variant`, or the one of the same tiles whose sums are f32 throughout.
pub fn in_f32(variant: &'static Variant) -> &'static Variant {
    match variant.name {
        "half_large" => &large::VARIANT,
        "half_medium" => &medium::VARIANT,
        _ => variant,
    }
}
